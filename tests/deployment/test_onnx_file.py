"""A graph that may come from somebody else holds nothing that an export does not write."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from distune.deployment import onnx_file
from distune.deployment.onnx_file import check_graph
from distune.errors import UserError

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

FLOAT = onnx.TensorProto.FLOAT


def saved(
    file: Path, node: onnx.NodeProto, functions: tuple[onnx.FunctionProto, ...] = (), external: bool = False
) -> Path:
    import numpy as np

    weights = numpy_helper.from_array(np.ones(300, np.float32), "w")
    if external:
        onnx.external_data_helper.set_external_data(weights, location="w.bin")
        weights.data_location = onnx.TensorProto.EXTERNAL
    x, y = (helper.make_tensor_value_info(name, FLOAT, [300]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["z"]), node], "g", [x], [y], [weights])
    file.write_bytes(helper.make_model(graph, functions=functions, doc_string="é" * 200).SerializeToString())
    return file


def inner() -> onnx.GraphProto:
    out = helper.make_tensor_value_info("i", FLOAT, [300])
    return helper.make_graph([helper.make_node("Identity", ["z"], ["i"])], "inner", [], [out])


RELU = helper.make_node("Relu", ["z"], ["y"])
CONSTANT = helper.make_node("Constant", [], ["y"], value=helper.make_tensor("c", FLOAT, [1], [1.0]))
FUNCTION = helper.make_function(
    "own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 17)]
)


@pytest.mark.parametrize("node", [RELU, CONSTANT])
def test_a_plain_graph_passes(node: onnx.NodeProto, tmp_path: Path) -> None:
    check_graph(saved(tmp_path / "m.onnx", node))


def test_what_no_export_writes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    for operator in ("Loop", "If", "Scan"):
        node = helper.make_node(operator, ["", "z"], ["y"], body=inner())
        with pytest.raises(UserError, match="control flow"):
            check_graph(saved(file, node))
    with pytest.raises(UserError, match="control flow"):
        check_graph(saved(file, helper.make_node("If", ["z"], ["y"], branches=[inner(), inner()])))
    with pytest.raises(UserError, match="functions"):
        check_graph(saved(file, helper.make_node("F", ["z"], ["y"], domain="own"), (FUNCTION,)))
    with pytest.raises(UserError, match="another file"):
        check_graph(saved(file, RELU, external=True))


def field(number: int, content: bytes, above: int = 0) -> bytes:
    """A field of a protocol buffer, with bits above the 32 of its tag."""

    def varint(value: int) -> bytes:
        return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])

    return varint(above << 32 | number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize("outer", [(), (7, 1, 5), (7, 5)])
def test_no_bit_that_the_runtime_drops_hides_a_field(outer: tuple[int, ...], tmp_path: Path) -> None:
    never = {(): 25, (7, 1, 5): 6, (7, 5): 13}[outer]
    for above, reason in ((0, "no export of Distune writes"), (1, "export again")):
        content = field(never, b"", above)
        for number in reversed(outer):
            content = field(number, content)
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(UserError, match=reason):
            check_graph(tmp_path / "m.onnx")


def test_a_damaged_graph_is_refused_or_left_to_the_runtime(tmp_path: Path) -> None:
    whole = saved(tmp_path / "m.onnx", RELU).read_bytes()
    cut = tmp_path / "cut.onnx"
    for content in (b"", b"\xff" * 40, b"\x0f", whole[:-1], whole[:40], b"\x3a\xff\xff\xff\xff\x0f"):
        cut.write_bytes(content)
        with pytest.raises(UserError, match="export again"):
            check_graph(cut)


def test_a_number_has_up_to_64_bits(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"\x08" + b"\xff" * 9 + b"\x01")
    check_graph(file)
    file.write_bytes(b"\x08" + b"\xff" * 10 + b"\x01")
    with pytest.raises(UserError, match="export again"):
        check_graph(file)


@pytest.mark.parametrize("inside", [(), (7, 1)])
def test_a_graph_of_endless_tiny_parts_is_looked_at_no_further(
    inside: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "MOST_FIELDS", 50)
    for count, is_refused in ((50 - len(inside), False), (51 - len(inside), True)):
        content = field(99, b"") * count
        for number in reversed(inside):
            content = field(number, content)
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(UserError, match="50 parts") if is_refused else nullcontext():
            check_graph(tmp_path / "m.onnx")

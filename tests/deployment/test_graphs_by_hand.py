"""Graphs of a bundle, written by hand or from a student that was never trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from distune.config import Config, ModelConfig
from distune.data.pixels.intensity import DEFAULT
from distune.data.ragged import ragged
from distune.data.table import Task
from distune.deployment import bundle as files
from distune.deployment import export, model_card, quantise
from distune.deployment.export import export_run
from distune.deployment.graph import OPSET, Graph, _traced, write_graph
from distune.errors import DataError, UserError
from distune.models.classifier import Classifier, build_classifier
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import Columns
from tests.stand_ins import refusing_as

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def graph(
    file: Path,
    *,
    size: int = 2,
    classes: int = 3,
    props: str | None = None,
    extra: bool = False,
    absent: bool = False,
    batch: str | int = "batch",
) -> Path:
    """The probabilities of the three channels' means, by softmax over tenths of them."""
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("Cast", ["pixels"], ["a"], to=kinds.FLOAT),
        make.make_node("ReduceMean", ["a"], ["b"], axes=[2, 3], keepdims=0),
        make.make_node("Mul", ["b", "tenth"], ["c"]),
        make.make_node("Softmax", ["c"], ["p_0"], axis=1),
    ]
    inputs = [make.make_tensor_value_info("pixels", kinds.UINT8, [batch, 3, size, size])]
    if extra:
        inputs.append(make.make_tensor_value_info("ids", kinds.INT64, ["batch", "length"]))
        nodes.append(make.make_node("Cast", ["ids"], ["unused"], to=kinds.FLOAT))
    if absent:
        inputs.append(make.make_tensor_value_info("image_absent", kinds.BOOL, ["batch"]))
        nodes.append(make.make_node("Not", ["image_absent"], ["present"]))
    outputs = [make.make_tensor_value_info("p_0", kinds.FLOAT, ["batch", classes])]
    tenth = onnx.numpy_helper.from_array(np.array(0.1, np.float32), "tenth")
    made = make.make_model(
        make.make_graph(nodes, "g", inputs, outputs, [tenth]), opset_imports=[make.make_opsetid("", 17)]
    )
    made.ir_version = 8
    onnx.helper.set_model_props(made, {"tasks": props or json.dumps([["colour", ["r", "g", "b"]]])})
    onnx.save(made, str(file))
    return file


COLOUR = Task("colour", ("r", "g", "b"))


def loaded(file: Path, **changes: Any) -> Any:
    from distune.deployment.onnx_model import OnnxModel

    given = {"tasks": (COLOUR,), "modalities": ("image",), "tokenizer": None, "max_tokens": 8, "image_size": 2,
             "rules": DEFAULT, **changes}  # fmt: skip
    return OnnxModel(file, **given)


def test_a_graph_answers_what_it_computes(tmp_path: Path) -> None:
    found = loaded(graph(tmp_path / "m.onnx"))
    pixels = np.zeros((2, 3, 2, 2), np.uint8)
    pixels[0, 1], pixels[1, 2] = 20, 10
    (answers,) = found.probabilities(pixels, None)
    first, second = np.exp([0, 2, 0]), np.exp([0, 0, 1])
    assert answers == pytest.approx(np.stack([first / first.sum(), second / second.sum()]), abs=1e-6)
    assert not found.can_miss and found.batch_size == 16 and found.max_megapixels == float("inf")
    with pytest.raises(UserError, match="cannot be computed"):
        found.probabilities(pixels[:, :, :1], None)


def test_a_graph_is_told_what_each_example_lacks(tmp_path: Path) -> None:
    found, seen = loaded(graph(tmp_path / "m.onnx", absent=True)), []
    assert found.can_miss
    found._session = SimpleNamespace(run=lambda names, feed: seen.append(feed) or [np.zeros((1, 3))])
    lacks = np.arange(20) == 17
    found.probabilities(np.zeros((20, 3, 2, 2), np.uint8), None, {"image": lacks})
    assert [feed["image_absent"].tolist() for feed in seen] == [[False] * 16, [False, True, False, False]]


def test_a_graph_of_8_bits_answers_one_by_one_and_any_other_in_batches(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 2, 2), np.uint8)
    for quantised, sizes in ((False, [16, 16, 8]), (True, [1] * 40)):
        file = graph(tmp_path / "m.onnx")
        if quantised:
            with file.open("ab") as stream:  # an unknown field, which names the operator as a node would
                stream.write(bytes([0x0A | 0x78, 21 + 1]) + b" DynamicQuantizeLinear")
        found = loaded(file)
        real, seen = found._session.run, []

        def run(names: Any, feed: Any, real: Any = real, seen: Any = seen) -> Any:
            seen.append(len(feed["pixels"]))
            return real(names, feed)

        found._session = SimpleNamespace(run=run)
        (answers,) = found.probabilities(pixels, None)
        assert seen == sizes and answers.shape == (40, 3)
        means = pixels.mean(axis=(2, 3)) / 10
        assert answers == pytest.approx(np.exp(means) / np.exp(means).sum(axis=1, keepdims=True), abs=1e-5)


def test_a_graph_whose_weights_use_all_8_bits_answers_what_it_computes(tmp_path: Path) -> None:
    """White pixels and weights of 127: without VNNI, two products in 16 bits would be cut at 32767."""
    make, held = onnx.helper, onnx.numpy_helper
    made = onnx.load(str(graph(tmp_path / "m.onnx", size=4)))
    weights = np.full((48, 3), 127, np.int8) - np.arange(3, dtype=np.int8)
    made.graph.initializer.append(held.from_array(weights, "weights"))
    made.graph.initializer.append(held.from_array(np.array(0.001, np.float32), "thousandth"))
    del made.graph.node[:]
    made.graph.node.extend(
        [
            make.make_node("Flatten", ["pixels"], ["a"]),
            make.make_node("MatMulInteger", ["a", "weights"], ["b"]),
            make.make_node("Cast", ["b"], ["c"], to=onnx.TensorProto.FLOAT),
            make.make_node("Mul", ["c", "thousandth"], ["d"]),
            make.make_node("Softmax", ["d"], ["p_0"], axis=1),
        ]
    )
    onnx.save(made, str(tmp_path / "m.onnx"))
    (answers,) = loaded(tmp_path / "m.onnx", image_size=4).probabilities(
        np.full((1, 3, 4, 4), 255, np.uint8), None
    )
    expected = np.exp(-255 * 48 / 1000 * np.arange(3))
    assert answers[0] == pytest.approx(expected / expected.sum(), abs=1e-7)


@pytest.mark.parametrize(
    ("made", "asked", "word"),
    [
        ({}, {"tasks": (Task("colour", ("g", "r", "b")),)}, "labels.json names"),
        ({}, {"tasks": (Task("colour", ("r", "g", "b"), "multi_label"),)}, "labels.json names"),
        ({"props": "no json"}, {}, "labels.json names"),
        ({}, {"image_size": 4}, "different bundles"),
        ({}, {"modalities": ("image", "text")}, "different bundles"),
        ({"extra": True}, {}, "different bundles"),
        ({"batch": 1}, {}, "different bundles"),
        (
            {"props": json.dumps([["colour", ["r", "g", "b", "k"]]])},
            {"tasks": (Task("colour", ("r", "g", "b", "k")),)},
            "different bundles",
        ),
        (
            {"props": json.dumps([["colour", ["r", "g", "b"]], ["more", ["x", "y"]]])},
            {"tasks": (COLOUR, Task("more", ("x", "y")))},
            "answers 1 task",
        ),
    ],
)
def test_a_graph_of_another_bundle_is_refused(
    tmp_path: Path, made: dict[str, Any], asked: dict[str, Any], word: str
) -> None:
    with pytest.raises(UserError, match=word):
        loaded(graph(tmp_path / "m.onnx", **made), **asked)


def test_what_memory_does_not_suffice_for_is_no_fault_of_the_graph(tmp_path: Path) -> None:
    found = loaded(graph(tmp_path / "m.onnx"))

    for said in ("Failed to allocate memory for 1 TB", "Out of Memory"):

        def fails(*given: Any, said: str = said) -> None:
            raise RuntimeError(said)

        found._session = SimpleNamespace(run=fails)
        with pytest.raises(MemoryError):
            found.probabilities(np.zeros((1, 3, 2, 2), np.uint8), None)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="export again"):
        loaded(tmp_path / "broken.onnx")


def student_of_texts() -> Classifier:
    section = {
        "vision": "none",
        "text": "tiny-text",
        "fusion_dim": 8,
        "fusion_heads": 1,
        "epochs": 1,
        "lr": 1e-3,
    }
    return build_classifier(ModelConfig.model_validate(section), (COLOUR,), seed=1, image_size=None)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(RuntimeError("no such operator"), UserError), (torch.OutOfMemoryError("out of memory"), RuntimeError)],
)
def test_a_student_that_cannot_be_exported_is_refused_and_what_ran_out_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, raised: type[Exception]
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr("torch.onnx.export", fails)
    with pytest.raises(raised, match=str(fault)):
        write_graph(student_of_texts(), (COLOUR,), tmp_path / "m.onnx")


@pytest.mark.slow
def test_a_small_student_is_exported_with_its_lengths_and_batches_left_open(tmp_path: Path) -> None:
    student = student_of_texts()
    traced = Graph(student.eval())
    assert traced.inputs == ("ids", "mask")
    ids, mask = _traced(traced)
    assert ids.shape == mask.shape == (2, 16) and mask.sum(1).tolist() == [16, 8]
    write_graph(student, (COLOUR,), tmp_path / "m.onnx")
    assert [each.version for each in onnx.load(tmp_path / "m.onnx").opset_import] == [OPSET]
    found = loaded(tmp_path / "m.onnx", modalities=("text",), image_size=0)
    for lengths in ([3], [20, 1, 7]):
        held = ragged([np.arange(1, length + 1) for length in lengths], np.int64)
        padded = [torch.from_numpy(array) for array in held.padded(np.arange(len(lengths)))]
        with torch.no_grad():
            (expected,) = traced(*padded)
        (answers,) = found.probabilities(None, held)
        assert np.abs(answers - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("convolutions", [True, False])
def test_linear_layers_compute_in_8_bits_and_convolutions_are_stored_so(
    tmp_path: Path, convolutions: bool
) -> None:
    import onnxruntime

    make, kinds, held = onnx.helper, onnx.TensorProto, onnx.numpy_helper
    random = np.random.default_rng(0)
    kernel, weights = (random.normal(size=shape).astype(np.float32) for shape in ((16, 8, 3, 3), (16, 4)))
    nodes = [
        make.make_node("Conv", ["x", "kernel"], ["a"], pads=[1, 1, 1, 1]),
        make.make_node("ReduceMean", ["a"], ["b"], axes=[2, 3], keepdims=0),
        make.make_node("MatMul", ["b", "weights"], ["y"]),
    ]
    shapes = {"x": [1, 8, 6, 6], "y": [1, 4]}
    ends = [make.make_tensor_value_info(name, kinds.FLOAT, shape) for name, shape in shapes.items()]
    stored = [held.from_array(kernel, "kernel"), held.from_array(weights, "weights")]
    graph_ = make.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    made = make.make_model(graph_, opset_imports=[make.make_opsetid("", 17)])
    made.ir_version = 8
    file = tmp_path / "m.onnx"
    onnx.save(made, str(file))

    def answer() -> np.ndarray:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return session.run(
            None, {"x": np.random.default_rng(1).normal(size=(1, 8, 6, 6)).astype(np.float32)}
        )[0]

    exact = answer()
    quantise.quantise(file, convolutions=convolutions)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert 0 < np.abs(answer() - exact).max() < 0.05 * np.abs(exact).max()
    kept = {tensor.name: tensor.data_type for tensor in onnx.load(str(file)).graph.initializer}
    assert ("kernel" in kept) is not convolutions and ("kernel.steps" in kept) is convolutions
    assert "weights" not in kept and kinds.INT8 in kept.values()
    parts = {tensor.name: held.to_array(tensor) for tensor in onnx.load(str(file)).graph.initializer}
    assert parts["weights_scale"].shape == (4,), "a scale for each output"
    assert np.abs(parts["weights_quantized"].astype(int)).max() == 64, (
        "no processor's sum of two products is cut"
    )


@pytest.mark.slow
def test_a_student_becomes_a_bundle_whose_every_file_has_a_checksum(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distune.prediction.trained import TrainedStudent
    from distune.training.devices import Compute

    config = tiny_config(student__vision="none", data__root=str(tmp_path / "gone"))
    student = build_classifier(config.student, (COLOUR,), seed=1, image_size=None)
    trained = TrainedStudent(student, config, (COLOUR,), Compute(torch.device("cpu"), False))
    predictor = Predictor(trained, {"colour": 1.5}, Columns((), ("text",)), str(tmp_path / "run"))
    asked: list[tuple[Any, ...]] = []
    load = refusing_as(export.load_run, lambda *given, **named: asked.append((*given, named)) or predictor)
    monkeypatch.setattr(export, "load_run", load)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/predictions_dev.csv").write_text("id,text\n1,one\n2,two words\n")
    monkeypatch.setattr(model_card, "score_with_interval", lambda folder, split, tasks: None)
    lines: list[str] = []
    found = export_run(tmp_path / "run", tmp_path / "out", show=lines.append)
    assert asked == [(tmp_path / "run", "cpu", {"precision": "fp32"})] and len(lines) == 3
    assert found.largest_difference < 1e-5 and (found.changed, found.score, found.examples) == (0, None, 64)
    held = json.loads((tmp_path / "out" / files.CHECKSUMS).read_text())
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert set(held) | {files.CHECKSUMS} == names >= {files.MODEL, files.LABELS, files.PREPROCESS, files.CARD}
    assert "generated images" in (tmp_path / "out" / files.CARD).read_text()
    loaded_bundle = files.load_bundle(tmp_path / "out")
    assert loaded_bundle.temperatures == {"colour": 1.5} and loaded_bundle.columns.text == ("text",)
    ours, theirs = (
        each.predict_proba(None, ["one", "two words"])["colour"] for each in (loaded_bundle, predictor)
    )
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert len(loaded_bundle.predict_proba(None, ["one"] * 20)["colour"]) == 20, (
        "more than are answered at once"
    )
    for quantisation in ("none", "int8"):
        with pytest.raises((UserError, DataError)):
            export_run(tmp_path / "run", tmp_path / "out", quantisation=quantisation)
    with pytest.raises(DataError, match="gone"):  # what 8 bits cost is known by the data alone
        export_run(tmp_path / "run", tmp_path / "small", quantisation="int8")
    assert not (tmp_path / "small").exists()
    monkeypatch.setattr(export, "PARITY", -1.0)
    with pytest.raises(UserError, match="nothing was written"):
        export_run(tmp_path / "run", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_student_that_can_do_without_its_text_is_exported_so(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny_config(student__vision="none", data__missing="allow")
    student = build_classifier(config.student, (COLOUR,), seed=1, image_size=None, can_miss=True)
    traced = Graph(student.eval())
    assert traced.inputs == ("ids", "mask", "text_absent") and len(_traced(traced)) == 3
    write_graph(student, (COLOUR,), tmp_path / "m.onnx")
    found = loaded(tmp_path / "m.onnx", modalities=("text",), image_size=0)
    assert found.can_miss
    ids = ragged([[1, 5, 9], [1, 7]], np.int64)
    gone = np.array([True, False])
    padded = [torch.from_numpy(array) for array in ids.padded(np.arange(2))]
    with torch.no_grad():
        (expected,) = traced(*padded, torch.from_numpy(gone))
        (whole,) = traced(*padded, torch.zeros(2, dtype=torch.bool))
    for at_once in (2, 1):
        found._at_once = at_once
        (answers,) = found.probabilities(None, ids, {"text": gone})
        assert np.abs(answers - expected.numpy()).max() < 1e-5
    assert float((whole[0] - expected[0]).abs().max()) > 1e-5

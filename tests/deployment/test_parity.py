"""How an exported graph is compared with torch, by numbers written out here."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from distune.data.table import Task
from distune.deployment import export, quantise
from distune.deployment.bundle import (
    CARD,
    CHECKSUMS,
    FORMAT,
    LABELS,
    MODEL,
    PREPROCESS,
    check_files,
    checksum_of,
    format_of,
    load_bundle,
)
from distune.deployment.onnx_model import tasks_as_text
from distune.deployment.parity import (
    GENERATED,
    PARITY,
    Parity,
    ParityExamples,
    answers_of,
    compared,
    generated_examples,
)
from distune.errors import DataError, UserError
from distune.prediction.examples import Example

TASKS = (Task("side", ("left", "right")), Task("sign", ("a", "b"), "multi_label"))


def test_a_difference_counts_in_either_direction_and_a_change_in_any_task(tmp_path: Path) -> None:
    asked = ParityExamples("three", [Example(str(n), None, "x") for n in range(3)])
    expected = [
        np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]),
        np.array([[0.9, 0.1], [0.2, 0.7], [0.4, 0.6]]),
    ]
    exported = [expected[0].copy(), expected[1].copy()]
    exported[0][0] = (0.2, 0.8)  # the other side
    exported[1][1, 0] = 0.55  # one label more
    exported[1][2, 1] = 0.75  # surer, and the same
    plain = {"side": 1.0, "sign": 1.0}
    found = compared(tmp_path, TASKS, plain, asked, expected, exported)
    assert found.largest_difference == pytest.approx(0.7)
    assert (found.examples, found.changed) == (3, 2)
    assert found.changed_from_run is None and found.drop is None
    twice = [exported[0], np.array([[0.1, 0.9], *exported[1][1:]])]
    assert compared(tmp_path, TASKS, plain, asked, expected, twice).changed == 2, "examples, not answers"
    grown = compared(tmp_path, TASKS, plain, asked, expected, [expected[0], exported[1]])
    assert grown.largest_difference == pytest.approx(0.35) and grown.changed == 1
    # It is of what a user gets: at half the temperature 0.5 -> 0.6 becomes 0.5 -> 0.36 / (0.36 + 0.16).
    sharp = {"side": 0.5, "sign": 1.0}
    near = [np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]), expected[1]]
    scaled = compared(tmp_path, TASKS, sharp, asked, expected, near)
    assert scaled.largest_difference == pytest.approx(0.36 / 0.52 - 0.5)
    signs = [expected[0], exported[1]]  # 0.2 -> 0.55 is 0.04 / 0.68 -> 0.3025 / 0.505
    scaled = compared(tmp_path, TASKS, {"side": 1.0, "sign": 0.5}, asked, expected, signs)
    assert scaled.largest_difference == pytest.approx(0.3025 / 0.505 - 0.04 / 0.68)


def test_the_oldest_format_that_holds_a_student() -> None:
    assert format_of(TASKS[:1], can_miss=False) == 1
    assert format_of(TASKS[:1], can_miss=True) == format_of(TASKS, can_miss=False) == 2


def test_a_bundle_of_a_newer_format_is_refused_with_its_version(tmp_path: Path) -> None:
    for name, content in (
        (MODEL, "graph"),
        (LABELS, "{}"),
        (PREPROCESS, json.dumps({"format": FORMAT + 1, "distune_version": "9.9"})),
    ):
        (tmp_path / name).write_text(content)
    checksums = {file.name: checksum_of(file) for file in tmp_path.iterdir()}
    (tmp_path / CHECKSUMS).write_text(json.dumps(checksums))
    with pytest.raises(UserError, match=r"9\.9"):
        load_bundle(tmp_path)
    (tmp_path / PREPROCESS).write_text(json.dumps({"format": FORMAT}))
    (tmp_path / CHECKSUMS).write_text(
        json.dumps({**checksums, PREPROCESS: checksum_of(tmp_path / PREPROCESS)})
    )
    with pytest.raises(UserError, match="modalities"):  # its own format is read on
        load_bundle(tmp_path)


def test_a_drop_is_what_the_export_lost() -> None:
    assert Parity(3, 0.1, 1, None, 0.9, 0.7).drop == pytest.approx(0.2)
    assert Parity(3, 0.1, 1, None, 0.7, 0.9).drop == pytest.approx(-0.2)
    assert Parity(3, 0.1, 1, None, None, None).drop is None


@pytest.mark.parametrize("name", [MODEL, LABELS, PREPROCESS])
def test_a_file_that_has_no_checksum_may_have_been_altered(tmp_path: Path, name: str) -> None:
    checksums = {other: "0" for other in (MODEL, LABELS, PREPROCESS) if other != name}
    (tmp_path / CHECKSUMS).write_text(json.dumps(checksums))
    with pytest.raises(UserError, match=name):
        check_files(tmp_path)


@pytest.mark.parametrize("name", [MODEL, LABELS, PREPROCESS, CARD, "tokenizer.json"])
def test_of_the_files_of_a_bundle_the_card_alone_is_for_people_to_complete(tmp_path: Path, name: str) -> None:
    names = (MODEL, LABELS, PREPROCESS, CARD, "tokenizer.json")
    for each in names:
        (tmp_path / each).write_text("{}")
    (tmp_path / CHECKSUMS).write_text(json.dumps({each: checksum_of(tmp_path / each) for each in names}))
    check_files(tmp_path)
    (tmp_path / name).write_text("{ }")
    with nullcontext() if name == CARD else pytest.raises(UserError, match=name):
        check_files(tmp_path)


@pytest.mark.parametrize("name", ["../outside.json", "sub/inside.json"])
def test_no_file_beside_those_of_the_bundle_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "bundle"
    (folder / "sub").mkdir(parents=True)
    for file in (folder / MODEL, folder / LABELS, folder / PREPROCESS, folder / name):
        file.write_text("{}")
    names = (MODEL, LABELS, PREPROCESS, name)
    (folder / CHECKSUMS).write_text(json.dumps({each: checksum_of(folder / each) for each in names}))
    with pytest.raises(UserError, match="is missing"):
        check_files(folder)


def test_generated_examples_are_the_same_each_time_with_the_texts_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "predictions_dev.csv").write_text(
        "id,truth_side,pred_side,p_side_left,text\n1,left,left,1.0,a\n2,left,left,1.0,'=b\n"
    )
    model: Any = SimpleNamespace(image_size=20)
    first, second = generated_examples(tmp_path, model), generated_examples(tmp_path, model)
    assert first.labels is None and len(first.examples) == GENERATED
    assert [each.text for each in first.examples[:3]] == ["a", "=b", "a"]
    images = [np.stack([each.image for each in made.examples]) for made in (first, second)]
    assert (images[0] == images[1]).all() and images[0].shape == (GENERATED, 2, 2, 3)
    assert images[0].min() < 5 and images[0].max() == 255 and len(np.unique(images[0], axis=0)) == GENERATED
    model.image_size = 4
    assert generated_examples(tmp_path, model).examples[0].image.shape == (1, 1, 3)


def test_examples_that_cannot_be_read_compare_nothing() -> None:
    answers = SimpleNamespace(problems=("1: gone",), probabilities=(np.ones((1, 2)),))
    asked: list[dict[str, Any]] = []
    predictor: Any = SimpleNamespace(answer=lambda examples, **how: asked.append(how) or answers)
    with pytest.raises(DataError, match="gone"):
        answers_of(predictor, ParityExamples("three", []))
    answers.problems = ()
    (found,) = answers_of(predictor, ParityExamples("three", []))
    assert found is answers.probabilities[0] and asked[-1] == {
        "is_calibrated": False,
        "takes_nothing": True,
    }


@pytest.mark.parametrize(
    ("drops", "convolutions", "words"),
    [([0.0099], [True], "8-bit"), ([0.0101, 0.5], [True, False], "32-bit"), ([None], [True], "8-bit")],
)
def test_convolutions_keep_32_bits_only_where_8_cost_too_much(
    drops: list[float | None],
    convolutions: list[bool],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = tmp_path / "model.onnx"
    graph.write_bytes(b"exact")
    made: list[bool] = []

    def quantise(file: Path, *, convolutions: bool = True) -> None:
        assert file.read_bytes() == b"exact"
        file.write_bytes(b"small")
        made.append(convolutions)

    monkeypatch.setattr(export, "quantise", quantise)
    results = [Parity(3, 0.1, 0, 0, 1.0, None if drop is None else 1.0 - drop) for drop in drops]
    left = iter(results)
    found, said = export._quantised(graph, lambda: next(left), 0.01, lambda line: None)
    assert found is results[-1] and made == convolutions
    assert words in said and ("32-bit" in said) == (len(drops) == 2)


def test_what_an_export_may_cost() -> None:
    exact, near = Parity(3, PARITY, 0, 0, 0.5, 0.5), Parity(3, 1.01 * PARITY, 0, 0, 0.5, 0.5)
    worse = Parity(3, 0.5, 1, 1, 0.5, 0.48)
    export._check(exact, "none", 0.01)
    export._check(near, "int8", 0.01)
    export._check(worse, "int8", 0.0201)
    for parity, quantisation, most in ((near, "none", 1.0), (worse, "int8", 0.0199)):
        with pytest.raises(UserError, match="nothing was written"):
            export._check(parity, quantisation, most)


def test_large_convolutions_are_stored_as_steps_of_a_scale_for_each_channel(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    file = tmp_path / "model.onnx"
    random = np.random.default_rng(0)
    weights = random.normal(size=(8, 8, 3, 3)).astype(np.float32)
    weights[1] *= 100
    weights[2] = 0
    small = np.ones((1, 8, 3, 3), np.float32)
    make, held = onnx.helper, onnx.numpy_helper
    float32 = onnx.TensorProto.FLOAT
    nodes = [make.make_node("Conv", ["x", "large"], ["y"]), make.make_node("Conv", ["y", "small"], ["z"])]
    values = [
        make.make_tensor_value_info(name, float32, [1, 8, 9, 9] if name == "x" else None) for name in "xz"
    ]
    stored = [held.from_array(weights, "large"), held.from_array(small, "small")]
    onnx.save(make.make_model(make.make_graph(nodes, "g", values[:1], values[1:], stored)), str(file))
    quantise._store_convolutions(file)
    graph = onnx.load(str(file)).graph
    found = {tensor.name: held.to_array(tensor) for tensor in graph.initializer}
    assert set(found) == {"small", "large.steps", "large.scale", "large.zero"}
    assert [node.op_type for node in graph.node] == ["DequantizeLinear", "Conv", "Conv"]
    assert (list(graph.node[0].input), list(graph.node[0].output)) == (
        ["large.steps", "large.scale", "large.zero"], ["large"],
    )  # fmt: skip
    scale = np.abs(weights).max(axis=(1, 2, 3)) / 127
    assert (
        found["large.scale"] == pytest.approx(np.where(scale > 0, scale, 1.0))
        and found["large.scale"][2] == 1
    )
    restored = found["large.steps"] * found["large.scale"][:, None, None, None]
    assert (np.abs(restored - weights) <= 0.501 * scale[:, None, None, None]).all()
    assert found["large.steps"].dtype == np.int8 and not found["large.zero"].any()


def test_a_graph_names_its_tasks_in_their_order_and_which_have_several_labels() -> None:
    side, sign = ["side", ["left", "right"]], ["sign", ["a", "b"], "multi_label"]
    assert json.loads(tasks_as_text(TASKS)) == [side, sign]
    assert json.loads(tasks_as_text(TASKS[::-1])) == [sign, side]
    assert json.loads(tasks_as_text((Task("grade", ("1", "2"), "ordinal"),))) == [["grade", ["1", "2"]]]


def test_a_drop_of_just_what_is_allowed_and_a_gain_are_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    just, gain = Parity(3, 0.5, 1, 1, 1.0, 0.5), Parity(3, 0.5, 1, 1, 0.5, 1.0)
    for parity, most in ((just, 0.5), (gain, 0.0), (Parity(3, 0.0, 0, None, None, None), 0.0)):
        export._check(parity, "int8", most)
        (tmp_path / "m").write_bytes(b"exact")
        monkeypatch.setattr(export, "quantise", lambda file, *, convolutions=True: None)
        assert export._quantised(tmp_path / "m", lambda held=parity: held, most, lambda line: None) == (
            parity,
            "8-bit",
        )


def test_what_the_run_recorded_is_compared_with_what_is_exported(tmp_path: Path) -> None:
    rows = ["id,pred_side,pred_sign: a,pred_sign: b", "1,left,no,no", "2,left,yes,no", "3,right,no,yes"]
    (tmp_path / "predictions_dev.csv").write_text("\n".join(rows) + "\n")
    expected = [
        np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]),
        np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]),
    ]
    exported = [
        np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]),
        np.array([[0.1, 0.1], [0.9, 0.9], [0.1, 0.9]]),
    ]
    labels = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 1]])
    asked = ParityExamples("three", [Example(str(n), None, "x") for n in range(3)], labels)
    plain = {"side": 1.0, "sign": 1.0}
    found = compared(tmp_path, TASKS, plain, asked, expected, exported)
    assert (found.changed, found.changed_from_run) == (
        2,
        1,
    )  # the third is what it was when the run recorded it
    assert found.score is not None and found.exported_score is not None
    perfect = compared(
        tmp_path, TASKS, plain, asked, [np.eye(2)[[0, 0, 1]], labels[:, 1:].astype(float)], exported
    )
    assert perfect.score == 1.0 and perfect.drop is not None and perfect.drop > 0
    as_recorded = [np.eye(2)[[0, 0, 1]], labels[:, 1:].astype(float)]
    same = compared(tmp_path, TASKS, plain, asked, expected, as_recorded)
    assert (same.changed, same.changed_from_run) == (1, 0)
    other = compared(tmp_path, TASKS, plain, asked, as_recorded, expected)
    assert (other.changed, other.changed_from_run) == (1, 1)
    (tmp_path / "predictions_dev.csv").write_text("id,pred_side\n1,left\n2,left\n3,right\n")
    assert compared(tmp_path, TASKS, plain, asked, expected, exported).changed_from_run is None

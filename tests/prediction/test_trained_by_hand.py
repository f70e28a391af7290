"""The student of a run folder, without a training: weights that were never trained answer, too."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from distune.config import Config
from distune.data.ragged import ragged
from distune.data.table import Task
from distune.errors import DataError, UserError
from distune.models.classifier import Classifier, build_classifier
from distune.prediction import evaluation, trained
from distune.prediction.evaluation import evaluate, evaluation_of, score_with_interval
from distune.prediction.examples import Example
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import Labelled
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import Columns
from distune.prediction.trained import TrainedStudent, fitted_temperatures, load_run
from distune.training.devices import Compute

from .test_predictor_by_hand import PREDICTOR, TASK

SIDE, SIGNS = Task("side", ("left", "right")), Task("signs", ("a", "b"), "multi_label")
FLOAT32 = Compute(torch.device("cpu"), False)


def student(config: Config, tasks: tuple[Task, ...] = (SIDE, SIGNS)) -> Classifier:
    return build_classifier(
        config.student,
        tasks,
        seed=1,
        image_size=config.data.image_size,
        can_miss=config.data.missing == "allow",
    )


def pixels(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, size, size), np.uint8)


@pytest.mark.parametrize(("tokens", "freeze"), [("sequence", "none"), ("sequence", "all"), ("pooled", "all")])
def test_a_student_answers_what_its_model_gives(
    tiny_config: Callable[..., Config], tokens: str, freeze: str
) -> None:
    config = tiny_config(
        student__fusion_tokens=tokens, student__vision__freeze=freeze, student__text__freeze=freeze,
        data__window=[40, 80], data__percentiles=[1, 99], data__max_image_megapixels=3.5,
    )  # fmt: skip
    net = student(config)
    model = TrainedStudent(net.train(), config, (SIDE, SIGNS), FLOAT32)
    assert not net.training and model.modalities == ("image", "text") and not model.can_miss
    assert (model.rules.window, model.rules.percentiles, model.max_megapixels) == (
        (40.0, 80.0),
        (1.0, 99.0),
        3.5,
    )
    assert net.vision is not None and net.text is not None and model.image_size == net.vision.image_size
    assert model.max_tokens == min(16, net.text.max_tokens) and model.tokenizer is net.text.tokenizer
    longer = TrainedStudent(net, tiny_config(data__max_tokens=512), (SIDE,), FLOAT32)
    assert longer.max_tokens == min(512, net.text.max_tokens)
    short = student(config)
    assert short.text is not None
    short.text.max_tokens = 7
    assert TrainedStudent(short, config, (SIDE,), FLOAT32).max_tokens == 7
    shown = pixels(3, model.image_size)
    ids = ragged(model.tokenizer.encode(["one", "one two three", ""], 16), np.int64)
    side, signs = model.probabilities(shown, ids)
    with torch.no_grad():
        tokens_, mask = (torch.from_numpy(array) for array in ids.padded(np.arange(3)))
        image, text = net.vision.prefix(torch.from_numpy(shown)), net.text.prefix(tokens_, mask)
        if net.is_pooled and freeze == "all":
            image = net.image_tokens(image).mean(1)
            held = net.text_tokens(text, mask) * mask[..., None]
            text, mask = held.sum(1) / mask.sum(1, keepdim=True), mask[:, :1]
        expected = net(image, text, mask, with_map=False).logits
    assert side == pytest.approx(torch.softmax(expected[0], 1).numpy(), abs=1e-5)
    assert signs == pytest.approx(torch.sigmoid(expected[1]).numpy(), abs=1e-5)
    one_by_one = [
        model.probabilities(shown[row : row + 1], ragged([ids[row]], np.int64))[0][0] for row in range(3)
    ]
    assert side == pytest.approx(np.stack(one_by_one), abs=1e-5)


def test_what_is_absent_changes_nothing_in_the_answer(tiny_config: Callable[..., Config]) -> None:
    config = tiny_config(data__missing="allow")
    model = TrainedStudent(student(config), config, (SIDE, SIGNS), FLOAT32)
    assert model.can_miss
    shown = pixels(2, model.image_size)
    ids = ragged([[1, 5, 6], [1, 7]], np.int64)
    both = [{"image": np.array([True, False]), "text": np.array([False, True])} for _ in range(2)]
    first, _ = model.probabilities(shown, ids, both[0])
    other = shown.copy()
    other[0] = 255 - other[0]
    second, _ = model.probabilities(other, ragged([[1, 5, 6], [1, 9, 9]], np.int64), both[1])
    assert first == pytest.approx(second, abs=1e-6)
    assert np.abs(model.probabilities(shown, ids, None)[0] - first).max() > 1e-6
    model.batch_size = 1
    assert model.probabilities(shown, ids, both[0])[0] == pytest.approx(first, abs=1e-5), "in batches too"


@pytest.mark.parametrize(("bf16", "kept"), [(False, 1.001), (True, 1.0)])
def test_what_frozen_layers_give_is_as_exact_as_it_is_kept_for_training(
    bf16: bool, kept: float, tiny_config: Callable[..., Config]
) -> None:
    config = tiny_config()
    model = TrainedStudent(student(config), config, (SIDE, SIGNS), Compute(torch.device("cpu"), bf16))
    found = model._stored(torch.tensor([1.001], dtype=torch.float64))
    assert found.dtype == torch.float32 and found.item() == pytest.approx(kept, abs=1e-6)
    pixels_ = torch.tensor([255], dtype=torch.uint8)
    assert model._stored(pixels_) is pixels_


@pytest.mark.parametrize("absent", ["vision", "text"])
def test_a_student_of_one_modality(tiny_config: Callable[..., Config], absent: str) -> None:
    config = tiny_config(**{f"student__{absent}": "none"})
    model = TrainedStudent(student(config), config, (SIDE, SIGNS), FLOAT32)
    if absent == "vision":
        assert (model.image_size, model.modalities) == (0, ("text",))
        answers = model.probabilities(None, ragged([[1, 2], [1]], np.int64))
    else:
        assert (model.tokenizer, model.modalities, model.max_tokens) == (None, ("image",), 16)
        answers = model.probabilities(pixels(2, model.image_size), None)
    assert [found.shape for found in answers] == [(2, 2), (2, 2)]


@pytest.mark.slow
def test_a_run_is_loaded_with_the_device_and_precision_that_are_asked(
    tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tiny_config(training__precision="bf16", data__max_tokens=9)
    asked: list[tuple[str, str]] = []

    def resolved(training: Any) -> Compute:
        asked.append((training.device, training.precision))
        return FLOAT32

    monkeypatch.setattr(trained, "resolved", resolved)
    monkeypatch.setattr(trained, "load_student", lambda folder: (student(config), config, (SIDE, SIGNS)))
    monkeypatch.setattr(trained, "fitted_temperatures", lambda folder, tasks: {"side": 2.0, "signs": 1.0})
    monkeypatch.setattr(trained, "results_of", lambda folder: {"score": 1})
    for device, precision in ((None, None), ("cpu", None), ("cuda:1", "fp32")):
        found = load_run(tmp_path, device, precision)
    assert asked == [("auto", "bf16"), ("cpu", "bf16"), ("cuda:1", "fp32")]
    assert found.temperatures == {"side": 2.0, "signs": 1.0}
    assert (found.source, found.columns.text) == (str(tmp_path), ("text",))
    assert found.model.max_tokens == 9
    monkeypatch.setattr(trained, "results_of", lambda folder: None)
    with pytest.raises(UserError, match="did not finish"):
        load_run(tmp_path)


def test_temperatures_are_those_of_each_tasks_own_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fitted(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> float | None:
        asked.append((task.name, labels.tolist(), probabilities.tolist()))
        return None if task is SIGNS else 1.5

    dev = SimpleNamespace(labels=np.array([[0, 1, 0], [1, 0, 1]]), probabilities=(np.eye(2), np.ones((2, 2))))
    splits: list[str] = []
    monkeypatch.setattr(
        trained, "read_split_predictions", lambda folder, split, tasks: splits.append(split) or dev
    )
    monkeypatch.setattr(trained, "task_temperature", fitted)
    assert fitted_temperatures(tmp_path, (SIDE, SIGNS)) == {"side": 1.5, "signs": 1.0} and splits == ["dev"]
    assert asked == [
        ("side", [[0], [1]], np.eye(2).tolist()),
        ("signs", [[1, 0], [0, 1]], np.ones((2, 2)).tolist()),
    ]
    monkeypatch.setattr(trained, "read_split_predictions", lambda folder, split, tasks: None)
    with pytest.raises(UserError, match="train it again"):
        fitted_temperatures(tmp_path, (SIDE,))


def labelled(count: int) -> Labelled:
    texts = ["one" if n % 2 else "one two three four five six" for n in range(count)]
    examples = [Example(str(n), None, text) for n, text in enumerate(texts)]
    labels = {"kind": ["short" if n % 2 or n < 4 else "long" for n in range(count)]}
    return Labelled("new", examples, labels, [f"{n // 2}.0" if n % 2 else str(n // 2) for n in range(count)])


def test_an_evaluation_has_intervals_over_cases_for_each_number() -> None:
    data = labelled(24)
    told: list[tuple[int, int]] = []
    found = evaluation_of(PREDICTOR, data, label_columns_of(data, (TASK,)), lambda *done: told.append(done))
    assert (found["data"], found["examples"], found["cases"]) == ("new", 24, 12) and told[-1] == (24, 24)
    low, high = found["interval"]
    kind = found["tasks"]["kind"]
    assert low < found["score"] < high and kind["interval"] == [pytest.approx(low), pytest.approx(high)]
    classes = kind["classes"]
    assert classes["long"]["recall"] == 1.0 and classes["short"]["recall"] == pytest.approx(12 / 14)
    assert classes["short"]["recall_interval"][0] < 12 / 14 < classes["short"]["recall_interval"][1] < 1.0
    assert classes["long"]["recall_interval"][1] == 1.0
    assert found["time"].endswith("+00:00")
    broken = Labelled("new", [*data.examples, Example("x", None, None)], {"kind": ["long"] * 25}, ["p"] * 25)
    with pytest.raises(DataError, match="x: no text"):
        evaluation_of(PREDICTOR, broken, np.zeros((25, 1), np.int64))


def test_a_task_with_a_score_of_its_own_has_an_interval_of_it() -> None:
    grade = Task("kind", ("short", "long"), "ordinal", "quadratic_kappa")
    model: Any = PREDICTOR.model
    scored = SimpleNamespace(
        **{name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    )
    scored.tasks = (grade,)
    predictor = Predictor(scored, {"kind": 1.0}, Columns((), ("text",)))
    data = labelled(24)
    about = evaluation_of(predictor, data, label_columns_of(data, (grade,)))["tasks"]["kind"]
    low, high = about["score"]["interval"]
    value = next(
        number for name, number in about["score"].items() if name != "interval" and isinstance(number, float)
    )
    assert low < value < high and about["interval"] != about["score"]["interval"]


def test_novelty_is_asked_before_any_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (True, None):
        monkeypatch.setattr(
            evaluation, "check_novelty", lambda predictor, name, examples, answer=answer: answer
        )
        assert evaluate(PREDICTOR, labelled(8))["new"] is answer

    def seen(*given: Any) -> bool:
        raise DataError("new", ["seen"])

    monkeypatch.setattr(evaluation, "check_novelty", seen)
    with pytest.raises(DataError, match="seen"):
        evaluate(PREDICTOR, labelled(8))
    unknown = Labelled("new", [Example("1", None, "x")], {"kind": ["other"]}, ["p"])
    with pytest.raises(DataError, match="cannot be evaluated"):  # labels come before the comparison of files
        evaluate(PREDICTOR, unknown)


def test_the_recorded_predictions_of_a_run_are_scored(tmp_path: Path) -> None:
    assert score_with_interval(tmp_path, "dev", (SIDE,)) is None
    header = ["id", "group", "truth_side", "pred_side", "p_side_left", "p_side_right", "image", "text"]
    rows = []
    for n in range(12):
        truth, guess = ("left", "right")[n % 2], ("left", "right")[n % 2 if n < 9 else 1 - n % 2]
        left = 0.9 if guess == "left" else 0.1
        rows.append([f"e{n}", f"p{n // 2}", truth, guess, f"{left}", f"{1 - left}", "", ""])
    with (tmp_path / "predictions_dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    found = score_with_interval(tmp_path, "dev", (SIDE,))
    assert found is not None and found["examples"] == 12
    assert (
        found["score"] == pytest.approx(0.748, abs=0.01)
        and found["interval"][0] < found["score"] < found["interval"][1]
    )
    ranked = score_with_interval(tmp_path, "dev", (replace(SIDE, score="auroc"),))
    assert ranked is not None and ranked["score"] == pytest.approx(0.75)
    assert score_with_interval(tmp_path, "test", (SIDE,)) is None

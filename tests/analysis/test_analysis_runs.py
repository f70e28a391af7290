"""Reading run folders, and the noise of the dev score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from distune.analysis.dev_noise import DevNoise, dev_noise
from distune.analysis.ranking import rank
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.reliability import fitted_on_dev
from distune.analysis.runs import (
    Predictions,
    RunRecord,
    _joined,
    known_predictions,
    read_confusions,
    read_curves,
    read_run,
    tasks_behind,
)
from distune.data.table import Task
from distune.errors import UserError
from distune.training.files.prediction_files import read_split_predictions
from distune.training.files.run_folder import METRICS, RESULTS


def test_curves_survive_a_cut_off_line_and_a_repeated_epoch(tmp_path: Path) -> None:
    lines = [
        {"stage": "teacher", "epoch": 1, "dev_score": 0.5, "train_loss": 1.0},
        {"stage": "student", "epoch": 1, "dev_score": 0.2, "train_loss": 2.0},
        {"stage": "student", "epoch": 1, "dev_score": 0.3},
        {"stage": "student", "epoch": 2, "dev_score": 0.4, "train_loss": 1.5},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"stage": "student", "epo'
    (tmp_path / "metrics.jsonl").write_text(text)
    curves = read_curves(tmp_path)
    assert not isinstance(curves, Unknown)
    assert [curve.stage for curve in curves] == ["teacher", "student"]
    assert curves[1].epochs == (1, 2) and curves[1].scores == (0.3, 0.4) and curves[1].losses == (None, 1.5)


def test_missing_files_are_named(tmp_path: Path) -> None:
    run = read_run(tmp_path)
    assert isinstance(run, RunRecord)
    for part, name in (
        (run.curves, "metrics.jsonl"),
        (run.confusions, "results.json"),
        (run.predictions, "_dev.csv"),
    ):
        assert isinstance(part, Unknown) and name in part.reason
    gone = read_run(tmp_path / "gone")
    assert isinstance(gone, Unknown) and "is not there" in gone.reason
    assert isinstance(read_run(None), Unknown)


def test_confusions_of_folds_add_up(tmp_path: Path) -> None:
    for fold, counts in enumerate(([[3, 1], [0, 2]], [[1, 0], [4, 5]]), start=1):
        tasks = {"sign": {"classes": {"no": {}, "yes": {}}, "confusion": counts}}
        (tmp_path / f"fold_{fold}").mkdir()
        written = json.dumps({"splits": {"dev": {"tasks": tasks}}})
        (tmp_path / f"fold_{fold}" / "results.json").write_text(written)
    run = read_run(tmp_path, folds=2)
    assert isinstance(run, RunRecord) and not isinstance(run.confusions, Unknown)
    (found,) = run.confusions
    assert (found.task, found.classes, found.counts.tolist()) == ("sign", ("no", "yes"), [[4, 1], [4, 7]])


def test_confusions_of_the_test_split_are_counted_from_its_predictions(tmp_path: Path) -> None:
    rows = ("1,a,0.9,0.1", "2,a,0.4,0.6", "3,b,0.2,0.8", "4,,0.5,0.5", "5,b,0.3,0.7")
    (tmp_path / "predictions_test.csv").write_text("\n".join(["id,truth_k,p_k_a,p_k_b", *rows]) + "\n")
    run = read_run(tmp_path, split="test")
    assert isinstance(run, RunRecord) and not isinstance(run.confusions, Unknown)
    (found,) = run.confusions
    assert (found.task, found.classes, found.counts.tolist()) == ("k", ("a", "b"), [[1, 1], [0, 2]])
    gone = read_run(tmp_path, split="dev")
    assert isinstance(gone, RunRecord) and isinstance(gone.confusions, Unknown)


def test_predictions_of_tasks_whose_names_begin_alike(tmp_path: Path) -> None:
    (tmp_path / "predictions_dev.csv").write_text(
        "id,truth_type,p_type_a,p_type_2_b,truth_type_2,p_type_2_c\n1,a,1.0,0.25,c,0.75\n2,2_b,0.5,0.5,c,0.5\n"
    )
    broken = known_predictions(tmp_path)
    assert isinstance(broken, Unknown) and "task type" in broken.reason
    (tmp_path / "predictions_dev.csv").write_text(
        "id,truth_type,p_type_a,p_type_z,truth_type_2,p_type_2_b,p_type_2_c\n1,a,0.9,0.1,c,0.25,0.75\n"
    )
    found = known_predictions(tmp_path)
    assert not isinstance(found, Unknown)
    assert [(task.task, task.classes) for task in found] == [("type", ("a", "z")), ("type_2", ("b", "c"))]
    assert found[1].truth.tolist() == [1] and found[1].probabilities.tolist() == [[0.25, 0.75]]


def test_only_a_report_leaves_large_predictions_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A confirmation and a prediction need all of them."""
    (tmp_path / "predictions_dev.csv").write_text(
        "id,group,truth_a,p_a_x,p_a_y,image,text\n1,g,x,0.9,0.1,i.png,\n"
    )
    monkeypatch.setattr("distune.analysis.runs.LARGEST", 20)
    left_out = known_predictions(tmp_path)
    assert isinstance(left_out, Unknown) and "larger than" in left_out.reason
    (tmp_path / METRICS).write_text('{"stage": "student", "epoch": 1, "dev_score": 0.5}\n')
    curves = read_curves(tmp_path)
    assert isinstance(curves, Unknown) and "larger than" in curves.reason
    (tmp_path / RESULTS).write_text('{"splits": {"dev": {"tasks": {}}}}')
    confusions = read_confusions(tmp_path)
    assert isinstance(confusions, Unknown) and "larger than" in confusions.reason
    scored = read_split_predictions(tmp_path, "dev")
    assert scored is not None and scored.ids == ("1",) and scored.labels.tolist() == [[0]]


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1_score(truth, predicted, average="macro"))


def noise_of(count: int, said: float | None = None, copies: int = 1) -> DevNoise | Unknown:
    """The noise of random predictions, each example standing so many times in the file as one case."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=(count, 2))
    tasks = []
    for column in range(2):
        wrong = rng.random(count) < 0.2
        predicted = np.where(wrong, rng.integers(3, size=count), truth[:, column])
        groups = tuple(str(case) for case in range(count) for _ in range(copies))
        rows = np.repeat(np.arange(count), copies)
        tasks.append(
            Predictions(
                f"t{column}", ("a", "b", "c"), truth[rows, column], np.eye(3)[predicted[rows]], groups
            )
        )
    measured = float(np.mean([macro_f1(task.truth, task.probabilities.argmax(axis=1)) for task in tasks]))
    value = measured if said is None else said
    trials = (TrialRecord(0, "complete", value, {}), TrialRecord(1, "complete", value - 0.01, {}),
              TrialRecord(2, "complete", value - 0.3, {}))  # fmt: skip
    study = StudyRecord("s", "maximize", trials, {}, "study")
    return dev_noise(rank(study), RunRecord(Path(), (), (), tuple(tasks)))


@pytest.mark.slow
def test_noise_shrinks_with_the_root_of_the_examples() -> None:
    small, large = noise_of(200), noise_of(3200)
    assert isinstance(small, DevNoise) and isinstance(large, DevNoise)
    assert small.low < small.score < small.high
    assert (small.high - small.low) / (large.high - large.low) == pytest.approx(4, rel=0.25)
    assert 0.04 < small.high - small.low < 0.1
    assert (small.compared, small.examples) == (0, 200)  # the other trials left no predictions


def test_whole_cases_are_resampled() -> None:
    """Four copies of each example say no more than one."""
    once, fourfold = noise_of(200), noise_of(200, copies=4)
    assert isinstance(once, DevNoise) and isinstance(fourfold, DevNoise)
    assert (fourfold.examples, fourfold.groups) == (800, 200)
    assert (fourfold.low, fourfold.high) == pytest.approx((once.low, once.high))


def test_trials_are_compared_with_the_best_on_the_same_resamples(tmp_path: Path) -> None:
    """A trial that errs on ten examples more is told apart; one that errs on others, as many but one, is not."""
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=300)
    order = rng.permutation(300)
    wrong = {0: order[:60], 1: np.r_[order[1:60], order[100:102]], 2: order[:70]}
    values, trials = {}, []
    for number, rows in wrong.items():
        predicted = truth.copy()
        predicted[rows] = 1 - predicted[rows]
        values[number] = macro_f1(truth, predicted)
        folder = tmp_path / str(number)
        folder.mkdir()
        lines = ["id,group,truth_t,p_t_a,p_t_b"] + [
            f"{row},{row},{'ab'[true]},{1 - p:.1f},{p:.1f}"
            for row, (true, p) in enumerate(zip(truth, predicted, strict=True))
        ]
        (folder / "predictions_dev.csv").write_text("\n".join(lines) + "\n")
        trials.append(TrialRecord(number, "complete", values[number], {}, folder=folder))
    ranking = rank(StudyRecord("s", "maximize", tuple(trials), {}, "study"))
    best = known_predictions(tmp_path / "0")
    assert not isinstance(best, Unknown)
    found = dev_noise(ranking, RunRecord(tmp_path / "0", (), (), best))
    assert isinstance(found, DevNoise)
    assert found.low < values[2] < found.high  # unpaired, no trial would be told apart
    assert (found.equal, found.compared) == (1, 2)


def test_predictions_of_another_trial_are_refused() -> None:
    found = noise_of(200, said=0.5)
    assert isinstance(found, Unknown) and "the study says 0.5000" in found.reason


def test_a_text_of_several_lines_is_one_example(tmp_path: Path) -> None:
    (tmp_path / "predictions_dev.csv").write_text(
        'id,group,truth_a,pred_a,p_a_x,p_a_y,image,text\n1,g,x,x,0.9,0.1,i.png,"two\nlines"\n2,g,y,x,0.6,0.4,i.png,one\n'
    )
    found = known_predictions(tmp_path)
    assert not isinstance(found, Unknown)
    assert found[0].truth.tolist() == [0, 1] and found[0].classes == ("x", "y")


@pytest.mark.parametrize(
    "config", ["data:", "data: {tasks: {k: {of_a_later_version: 1}}}", "- data", "data: {tasks: [k]}", "{"]
)
def test_tasks_are_plain_without_a_config_and_not_known_by_one_that_does_not_say_what_they_are(
    tmp_path: Path, config: str
) -> None:
    parts = [Predictions("k", ("a", "b"), np.array([0, 1]), np.eye(2))]
    assert tasks_behind(tmp_path, parts) == (Task("k", ("a", "b")),)
    (tmp_path / "config.yaml").write_text(config)
    found = tasks_behind(tmp_path, parts)
    assert isinstance(found, Unknown) and "config.yaml" in found.reason
    with pytest.raises(UserError, match=r"config\.yaml"):
        fitted_on_dev(tmp_path, parts)
    (tmp_path / "config.yaml").write_text("data: {tasks: {k: {score: auroc, weight: 2}}}")
    assert tasks_behind(tmp_path, parts) == (Task("k", ("a", "b"), "single_label", "auroc", 2.0),)


def test_folds_of_which_one_has_no_groups_have_none_together() -> None:
    parts = [
        Predictions("kind", ("a", "b"), np.array([n]), np.array([[0.25, 0.75]]), groups)
        for n, groups in ((0, ("p",)), (1, None), (1, ("q",)))
    ]
    joined = _joined(parts)
    assert joined.groups is None and joined.truth.tolist() == [0, 1, 1]
    assert _joined(parts[::2]).groups == ("p", "q")

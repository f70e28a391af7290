"""What is read of run folders: curves, tasks, bins, mistakes, and the run that a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.analysis.mistakes import read_mistakes
from distune.analysis.ranking import rank
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.reliability import reliability
from distune.analysis.runs import RunRecord, read_confusions, read_curves, read_run, tasks_behind
from distune.analysis.scored_run import scored_run
from distune.analysis.side_by_side import side_by_side
from distune.data.table import Task
from distune.errors import UserError
from distune.training.files.prediction_files import Predictions
from distune.training.files.run_folder import METRICS, write_results
from distune.training.scoring.temperature_scaling import fit_temperature, with_temperature
from tests.analysis.written_records import complete, study_of


def test_curves_are_of_the_last_line_of_each_epoch_teacher_first(tmp_path: Path) -> None:
    lines = (
        '{"stage": "student", "epoch": 2, "dev_score": 0.5, "train_loss": 1.0}',
        '{"stage": "student", "epoch": 1, "dev_score": 0.25}',
        '{"stage": "student", "epoch": 2, "dev_score": 0.75, "train_loss": 2.0}',
        '{"stage": "student", "epoch": 3, "dev_score": null}',
        '{"stage": "teacher", "epoch": 1, "dev_score": 0.125, "train_loss": 3.0}',
        '{"stage": "other", "epoch": 1, "dev_score": 0.5}',
        '{"stage": "student", "epo',
    )
    (tmp_path / METRICS).write_text("\n".join(lines))
    found = read_curves(tmp_path)
    assert not isinstance(found, Unknown)
    assert [(c.stage, c.epochs, c.scores, c.losses) for c in found] == [
        ("teacher", (1,), (0.125,), (3.0,)),
        ("student", (1, 2), (0.25, 0.75), (None, 2.0)),
    ]
    write_results(tmp_path, {})
    (tmp_path / METRICS).write_text(lines[0])
    changed = read_curves(tmp_path)
    assert isinstance(changed, Unknown) and "was changed" in changed.reason


def part(name: str, classes: tuple[str, ...] = ("no", "yes")) -> Predictions:
    return Predictions(name, classes, np.zeros(1, np.int64), np.zeros((1, len(classes))))


def test_the_tasks_behind_predictions_are_those_of_the_config(tmp_path: Path) -> None:
    parts = (
        part("side", ("l", "r")),
        part("signs: a"),
        part("signs: b"),
        part("size: x"),
        part("signs_late", ("1", "2")),
        part("grade", ("1", "2")),
    )
    plain = tuple(Task(each.task, each.classes) for each in parts)
    assert tasks_behind(tmp_path, parts) == plain
    (tmp_path / "config.yaml").write_text("data: {path: x}")
    assert tasks_behind(tmp_path, parts) == plain
    (tmp_path / "config.yaml").write_text(
        "data:\n  tasks:\n    signs: {separator: ';', score: auroc, weight: 2}\n"
        "    size: {score: balanced_accuracy}\n    grade: {order: ['1', '2'], weight: 3}\n"
    )
    assert tasks_behind(tmp_path, parts) == (
        Task("side", ("l", "r")), Task("signs", ("a", "b"), "multi_label", "auroc", 2.0),
        Task("size: x", ("no", "yes")), Task("signs_late", ("1", "2")),
        Task("grade", ("1", "2"), "ordinal", weight=3.0),
    )  # fmt: skip
    write_results(tmp_path, {})
    (tmp_path / "config.yaml").write_text("data: {path: x}")
    changed = tasks_behind(tmp_path, parts)
    assert isinstance(changed, Unknown) and "was changed" in changed.reason


def test_bins_of_confidence() -> None:
    rows = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]])
    found = reliability(np.array([0, 0, 0, 1]), rows, bins=4)
    assert [(each.count, each.confidence, each.accuracy) for each in found] == [
        (1, 0.5, 1.0), (1, 0.7, 0.0), (2, pytest.approx(0.85), 0.5),
    ]  # fmt: skip


HEADER = "id,group,truth_t,pred_t,p_t_a,p_t_b,image,text\n"


def test_the_most_confident_mistakes(tmp_path: Path) -> None:
    """Of the examples with a label; by the prediction as it was made; the temperature is that of dev."""
    dev = [(0, 0.9), (0, 0.8), (1, 0.7), (1, 0.4), (0, 0.3)]
    (tmp_path / "predictions_dev.csv").write_text(
        HEADER
        + "".join(
            f"{n},g,{'ab'[t]},{'ab'[int(p < 0.5)]},{p},{1 - p:.6f},i,x\n" for n, (t, p) in enumerate(dev)
        )
    )
    (tmp_path / "predictions_test.csv").write_text(
        HEADER + "1,g1,b,a,0.6,0.4,1.png,'=x\n2,g2,a,b,0.1,0.9,'=2.png,y\n3,g3,,a,0.99,0.01,3.png,z\n"
        "4,g4,a,a,0.8,0.2,4.png,z\n5,g5,a,b,0.5,0.5,5.png,z\n6,g6,b,a,0.95,0.05,6.png,z\n"
    )  # fmt: skip
    (found,) = read_mistakes(tmp_path, "test", 3)
    truth, rows = np.array([t for t, _ in dev]), np.array([[p, 1 - p] for _, p in dev])
    temperature = fit_temperature(truth, rows)
    assert (found.task, found.labelled, found.wrong) == ("t", 5, 4)
    assert found.temperature == pytest.approx(temperature, rel=1e-3) and abs(temperature - 1) > 0.1
    assert [(each.id, each.truth, each.predicted) for each in found.most_confident] == [
        ("6", "b", "a"), ("2", "a", "b"), ("1", "b", "a"),
    ]  # fmt: skip
    second, third = found.most_confident[1:]
    scaled = with_temperature(np.array([[0.1, 0.9]]), found.temperature)[0]
    assert second.probabilities == (("b", pytest.approx(scaled[1])), ("a", pytest.approx(scaled[0])))
    assert second.confidence == pytest.approx(scaled[1])
    assert (second.group, second.image, third.image, third.text) == ("g2", "=2.png", "1.png", "=x")
    (of_dev,) = read_mistakes(tmp_path)
    assert [each.id for each in of_dev.most_confident] == [
        "2",
        "4",
    ] and of_dev.temperature == found.temperature
    with pytest.raises(UserError, match="no predictions of 'folds'"):
        read_mistakes(tmp_path, "folds")


def confirmed(split: str = "test", **about: Any) -> ConfirmationRecord:
    known = {"seeds": [1, 2], "trial": 4, "is_base": False, "rank": 1, **about}
    numbers = {
        "recommendation": {"contender": "trial_0004"},
        "split": split,
        "contenders": {"trial_0004": known},
    }
    return ConfirmationRecord(numbers, is_current=True)


def test_the_run_that_is_shown_is_the_recommended_one_that_kept_its_answers(tmp_path: Path) -> None:
    one = study_of(complete(4, baseline=True), folder=tmp_path)
    best = RunRecord(tmp_path / "best", (), (), ())
    run = tmp_path / "confirmation/trial_0004/seed_2"
    run.mkdir(parents=True)
    (run.parent / "seed_1").mkdir()
    ranking = rank(one)

    def shown(confirmation: Any, study: StudyRecord = one) -> tuple[Any, str, str, bool]:
        found = scored_run(study, rank(study), confirmation, best)
        return getattr(found.run, "folder", None), found.name, found.on, found.is_confirmed

    searched = (best.folder, "the base config (trial 4)", "dev", False)
    assert shown(confirmed()) == searched, "nobody kept them"
    files = tuple(run.parent / f"seed_{seed}/predictions_test.csv" for seed in (1, 2))
    assert scored_run(one, ranking, confirmed(), best).lacking == files
    (run / "predictions_test.csv").write_text(HEADER + "1,g,a,a,1,0,i,x\n2,g,b,a,1,0,i,x\n")
    assert shown(confirmed()) == (run, "trial 4", "test", True)
    found = scored_run(one, ranking, confirmed(), best).run
    assert isinstance(found, RunRecord) and not isinstance(found.confusions, Unknown)
    assert scored_run(one, ranking, confirmed(), best).lacking == files[:1]
    assert scored_run(one, ranking, confirmed("other"), best).lacking == ()
    assert found.confusions[0].counts.tolist() == [[1, 0], [1, 0]]
    assert shown(confirmed(is_base=True))[1] == "the base config"
    assert shown(confirmed(trial=None))[1] == "trial_0004" and shown(confirmed(trial=0))[1] == "trial 0"
    assert shown(confirmed("dev")) == shown(confirmed("other")) == searched
    assert shown(replace(confirmed(), is_current=False)) == shown(Unknown("none")) == searched
    other = replace(one, trials=(complete(5, 0.9), *one.trials), folder=None, space_source="observed")
    assert shown(confirmed(), other) == (best.folder, "trial 5", "its own examples", False)


def test_studies_that_minimise_come_last_and_the_lowest_first() -> None:
    low, high = (study_of(complete(0, value), direction="minimize") for value in (0.25, 0.75))
    others = [study_of(complete(0, 0.0)), study_of(complete(0, 0.1)), study_of()]
    found = side_by_side([high, low, *others])
    assert [(one.dev, one.minimises) for one in found] == [
        (0.1, False),
        (0.0, False),
        (None, False),
        (0.25, True),
        (0.75, True),
    ]


def test_of_a_confirmation_the_best_of_the_search() -> None:
    numbers = {"contenders": {"a": {"rank": 2}, "b": {"rank": None}, "c": {"rank": 1}}}
    assert ConfirmationRecord(numbers, is_current=True).best == "c"


def of_a_fold(folder: Path, scores: Sequence[float], counts: Any) -> None:
    folder.mkdir(parents=True)
    lines = (
        f'{{"stage": "student", "epoch": {n}, "dev_score": {score}}}' for n, score in enumerate(scores, 1)
    )
    (folder / METRICS).write_text("\n".join(lines))
    (folder / "predictions_dev.csv").write_text(HEADER + "1,g,a,a,1,0,i,x\n")
    tasks = {"t": {"classes": {"a": {}, "b": {}}, "confusion": counts}}
    write_results(folder, {"splits": {"dev": {"tasks": tasks}}})


def test_the_folds_of_a_trial_are_read_as_one_run_and_none_is_left_out(tmp_path: Path) -> None:
    of_a_fold(tmp_path / "fold_1", (0.5, 0.75), [[1, 2], [3, 4]])
    of_a_fold(tmp_path / "fold_2", (0.25,), [[10, 0], [0, 10]])
    found = read_run(tmp_path, folds=2)
    assert isinstance(found, RunRecord) and not isinstance(found.curves, Unknown)
    assert [curve.scores for curve in found.curves] == [(0.5, 0.75), (0.25,)]
    assert not isinstance(found.confusions, Unknown) and not isinstance(found.predictions, Unknown)
    assert found.confusions[0].counts.tolist() == [[11, 2], [3, 14]]
    assert found.predictions[0].truth.tolist() == [0, 0]
    lacking = read_run(tmp_path, folds=3)
    assert isinstance(lacking, RunRecord)
    for part in (lacking.curves, lacking.confusions, lacking.predictions):
        assert isinstance(part, Unknown) and "fold_3" in part.reason
    for folder, said in ((None, "does not record"), (tmp_path / "gone", "is not there")):
        unknown = read_run(folder)
        assert isinstance(unknown, Unknown) and said in unknown.reason


@pytest.mark.parametrize(
    ("about", "known"),
    [
        ({"classes": ["a", "b"], "confusion": [[1, 2], [3, 4]]}, True),
        ({"classes": {"a": {}, "b": {}}, "confusion": [[1, 2], [3, 4]]}, True),
        ({"classes": ["a", "b", "c"], "confusion": [[1, 2], [3, 4]]}, False),
        ({"classes": ["a", "b"], "confusion": [[1, 2]]}, False),
        ({"classes": ["a", "b"], "confusion": [[1, 2, 3], [4, 5, 6]]}, False),
        ({"classes": ["a", "b"], "confusion": [[1, "x"], [3, 4]]}, False),
        ({"classes": [], "confusion": []}, False),
        ({"classes": "ab", "confusion": [[1, 2], [3, 4]]}, False),
        ({"confusion": [[1, 2], [3, 4]]}, False),
        ({"classes": ["a", "b"]}, False),
        ([], False),
        ({"confusion": {"x": [[1, 2], [3, 4]], "y": [[1]]}}, True),
    ],
)
def test_a_table_that_does_not_fit_its_classes_is_none(tmp_path: Path, about: Any, known: bool) -> None:
    write_results(tmp_path, {"splits": {"dev": {"tasks": {"t": about}}}})
    found = read_confusions(tmp_path)
    assert isinstance(found, tuple) is known
    if isinstance(found, tuple):
        (only,) = found
        assert only.counts.tolist() == [[1, 2], [3, 4]]
        assert (only.task, only.classes) in ((("t"), ("a", "b")), ("t: x", ("no", "yes")))
    for odd in ({}, {"splits": []}, {"splits": {"dev": {"tasks": []}}}):
        write_results(tmp_path, odd)
        assert isinstance(read_confusions(tmp_path), Unknown)

"""The noise of dev, the pace and the trend of a study, and how its findings hang together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.analysis import dev_noise as noise_module
from distune.analysis.dev_noise import DevNoise, _holds_zero, _resampled, _same_examples, _scores, dev_noise
from distune.analysis.expected_time import _less
from distune.analysis.findings import analyse
from distune.analysis.parameters.ranges import Ranges, best_ranges
from distune.analysis.parameters.space import Parameter
from distune.analysis.progress import RunningBest, progress
from distune.analysis.ranking import rank
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import RunRecord
from distune.analysis.trial_folder import differing_parameters, other_run
from distune.config import Config, save_config, with_values
from distune.data.table import Task
from distune.training.files.prediction_files import Predictions
from distune.training.scoring.scores import task_score
from distune.utils.files.sealed_files import write_sealed
from tests.analysis.written_records import study_of

TRUTH = np.array([0, 1, 0, 1, 1, 0, 1, 0, 0, 1])
SAID = np.array([0, 1, 0, 0, 1, 0, 1, 1, 0, 1])
TASK = Task("t", ("a", "b"))


def predictions(said: Any = SAID, **changed: Any) -> Predictions:
    known = {"task": "t", "classes": ("a", "b"), "truth": TRUTH, "probabilities": np.eye(2)[said]}
    return Predictions(**(known | {"groups": tuple(f"g{n // 2}" for n in range(10))} | changed))


SCORE = task_score(TASK, TRUTH[:, None], np.eye(2)[SAID])


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_module, "RESAMPLES", 200)


@pytest.mark.parametrize(
    ("values", "holds"), [((-0.1, 0.2), True), ((0.1, 0.2), False), ((-0.2, -0.1), False), ((0.0, 0.0), True)]
)
def test_a_difference_holds_zero_between_its_ends(values: tuple[float, float], holds: bool) -> None:
    assert _holds_zero(np.linspace(*values, 200)) is holds
    outliers = np.r_[np.full(196, 0.1), [-9.0, 9.0], [np.nan, np.nan]]
    assert _holds_zero(outliers) is False, "one of a hundred at either end is no interval"


def test_the_interval_holds_95_of_100_resamples_of_whole_cases(tmp_path: Path) -> None:
    best = TrialRecord(0, "complete", SCORE)
    for parts, cases, groups in (
        ((predictions(),), np.arange(10) // 2, 5), ((predictions(groups=None),), np.arange(10), None),
    ):  # fmt: skip
        found = dev_noise(rank(study_of(best)), RunRecord(tmp_path, (), (), parts))
        assert isinstance(found, DevNoise)
        scores = _scores(parts, (TASK,), _resampled(cases))
        assert (found.low, found.high) == pytest.approx(tuple(np.nanquantile(scores, [0.025, 0.975])))
        assert (found.trial, found.examples, found.groups, found.score) == (0, 10, groups, SCORE)
    drawn = _resampled(np.arange(10) // 2)
    assert (drawn[:, ::2] == drawn[:, 1::2]).all() and (drawn.sum(axis=1) == 10).all()


@pytest.mark.parametrize(("off", "known"), [(0.0015, True), (-0.0015, True), (0.003, False), (-0.003, False)])
def test_predictions_belong_to_the_score_that_they_have(tmp_path: Path, off: float, known: bool) -> None:
    ranking = rank(study_of(TrialRecord(0, "complete", SCORE + off)))
    found = dev_noise(ranking, RunRecord(tmp_path, (), (), (predictions(),)))
    assert isinstance(found, DevNoise) is known


def test_what_no_noise_is_known_of_says_why(tmp_path: Path) -> None:
    run = RunRecord(tmp_path, (), (), (predictions(),))
    ranking = rank(study_of(TrialRecord(0, "complete", SCORE)))
    for found, said in (
        (dev_noise(ranking, run, folds=3), "mean over 3 folds"),
        (dev_noise(ranking, Unknown("no run")), "no run"),
        (dev_noise(ranking, replace(run, predictions=Unknown("no answers"))), "no answers"),
        (dev_noise(rank(study_of()), run), "No trial is complete"),
    ):
        assert isinstance(found, Unknown) and said in found.reason


def write(folder: Path, part: Predictions) -> Path:
    folder.mkdir(parents=True)
    names = part.groups or tuple(map(str, range(len(part.truth))))
    head = ",".join(
        ("id", "group", f"truth_{part.task}", *(f"p_{part.task}_{name}" for name in part.classes))
    )
    rows = [
        f"{n},{names[n]},{part.classes[truth]},{','.join(f'{p:g}' for p in part.probabilities[n])}"
        for n, truth in enumerate(part.truth)
    ]
    (folder / "predictions_dev.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True), ({"said": 1 - SAID}, True), ({"truth": 1 - TRUTH}, False), ({"groups": tuple("abcdefghij")}, False),
        ({"classes": ("a", "c")}, False), ({"task": "u"}, False),
    ],
)  # fmt: skip
def test_trials_are_compared_on_the_same_examples_alone(
    tmp_path: Path, changed: dict[str, Any], same: bool
) -> None:
    folder = write(tmp_path / "other", predictions(**changed))
    found = _same_examples(TrialRecord(1, "complete", 0.5, folder=folder), (predictions(),))
    assert (found is not None) is same
    if found is not None:
        assert np.array_equal(found[0].probabilities, predictions(**changed).probabilities)
    assert _same_examples(TrialRecord(1, "complete", 0.5), (predictions(),)) is None
    assert _same_examples(TrialRecord(1, "complete", 0.5, folder=tmp_path / "gone"), (predictions(),)) is None


def test_what_fewer_epochs_leave_out_of_each_stage() -> None:
    trials = [
        TrialRecord(
            0, "complete", 0.5, seconds=9.0, stage_seconds={"teacher": 40.0, "student": 10.0, "data": 99.0}
        ),
        TrialRecord(1, "complete", 0.5, seconds=9.0, stage_seconds={"student": 30.0}),
        TrialRecord(2, "complete", 0.5, stage_seconds={"teacher": 999.0}),
        TrialRecord(3, "complete", 0.5, seconds=9.0),
    ]
    assert _less(trials, (0.75, 0.25)) == pytest.approx(0.75 * 20.0 + 0.25 * 20.0)
    assert _less(trials[:1], (0.5, 0.1)) == pytest.approx(0.5 * 40.0 + 0.1 * 10.0)
    assert _less(trials[2:], (0.5, 0.5)) is None


def test_the_trend_of_a_study_that_minimises_and_of_a_table() -> None:
    values = (0.9, 0.5, 0.8, 0.7, 0.6, 0.9, 0.3, 0.4, 0.9)
    trials = [TrialRecord(n, "complete", value) for n, value in enumerate(values)]
    falling = progress(study_of(*trials, direction="minimize"))
    assert falling == RunningBest(9, pytest.approx(0.2))
    assert progress(study_of(*trials)) == RunningBest(9, 0.0)
    table = study_of(*trials, space_source="observed")
    assert progress(table) == RunningBest(9, 0.0), "it lacks none"
    assert isinstance(progress(replace(table, trials=(*trials[:8], replace(trials[8], number=11)))), Unknown)
    none = [replace(trial, state="pruned", value=None) for trial in trials]
    for one in (none, [*none[:8], trials[8]]):
        assert isinstance(progress(study_of(*one)), Unknown)


SPACE = {"x": Parameter("x", "float", 0.0, 1.0)}


def test_the_findings_of_a_study(tmp_path: Path) -> None:
    folder = write(tmp_path / "trials/trial_0001", predictions())
    base = TrialRecord(0, "complete", SCORE - 0.001, baseline=True, params={"x": 0.5})
    best = TrialRecord(1, "complete", SCORE, params={"x": 0.75}, folder=folder, teacher_score=0.25)
    found = analyse(one := study_of(base, best, space=SPACE, folder=tmp_path))
    assert isinstance(found.best_run, RunRecord) and found.best_run.folder == folder
    assert not isinstance(found.best_run.predictions, Unknown) and len(found.best_run.predictions) == 1
    assert isinstance(found.noise, DevNoise)
    assert found.teacher is not None and found.teacher.on == "dev" and found.teacher.is_below_its_student
    assert found.scored_run.run is found.best_run and found.teacher_ranges is None
    assert isinstance(found.confirmation, Unknown) and isinstance(found.audit, Unknown)
    assert len(found.phases) == 1
    assert found.study is one and found.ranking == rank(one)
    rising = [replace(base, number=n, value=SCORE - 0.001 * (9 - n), baseline=n == 0) for n in range(9)]
    found = analyse(study_of(*rising, replace(best, number=9), space=SPACE, folder=tmp_path))
    assert found.recommendations.more_trials == "flat", "a gain within the noise of dev is none"


@pytest.mark.parametrize(
    ("lr", "kept", "differing"),
    [
        (0.01, True, []),
        (0.02, True, ["lr"]),
        (0.02, False, []),
        ("1e-2", True, []),  # a choice that YAML reads as text, and the config as a number
        ("2e-2", True, ["lr"]),
        ("fast", True, ["lr"]),
    ],
)
def test_a_run_in_the_folder_of_another_trial_is_none_of_the_study(
    tmp_path: Path, lr: float | str, kept: bool, differing: list[str]
) -> None:
    """As after two folders were exchanged; parameters without a key of the config, and teachers, tell nothing."""
    folder = write(tmp_path / "trials/trial_0000", predictions())
    if kept:
        save_config(with_values(Config(), {"student.lr": 0.01}), folder / "config.yaml")
    lr_of_student = Parameter("lr", "float", 0.0, 1.0, key="student.lr")
    space = SPACE | {"lr": lr_of_student, "teacher": Parameter("teacher", "categorical", choices=("a", "b"))}
    trial = TrialRecord(
        0, "complete", SCORE, params={"x": 0.5, "lr": lr, "teacher": "a", "y": 1}, folder=folder
    )
    study = study_of(trial, space=space, folder=tmp_path)
    assert differing_parameters(study, trial) == differing
    assert isinstance(analyse(study).best_run, Unknown) is bool(differing)
    assert differing_parameters(study, replace(trial, folder=None)) == []
    write_sealed(folder / "results.json", {"score": SCORE})
    assert (other_run(study, trial) is not None) is bool(differing)
    if not differing:
        assert other_run(study, replace(trial, value=SCORE * (1 + 1e-15))) is None, (
            "a database may keep 15 digits"
        )
    lower = replace(trial, value=SCORE / 2)
    of_another = replace(study, trials=(lower,))
    assert other_run(of_another, lower) and isinstance(analyse(of_another).best_run, Unknown)
    assert other_run(of_another, replace(lower, folder=None)) is None
    if not differing:
        assert other_run(replace(study, folds=2), lower) is None, "its score is the mean of folds"
        (folder / "results.json").write_text("{")
        assert other_run(of_another, lower) is None, "what is damaged says nothing of whose it is"


def test_the_findings_of_a_study_with_folds_whose_teachers_were_tuned_first(tmp_path: Path) -> None:
    folder = tmp_path / "trials/trial_0000"
    for number in (1, 2):
        write(folder / f"fold_{number}", predictions())
    teachers = study_of(
        *(TrialRecord(n, "complete", n / 10, params={"x": n / 10}) for n in range(6)), space=SPACE
    )
    best = TrialRecord(0, "complete", 0.5, params={"x": 0.75}, folder=folder, teacher_score=0.75)
    found = analyse(study_of(best, space=SPACE, folder=tmp_path, folds=2, teacher_record=teachers))
    assert isinstance(found.best_run, RunRecord) and not isinstance(found.best_run.predictions, Unknown)
    assert len(found.best_run.predictions[0].truth) == 20
    assert isinstance(found.noise, Unknown) and "2 folds" in found.noise.reason
    assert found.teacher is not None and found.teacher.on == "2 folds of train and dev"
    assert isinstance(found.ranges, Unknown) and isinstance(found.teacher_ranges, Ranges)
    assert found.teacher_ranges == best_ranges(teachers, rank(teachers))
    assert [phase.title for phase in found.phases] == ["teachers", "students"]
    nothing = analyse(study_of(space=SPACE))
    assert isinstance(nothing.best_run, Unknown) and nothing.teacher is None

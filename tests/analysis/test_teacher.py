from __future__ import annotations

from typing import Any

import pytest

from distune.analysis.ranking import Ranking
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.teacher import TeacherEvaluation, evaluate_teacher
from distune.training.teacher.check import regression_score, teacher_score, teacher_warning


def confirmation(teacher: float | None, student: float, regression: float | None) -> ConfirmationRecord:
    def about(kind: str, rank: int | None, score: float | None) -> dict[str, Any]:
        split = None if score is None else {"score": {"mean": score, "seeds": 5}}
        return {"kind": kind, "rank": rank, "splits": {"test": split}}

    contenders = {"trial_0001": about("trial", 1, student), "teacher": about("teacher", None, teacher)}
    contenders["features_image_text"] = about("baseline", None, regression)
    return ConfirmationRecord({"split": "test", "contenders": contenders}, is_current=True)


@pytest.mark.parametrize(
    ("scores", "below_student", "below_regression"),
    [
        ((0.45, 0.88, 0.8), True, True),
        ((0.85, 0.88, 0.8), True, False),
        ((0.9, 0.88, None), False, False),
        ((0.88, 0.88, 0.88), False, False),
    ],
)
def test_a_confirmed_teacher_is_evaluated_beside_its_student_and_regression(
    scores: tuple[float, float, float | None], below_student: bool, below_regression: bool
) -> None:
    found = evaluate_teacher(Ranking((), {}, ()), confirmation(*scores), None)
    assert found is not None and (found.on, found.seeds) == ("test", 5)
    assert (found.is_below_its_student, found.is_below_regression) == (below_student, below_regression)


def test_a_teacher_counts_with_its_own_seeds_on_the_split_that_is_evaluated() -> None:
    record = confirmation(0.45, 0.88, 0.8)
    contenders = record.numbers["contenders"]
    contenders["teacher"]["splits"]["test"]["score"]["seeds"] = 3
    for name, score in (("teacher", 0.1), ("trial_0001", 0.2), ("features_image_text", 0.3)):
        contenders[name]["splits"]["dev"] = {"score": {"mean": score, "seeds": 2}}
    found = evaluate_teacher(Ranking((), {}, ()), record, None)
    assert found == TeacherEvaluation(0.45, 0.88, 0.8, "test", 3)


def test_a_teacher_that_did_not_finish_is_not_evaluated() -> None:
    assert evaluate_teacher(Ranking((), {}, ()), confirmation(None, 0.8, 0.7), None) is None


def test_without_a_confirmation_the_search_evaluates() -> None:
    best = TrialRecord(3, "complete", 0.8, {}, teacher_score=0.6, regression_score=0.7)
    found = evaluate_teacher(Ranking((best,), {"complete": 1}, ()), Unknown("not confirmed"), 5)
    assert found is not None and found.is_below_its_student and found.is_below_regression
    assert (found.score, found.on) == (0.6, "5 folds of train and dev")


@pytest.mark.parametrize(
    ("teacher", "student", "regression", "named"),
    [
        (0.6, 0.8, 0.7, ["below its student, 0.8000", "below logistic regression"]),
        (0.6, 0.8, None, ["below its student, 0.8000"]),
        (0.75, 0.7, 0.8, ["below logistic regression"]),
        (0.8, 0.8, 0.8, []),
        (None, 0.8, 0.7, []),
    ],
)
def test_a_teacher_is_warned_of_by_what_it_is_below(
    teacher: float | None, student: float, regression: float | None, named: list[str]
) -> None:
    said = teacher_warning(teacher, student, regression=regression)
    assert (said is not None) == bool(named)
    for part in ("below its student, 0.8000", "below logistic regression"):
        assert (part in (said or "")) == (part in named)


def test_scores_of_a_run_are_read_from_its_results() -> None:
    results = {"teacher": {"splits": {"dev": {"score": 0.6}}, "regression": 0.7}}
    assert (teacher_score(results), regression_score(results)) == (0.6, 0.7)
    older = {"teacher": {"splits": {"dev": {"score": 0.6}}}}
    assert (teacher_score(older), regression_score(older)) == (0.6, None)
    assert (teacher_score({"teacher": None}), regression_score({"teacher": None})) == (None, None)


@pytest.mark.parametrize(("folds", "on"), [(None, "dev"), (3, "3 folds of train and dev")])
def test_the_search_knows_one_training_of_a_teacher(folds: int | None, on: str) -> None:
    trial = TrialRecord(1, "complete", 0.75, teacher_score=0.5, regression_score=0.25)
    found = evaluate_teacher(Ranking((trial,), {1: 1}, ()), Unknown("none"), folds)
    assert found == TeacherEvaluation(0.5, 0.75, 0.25, on, 1)
    stale = ConfirmationRecord(confirmation(0.9, 0.9, 0.9).numbers, is_current=False)
    assert evaluate_teacher(Ranking((trial,), {1: 1}, ()), stale, folds) == found

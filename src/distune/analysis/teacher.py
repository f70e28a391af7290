"""Whether the teacher was worth learning from."""

from __future__ import annotations

from dataclasses import dataclass

from distune.analysis.ranking import Ranking
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.unknown import Unknown

REGRESSION = "features_image_text"


@dataclass(frozen=True)
class TeacherEvaluation:
    """The teacher beside its student, and beside logistic regression on frozen features.

    Attributes:
        score: the teacher's.
        student: its student's, on the same examples.
        regression: of logistic regression on frozen features of image and text: the teacher's own in the search, the
            student's in a confirmation; None where not known.
        on: what they are scores on: a split of the confirmation, or the study's own.
        seeds: trainings that the scores are means of.
    """

    score: float
    student: float
    regression: float | None
    on: str
    seeds: int

    @property
    def is_below_its_student(self) -> bool:
        """Whether the student does better without knowing more."""
        return self.score < self.student

    @property
    def is_below_regression(self) -> bool:
        """Whether frozen features do better."""
        return self.regression is not None and self.score < self.regression


def evaluate_teacher(
    ranking: Ranking, confirmation: ConfirmationRecord | Unknown, folds: int | None
) -> TeacherEvaluation | None:
    """Evaluates the best trial's teacher: by the confirmation where there is a current one, else by the search.

    Returns:
        None where the best trial has no teacher, or the study does not record its score.
    """
    if not isinstance(confirmation, Unknown) and confirmation.is_current:
        return _confirmed(confirmation)
    best = ranking.best
    if best is None or best.value is None or best.teacher_score is None:
        return None
    on = "dev" if folds is None else f"{folds} folds of train and dev"
    return TeacherEvaluation(best.teacher_score, best.value, best.regression_score, on, 1)


def _confirmed(confirmation: ConfirmationRecord) -> TeacherEvaluation | None:
    numbers = confirmation.numbers
    split, contenders = numbers["split"], numbers["contenders"]
    teacher = next((about for about in contenders.values() if about["kind"] == "teacher"), None)
    regression = (contenders.get(REGRESSION) or {}).get("splits", {}).get(split)
    student = contenders[confirmation.best]["splits"][split]
    scored = None if teacher is None else teacher["splits"][split]
    if scored is None or student is None:
        return None
    return TeacherEvaluation(
        scored["score"]["mean"],
        student["score"]["mean"],
        regression["score"]["mean"] if regression else None,
        split,
        scored["score"]["seeds"],
    )

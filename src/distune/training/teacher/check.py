"""Whether a teacher is worth learning from: one below its student has nothing to teach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WHAT_TO_CHANGE = (
    "change the teacher first: train it longer or at another rate (teacher.epochs, teacher.lr), let it learn more of "
    "its encoders (teacher.vision.freeze, teacher.text.freeze), or train without one (distillation.loss: none)"
)


def teacher_score(results: Mapping[str, Any]) -> float | None:
    """The teacher's dev score in the content of `results.json`; None where the run used no teacher."""
    teacher = results.get("teacher")
    return float(teacher["splits"]["dev"]["score"]) if teacher else None


def regression_score(results: Mapping[str, Any]) -> float | None:
    """The dev score of logistic regression on the teacher's frozen features; None where that is not known."""
    score = (results.get("teacher") or {}).get("regression")
    return None if score is None else float(score)


def teacher_warning(
    teacher: float | None, student: float | None, on: str = "dev", regression: float | None = None
) -> str | None:
    """What to say first of a teacher that scores below its student, or below features of untrained encoders.

    Args:
        teacher: its score; None where there is none.
        student: its student's.
        on: the split of all.
        regression: of logistic regression on the teacher's frozen features; None where that is not known.

    Returns:
        None where the teacher is below neither.

    Examples:
        >>> teacher_warning(0.62, 0.88)[:56]
        'the teacher scores 0.6200 on dev, below its student, 0.8'
        >>> teacher_warning(0.62, None, regression=0.7)[:56]
        'the teacher scores 0.6200 on dev, below logistic regress'
        >>> teacher_warning(0.9, 0.88) is None
        True
    """
    if teacher is None:
        return None
    below = []
    if student is not None and teacher < student:
        below.append(f"its student, {student:.4f}")
    if regression is not None and teacher < regression:
        below.append(f"logistic regression on its own frozen features, {regression:.4f}")
    if not below:
        return None
    return f"the teacher scores {teacher:.4f} on {on}, below {' and below '.join(below)}: {WHAT_TO_CHANGE}"


def run_warning(results: Mapping[str, Any]) -> str | None:
    """What `teacher_warning` says of the content of `results.json`."""
    regression = regression_score(results)
    return teacher_warning(teacher_score(results), results.get("score"), regression=regression)

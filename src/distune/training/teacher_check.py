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


def teacher_warning(teacher: float | None, student: float | None, on: str = "dev") -> str | None:
    """What to say first of a teacher that scores below its student.

    Args:
        teacher: its score; None where there is none.
        student: its student's.
        on: the split of both.

    Returns:
        None where the teacher is not below.

    Examples:
        >>> teacher_warning(0.62, 0.88)[:56]
        'the teacher scores 0.6200 on dev, below its student, 0.8'
        >>> teacher_warning(0.9, 0.88) is None
        True
    """
    if teacher is None or student is None or teacher >= student:
        return None
    return f"the teacher scores {teacher:.4f} on {on}, below its student, {student:.4f}: {WHAT_TO_CHANGE}"

"""Records of studies whose values a test writes out."""

from __future__ import annotations

from typing import Any

from distune.analysis.records.study_record import StudyRecord, TrialRecord


def study_of(*trials: TrialRecord, **known: Any) -> StudyRecord:
    """A study of ours without a search space, in which higher is better."""
    about: dict[str, Any] = {"direction": "maximize", "space": {}, "space_source": "study", **known}
    return StudyRecord("s", trials=tuple(trials), **about)


def complete(number: int, value: float | None = 0.5, **known: Any) -> TrialRecord:
    """A complete trial."""
    return TrialRecord(number, "complete", value, **known)

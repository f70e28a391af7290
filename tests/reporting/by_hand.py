"""Studies of a few trials and confirmations of a few numbers, for the parts of a report by themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from distune.analysis.findings import Findings, analyse
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.reporting import markdown
from distune.reporting.document import Block, Section


def study(*trials: TrialRecord, **about: Any) -> StudyRecord:
    """Of the trials, or of two complete ones where none is given."""
    held = trials or tuple(TrialRecord(number, "complete", 0.5 + number / 10) for number in range(2))
    about = {"name": "s", "direction": "maximize", "space": {}, "space_source": "study", **about}
    return StudyRecord(trials=held, **about)


def findings(found: StudyRecord | None = None, **values: Any) -> Findings:
    """What is known of a study, with some of it replaced; `numbers` are those of a current confirmation."""
    if "numbers" in values:
        values["confirmation"] = ConfirmationRecord(values.pop("numbers"), is_current=True)
    return replace(analyse(found or study()), **values)


def text(part: Section | Block | Any) -> str:
    """A part of a report as Markdown."""
    if isinstance(part, Section):
        return "\n".join([f"# {part.title}", *map(text, part.blocks), *map(text, part.parts)])
    return markdown.render_block(part)


def made(kind: str, first: str = "trial_0001", second: str = "base", **about: Any) -> dict[str, Any]:
    """A comparison."""
    return {
        "kind": kind, "first": first, "second": second, "difference": 0.1, "low": 0.05, "high": 0.15,
        "verdict": "better", "power": 0.5, **about,
    }  # fmt: skip


def numbers(*comparisons: dict[str, Any], **about: Any) -> dict[str, Any]:
    """A confirmation of trial 1 and the base config."""
    contenders = {
        "trial_0001": {"kind": "trial", "trial": 1, "is_base": False, "rank": 1, "splits": {}},
        "base": {"kind": "base", "trial": 0, "is_base": True, "rank": 2, "splits": {}},
    }
    return {
        "contenders": {**contenders, **about.pop("contenders", {})}, "comparisons": list(comparisons),
        "recommendation": {"contender": "trial_0001", "config": "recommended.yaml", "searched": 15},
        "seeds": [1, 2, 3], "split": "test", "opening": {"number": 1}, "relevant_gain": 0.02, **about,
    }  # fmt: skip


def folder(path: Path, *names: str) -> Path:
    """A folder with empty files."""
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).touch()
    return path

"""What `distune tune` and `distune train` print at the end."""

from __future__ import annotations

from typing import Any

import pytest

from distune.cli.commands.confirm import EXIT_CODES
from distune.cli.commands.train import print_results
from distune.cli.commands.tune import EXIT_CODES as TUNE_CODES
from distune.cli.tune_output import print_outcome


def summary(warning: str | None) -> dict[str, Any]:
    best = {"number": 3, "value": 0.8, "teacher_warning": warning}
    return {
        "study": "s",
        "folds": None,
        "trials": {"finished": 4, "complete": 3, "pruned": 1, "failed": 0},
        "best": best,
        "base": {"number": 0, "value": 0.7},
        "seconds": {"wall": 9.0},
        "machine": {"peak_memory_mb": 100.0},
    }


@pytest.mark.parametrize("warning", ["the teacher scores 0.6000 on dev, below its student", None])
def test_tune_says_first_that_a_teacher_has_nothing_to_teach(
    warning: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    print_outcome(summary(warning), [])
    first = capsys.readouterr().out.strip().splitlines()[0]
    assert first.split(maxsplit=1) == (["warning", warning] if warning else ["study", "s"])


@pytest.mark.parametrize(
    ("teacher", "regression", "is_warned"), [(0.6, 0.5, True), (0.9, 0.95, True), (0.9, None, False)]
)
def test_train_says_first_that_a_teacher_has_nothing_to_teach(
    teacher: float, regression: float | None, is_warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = {"score": 0.8, "tasks": {"kind": {"macro_f1": 0.8}}}
    scored = {"splits": {"dev": {"score": teacher}}, "regression": regression}
    print_results({"score": 0.8, "splits": {"dev": dev}, "teacher": scored, "test_split": "none"})
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("warning: the teacher scores" if is_warned else "dev  score 0.8000")


def test_how_a_confirmation_ends_is_told_by_its_exit_code() -> None:
    assert EXIT_CODES == {"finished": 0, "incomplete": 1, "low_disk": 4, "interrupted": 130}
    assert TUNE_CODES == {"finished": 0, "failed_alike": 1, "timeout": 3, "low_disk": 4, "interrupted": 130}

"""What `distune tune` prints at the end."""

from __future__ import annotations

from typing import Any

import pytest

from distune.cli.commands.outcome import print_outcome


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
def test_a_teacher_with_nothing_to_teach_is_the_first_thing_said(
    warning: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    print_outcome(summary(warning), [])
    first = capsys.readouterr().out.strip().splitlines()[0]
    assert first.split(maxsplit=1) == (["warning", warning] if warning else ["study", "s"])

"""What commands say and do, from a few values and without a run or a study."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from distune.cli import arguments, error_handling, output
from distune.cli.commands import compare, predict, status
from distune.tuning.status import UnreadableStudy


@pytest.mark.parametrize(("value", "shown"), [(None, ""), (0.0, "0.0000"), (0.98765, "0.9877")])
def test_a_score_of_nothing_is_no_missing_one(value: float | None, shown: str) -> None:
    assert compare._shown(value) == shown


@pytest.mark.parametrize(
    ("more", "last"), [(0, None), (2, "... and 2 more")], ids=["as many as are shown", "more than are shown"]
)
def test_rows_that_could_not_be_read_are_named_up_to_a_limit(
    more: int, last: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [f"row {number}: no\nfile" for number in range(predict.PROBLEMS_SHOWN + more)]
    predict._print_problems(SimpleNamespace(problems=problems))  # type: ignore[arg-type]
    said = capsys.readouterr()
    count, *lines = said.err.splitlines()
    assert count == f"{len(problems)} rows could not be read:" and said.out == ""
    assert [line.strip() for line in lines[predict.PROBLEMS_SHOWN :]] == ([last] if last else [])
    assert len(lines) == predict.PROBLEMS_SHOWN + bool(last) and lines[0].startswith("  row 0: no")


def test_a_bar_is_no_part_of_what_a_command_gives(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with predict.progress_of("predicting") as tell:
        assert capsys.readouterr().err == "", "what is wrong with the input is said without a bar"
        tell(3, 20)
    said = capsys.readouterr()
    assert "predicting" in said.err and "3/20" in said.err and said.out == ""


def test_the_columns_of_a_list_of_studies_stand_under_their_titles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("s", "a study of a long name"):
        status._print_list([UnreadableStudy(name, "broken")], "here")
        titles, line = capsys.readouterr().out.splitlines()
        assert titles.index("state") == line.index("unreadable: broken")
        assert titles.index("trials") + len("trials") == line.index("-") + 1
    status._print_list([], "here")
    assert capsys.readouterr().out == "no studies in here\n"


def test_the_dashboard_of_a_study_s_file(tmp_path: Path, called: Callable[..., Any]) -> None:
    optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db", study_name="s")
    asked = called("distune.tuning.dashboard.open_dashboard")
    status.dashboard(f"{tmp_path}/s.db", port=8081)
    assert asked == [("s", {"storage": f"sqlite:///{tmp_path}/s.db", "port": 8081})]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "full"), "; free some space"),
        (OSError(errno.ENOSPC, "full", "/data/x"), " while writing /data/x; free some space"),
        (OSError(errno.ENOSPC, "full", "/from/x", None, "/to/x"), " while writing /to/x; free some space"),
        (OSError(errno.ENOSPC, "full", f"{tempfile.gettempdir()}/x"), " or set TMPDIR to another folder"),
        (RuntimeError("full"), "; free some space"),
    ],
)
def test_what_could_not_be_written_is_named(error: BaseException, said: str) -> None:
    assert error_handling._where_full(error).endswith(said)


def test_both_flags_of_an_option_are_named() -> None:
    both: Any = SimpleNamespace(opts=["--keep", "keep"], secondary_opts=["--no-keep"], name="keep")
    assert arguments._flags(both) == ["--keep", "--no-keep"] and arguments._shown(both) == "--keep/--no-keep"
    place: Any = SimpleNamespace(opts=["study"], secondary_opts=[], name="study")
    assert arguments._flags(place) == [] and arguments._shown(place) == "study"


@pytest.mark.parametrize(
    ("closed", "null", "did"),
    [
        (set(), 9, [("close", 9)]),
        ({1}, 9, [("dup2", 9, 1), ("close", 9)]),
        ({1, 2}, 0, [("dup2", 0, 1), ("dup2", 0, 2)]),  # it took the place of a closed one itself
    ],
)
def test_a_closed_stream_gets_the_null_device(
    closed: set[int], null: int, did: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fstat(number: int) -> None:
        if number in closed:
            raise OSError

    with monkeypatch.context() as system:
        system.setattr(os, "open", lambda *_: null)
        system.setattr(os, "fstat", fstat)
        system.setattr(os, "dup2", lambda one, other: calls.append(("dup2", one, other)))
        system.setattr(os, "close", lambda number: calls.append(("close", number)))
        output.open_closed_streams()
    assert calls == did

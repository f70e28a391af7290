"""What commands say and do, from a few values and without a run or a study."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from distune.cli import arguments, audit_output, error_handling, output
from distune.cli.commands import compare, confirm, data, evaluate, predict, status
from distune.config import Config
from distune.data import read_table
from distune.setup.check import Checked
from distune.training.scoring.scores import NAMES
from distune.tuning.coordinator.ledger import TrialCounts
from distune.tuning.status import RunningTrial, StudyStatus, UnreadableStudy


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
    with predict.progress_of("predicting") as tell:
        for done in (3, 8):
            tell(done, 20)
    assert "8/20" in capsys.readouterr().err


def test_the_pace_of_predictions_is_examples_by_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = SimpleNamespace(ids=["a"] * 6, problems=["b"])
    student: Any = SimpleNamespace(predict_table=lambda table, root, *, on_progress: answers)
    monkeypatch.setattr(predict, "time", SimpleNamespace(perf_counter=iter([100.0, 104.0]).__next__))
    predict._answer_all(student, Path("t.csv"), Path())
    assert "predicted 6 of 7 examples in 4.0 s (1.5 a second)" in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(predict, "time", SimpleNamespace(perf_counter=iter([100.0, 104.0]).__next__))
    with predict.progress_of("predicting") as tell:
        tell(6, 20)
    assert "1.5 examples/s" in capsys.readouterr().err


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
        (
            OSError(errno.ENOSPC, "full", "/temporary/distune-x/y"),
            " or set TMPDIR to a folder that can be written",
        ),
        (
            OSError(errno.ENOSPC, "full", "/temporary/tmpk3x0/y"),  # of a library
            " or set TMPDIR to a folder that can be written",
        ),
        (RuntimeError("full"), "; free some space"),
    ],
)
def test_what_could_not_be_written_is_named(
    error: BaseException, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/temporary")
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
        (set(), 2, []),
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


def studied(**about: Any) -> StudyStatus:
    """A study that ended by its time limit, after four of its nine trials."""
    counts = TrialCounts(complete=3, pruned=1, failed=2, best=(7, 0.75))
    known: dict[str, Any] = {
        "running": (), "interrupted": (), "failures": {}, "workers": 0, "ended": "timeout", "folds": None, "ends": None,
    }  # fmt: skip
    return StudyStatus("s", "sqlite:///s.db", counts, 9, **{**known, **about})


@pytest.mark.parametrize(
    ("about", "state"),
    [
        ({}, "timeout"),
        ({"ended": None}, "killed; the same command resumes it"),
        ({"workers": 2}, "running, workers 2"),
        ({"is_ours": False}, "not known: distune tune never worked on it"),
        ({"n_trials": None}, "not known: distune tune never worked on it"),
    ],
)
def test_the_state_of_a_study(about: dict[str, Any], state: str) -> None:
    assert status._state(replace(studied(), **about)) == state


@pytest.mark.parametrize(("more", "last"), [(0, ""), (2, " and 2 more")])
def test_trials_are_named_up_to_a_limit(more: int, last: str) -> None:
    count = status.MOST_LISTED
    assert status._listed(range(count + more)) == ", ".join(map(str, range(count))) + last


def test_where_a_study_stands(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(**about: Any) -> list[str]:
        status._print(studied(**about))
        return capsys.readouterr().out.splitlines()

    assert shown() == [
        "study     s in sqlite:///s.db", "trials    4 of 9 finished: 3 complete, 1 pruned; 2 failed",
        "best      0.7500, trial 7", "workers   0", "ended     timeout",
    ]  # fmt: skip
    started, ends = datetime(2026, 1, 2, 3, 4), datetime(2026, 1, 2, 15, 30)
    running = (
        RunningTrial(8, "worker-1", "here", 3, 0.25, started, 1),
        RunningTrial(9, "", "there", 0, None, None, 0, "targets 3 of 9"),
    )
    lines = shown(running=running, interrupted=(5, 6), failures={"crash": 2}, workers=2, ended=None, ends=ends,
                  teacher_warning="little to teach", teachers=TrialCounts(complete=1, failed=1))  # fmt: skip
    assert lines[2:] == [
        "          2 failed: crash", "best      0.7500, trial 7",
        "teachers  1 finished before: 1 complete, 0 pruned; 1 failed; best no complete trial with a score",
        "warning   little to teach", "workers   2", "          trial 8 on worker-1: epoch 3, score 0.2500",
        "          trial 9 on there: epoch 0; targets 3 of 9", "waiting   trials 5, 6 are resumed with the study",
        "ends      about 2026-01-02 15:30",
    ]  # fmt: skip
    folds = shown(running=running[:1], folds=5, workers=1, interrupted=(5,), is_ours=False)
    assert "          trial 8 on worker-1: 3 of 5 folds, score 0.2500" in folds
    assert folds[-1] == "waiting   trials 5 of another program have not ended", "somebody works on it"
    foreign = replace(studied(), counts=TrialCounts(complete=1, foreign=3), n_trials=None)
    status._print(foreign)
    said = capsys.readouterr().out
    assert "trials    1 finished" in said and "3 more ended that another program added" in said


def test_what_check_says_of_a_data_set(
    tiny_config: Callable[..., Config], called: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    kept = replace(table, notes=("first", "second"), dropped=("row 3: odd", "row 4: odd"))
    called("distune.cli.commands.data.chosen_config", config)
    asked = called("distune.setup.check.check", Checked(kept, None, ("to tune it: no",)))
    data.check(Path("c.yaml"), estimates=False)
    assert asked == [(config, "c.yaml", {"estimates": False})]
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"c.yaml: sound. {len(table)} examples (") and " train, " in first
    assert lines[len(table.tasks) :] == [
        "  read: first", "  read: second", "  dropped on request: 2 bad examples", "    row 3: odd",
        "    row 4: odd", "  to tune it: no",
    ]  # fmt: skip
    splits = tuple("train" if split == "test" else split for split in table.splits)
    called("distune.setup.check.check", Checked(replace(table, splits=splits), None, ()))
    data.check(Path("c.yaml"), estimates=False)
    assert "  this data set has no test split" in capsys.readouterr().out.splitlines()


def test_what_is_said_of_external_data(capsys: pytest.CaptureFixture[str]) -> None:
    classes = {
        "b": {"support": 4, "recall": 0.75, "recall_interval": [0.25, 0.875]},
        "c": {"support": 0, "recall": None, "recall_interval": None},
    }
    task = {"macro_f1": 0.5, "interval": [0.25, 0.75], "accuracy": 0.625, "calibration_error": 0.125,
            "log_loss": 1.5, "classes": classes}  # fmt: skip
    own = {
        **task,
        "interval": None,
        "classes": {},
        "score": {"name": "auroc", "value": 0.875, "interval": [None, None]},
    }
    found = {"data": "new.csv", "examples": 9, "cases": 5, "score": 0.5625, "interval": [0.25, 0.75],
             "tasks": {"type": task, "site": own}}  # fmt: skip
    evaluate.print_evaluation(found)
    assert capsys.readouterr().out.splitlines() == [
        "external data: new.csv, 9 examples of 5 patients or cases",
        "score 0.5625 [0.2500, 0.7500]   (95 % interval over cases)",
        "type: macro F1 0.5000 [0.2500, 0.7500], accuracy 0.6250, calibration error 0.1250, log loss 1.5000",
        f"  {'b':30} recall 0.7500 [0.2500, 0.8750]  4 examples",
        f"site: {NAMES['auroc']} 0.8750",
        "site: macro F1 0.5000, accuracy 0.6250, calibration error 0.1250, log loss 1.5000",
    ]
    evaluate.print_evaluation({**found, "interval": [None, None], "tasks": {}})
    assert "score 0.5625   (too few cases for an interval)" in capsys.readouterr().out


@pytest.mark.parametrize(("low", "shown"), [(None, "0.5000"), (0.0, "0.5000 [0.000, 0.750]")])
def test_an_interval_may_begin_at_zero(low: float | None, shown: str) -> None:
    assert confirm._interval({"score": {"mean": 0.5, "low": low, "high": 0.75}}) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (7, "7"), ("x" * 60, "x" * 60), ("x" * 61, "x" * 57 + "...")],
)
def test_a_cell_of_an_audit(value: Any, shown: str) -> None:
    assert audit_output._shown(value) == shown

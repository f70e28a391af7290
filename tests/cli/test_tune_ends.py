"""The exit code of `distune tune` says why it ended, and its files are there whatever it was."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from distune.cli import app
from distune.cli.commands.tune import EXIT_CODES, STOPPED
from distune.config import Config, dump_config
from distune.errors import UserError
from distune.tuning.request import TuneResult
from distune.tuning.summary import write_summary
from distune.tuning.trials.messages import Failure

FOLDER = Path("logs/optuna/s")


@pytest.fixture
def command(tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tunes one parameter in an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(dump_config(tiny_config(teacher__epochs=1, student__epochs=1)))
    return ["tune", "--config", "tiny.yaml", "--study-name", "s", "--gpu", "cpu", "--only", "alpha"]


def summary() -> dict[str, object]:
    assert (FOLDER / "report.md").is_file()
    found: dict[str, object] = json.loads((FOLDER / "study_summary.json").read_text())
    return found


@pytest.mark.slow
def test_out_of_time(command: list[str]) -> None:
    ended = CliRunner().invoke(app, [*command, "--timeout", "0"])
    assert ended.exit_code == 3 and summary()["reason"] == "timeout"
    assert "the same command resumes it" in ended.output


@pytest.mark.slow
def test_low_disk(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8, total=10**12, used=0))
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 4 and summary()["reason"] == "low_disk"
    assert "disk space" in ended.output


@pytest.mark.slow
def test_trials_that_all_fail(command: list[str], in_this_process: None) -> None:
    ended = CliRunner().invoke(app, [*command, "--set", "teacher.lr=1e30"])
    assert ended.exit_code == 1 and summary()["reason"] == "failed_alike"
    assert "(not_finite): the teacher" in ended.output


@pytest.mark.parametrize(
    "devices",
    [
        ["--gpu", "nonsense"],
        ["--gpus", "cpu,cuda:7"],
        ["--executor", "ray", "--gpu", "cuda:0"],
        ["--executor", "ray", "--set", "training.device=cuda:0"],
    ],
)
def test_devices_that_are_not_there_are_refused_before_the_study_begins(
    command: list[str], devices: list[str]
) -> None:
    ended = CliRunner().invoke(app, [*command[:-4], *devices])
    assert isinstance(ended.exception, UserError)
    assert not FOLDER.exists()


def test_the_help_names_every_exit_code(command: list[str]) -> None:
    shown = CliRunner().invoke(app, ["tune", "--help"], env={"COLUMNS": "200"}).output
    named = shown.split("Exit code:")[1].split("interrupted.")[0]
    assert set(map(int, re.findall(r"\d+", named))) == {2, *EXIT_CODES.values()}


@pytest.mark.parametrize(
    ("reason", "failure", "code", "said"),
    [
        ("finished", None, 0, []),
        ("timeout", None, 3, [STOPPED["timeout"], "; the same command resumes it"]),
        ("low_disk", None, 4, [STOPPED["low_disk"], "; the same command resumes it"]),
        ("interrupted", None, 130, ["; the same command resumes it"]),
        ("failed_alike", Failure("crash", "boom"), 1, ["(crash): boom"]),
        ("failed_alike", Failure("data", "gone"), 1, ["(data): gone", "once that is put right"]),
    ],
)
@pytest.mark.parametrize("storage", [None, "sqlite:///own.db"])
def test_each_end_has_its_code_and_its_words(
    command: list[str], called: Callable[..., Any], reason: Any, failure: Any, code: int, said: list[str],
    storage: str | None,
) -> None:  # fmt: skip
    trials = dict.fromkeys(("finished", "complete", "pruned", "failed"), 0)
    held = {"study": "s", "trials": trials, "seconds": {"wall": 7.0}, "best": None, "base": None, "note": "none",
            "machine": {"peak_memory_mb": 5.0}, "files": {"log": "study.log"}}  # fmt: skip
    called("distune.tuning.tune.tune", TuneResult("s", FOLDER, reason, held, failure=failure))
    refreshed = called("distune.reporting.report.refresh_report", [Path("report.md")])
    of_storage = [] if storage is None else ["--storage", storage]
    ended = CliRunner().invoke(app, [*command, *of_storage])
    assert ended.exit_code == code, ended.output
    assert refreshed == [("s" if storage else FOLDER, FOLDER, {"storage": storage})]
    assert [token for token in said if token not in ended.output] == []
    assert "           study.log\n           report.md\n" in ended.output
    is_of_data = failure == Failure("data", "gone")
    assert ("resumes it" in ended.output) is (reason in STOPPED or is_of_data)
    assert ("stopped: trials fail" in ended.output) is (failure is not None)


@pytest.mark.slow
def test_a_storage_that_is_away_at_the_very_end_is_waited_for(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = [OperationalError("select", {}, Exception("the server is away"))]

    def write(*arguments: object, **options: object) -> dict[str, object]:
        if outages:
            raise outages.pop()
        return write_summary(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("distune.tuning.tune.write_summary", write)
    ended = CliRunner().invoke(app, [*command, "--timeout", "0"])
    assert ended.exit_code == 3 and not outages and summary()["reason"] == "timeout"


@pytest.mark.slow
def test_a_signal(command: list[str]) -> None:
    def interrupt() -> None:
        deadline = time.monotonic() + 80
        while not (FOLDER / "trials/trial_0000/metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor() as threads:
        threads.submit(interrupt)
        ended = CliRunner().invoke(app, [*command, "--n-trials", "500"])
    assert ended.exit_code == 130 and summary()["reason"] == "interrupted"

"""No name from data, studies or files reaches the terminal as a control sequence."""

from __future__ import annotations

import csv
import logging
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from distune.cli import application, run_command
from distune.cli.application import log_handler
from distune.cli.output import Terminal, say
from distune.data.table import Task
from distune.prediction.answers import Answers
from distune.utils.text import harmless, inert
from distune.utils.threads import WAITING

HOSTILE = {
    "window title": "\x1b]0;owned\x07",
    "colour": "\x1b[31mred",
    "cursor": "\x1b[2J\x1b[H",
    "eight-bit": "\x9b31m",
    "bell": "\x07",
    "overwritten line": "bad\rgood",
    "right to left": "\u202egpj.exe",
    "invisible": "a\u200bb",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_harmlessly(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE[name])
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e\u200b\ud800")
    assert "\N{REPLACEMENT CHARACTER}" in shown


def test_a_line_of_megabytes_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    say("a" + "x" * 1_000_000)
    assert len(capsys.readouterr().out) < 3000


def test_what_is_shown_by_a_terminal_that_is_gone_is_lost_and_by_a_reader_that_is_gone_an_error() -> None:
    for make, is_lost in ((os.openpty, True), (os.pipe, False)):
        gone, shown = make()
        os.close(gone)
        with Terminal(shown, "w") as terminal, nullcontext() if is_lost else pytest.raises(BrokenPipeError):
            assert terminal.write(b"lost") == 4


def test_names_of_all_languages_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Größe 腹部 البطن\tok"
    say(text)
    assert capsys.readouterr().out == text + "\n"
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_inert_in_a_cell_for_people(text: str) -> None:
    assert inert(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=b", "1", "CT of the chest", "'=1"])
def test_other_cells_stand_as_they_are(text: str) -> None:
    assert inert(text) == text


def test_answers_keep_the_ids_that_programs_join_on(tmp_path: Path) -> None:
    answers = Answers(
        (Task("kind", ("=a", "b")),), np.array([0]), ("=1+1",), (np.array([[0.75, 0.25]]),), problems=()
    )
    answers.write(tmp_path / "answers.csv")
    (row,) = csv.DictReader((tmp_path / "answers.csv").open(encoding="utf-8"))
    assert (row["id"], row["pred_kind"]) == ("=1+1", "=a")


@pytest.mark.usefixtures("plugins_forgotten")
def test_what_libraries_warn_of_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distune: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/warns_at_import.py").write_text("import warnings; warnings.warn('nameless')")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        code, _, errors = distune("compare", "nothing", "--plugin", "warns_at_import")
    assert code == 2 and "warns_at_import" in errors and seen == []  # it is a plugin of nothing


def test_what_libraries_log_is_not_shown_and_what_a_plugin_logs_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distune.plugins._loaded", {"mypackage.losses": ""})
    shown = [
        name
        for name in (
            "distune.tuning.tune",
            "distune",
            "mypackage",
            "mypackage.losses.own",
            "pydicom",
            "PIL.TiffImagePlugin",
            "root",
            "distuned",
            "mypackaged",
        )
        if log_handler().filter(logging.makeLogRecord({"name": name, "levelno": logging.WARNING}))
    ]
    assert shown == ["distune.tuning.tune", "distune", "mypackage", "mypackage.losses.own"]
    assert log_handler().level == logging.WARNING


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_how_waiting_threads_wait_is_left_to_who_says_it(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    ((name, value),) = WAITING.items()
    monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "argv", ["distune", "--version"])
    ran: list[tuple[list[str], str]] = []
    monkeypatch.setattr(application, "app", lambda arguments: ran.append((arguments, os.environ[name])))
    for words in ((), ("tune",)):  # the scripts in tools and experiments give one
        run_command(*words)
        assert ran.pop() == ([*words, "--version"], given or value)

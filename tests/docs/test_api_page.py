"""The table of the API page: every command is in it, and every name of it is there."""

from __future__ import annotations

import pkgutil
import re

import pytest

import distune
from distune.cli import app

from .pages import ROOT

PAGE = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.+) \| (`.+) \|$", PAGE, re.MULTILINE)


def commands() -> list[str]:
    groups = [(f"{group.name} ", group.typer_instance) for group in app.registered_groups]
    return [
        f"{prefix}{command.name}"
        for prefix, typer in [("", app), *groups]
        for command in (typer.registered_commands if typer else ())
    ]


@pytest.mark.parametrize("command", commands())
def test_every_command_has_a_name_in_python(command: str) -> None:
    listed = {name for first, _ in ROWS for name in re.findall(r"`([\w ]+)`", first)}
    assert {command, command.split()[0]} & listed


def test_every_name_of_the_table_is_there() -> None:
    names = [name for _, second in ROWS for name in re.findall(r"`([\w.]+)", second)]
    assert len(names) > 15
    for name in names:
        is_public = name.split(".")[0] in distune.__all__
        if name != "predict_table":
            pkgutil.resolve_name(f"distune.{name}" if is_public else name)
    assert hasattr(distune.Predictor, "predict_table")

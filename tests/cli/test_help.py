from __future__ import annotations

import pytest
from typer.testing import CliRunner

from distune.cli import app


@pytest.mark.parametrize("command", ["tune", "confirm"])
def test_brackets_in_a_help_text_are_not_taken_for_markup(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    assert "pip install 'distune[ray]'" in shown and "training.threads" in shown

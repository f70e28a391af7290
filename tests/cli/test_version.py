from __future__ import annotations

import pytest
from typer.testing import CliRunner

from distune import __version__, reporting
from distune.cli import app
from distune.errors import UserError


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output.split()) == (0, ["distune", __version__])


def test_a_report_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "installed", lambda: False)
    with pytest.raises(UserError, match=r"distune\[report\]"):
        CliRunner().invoke(app, ["report", "no_study"], catch_exceptions=False)

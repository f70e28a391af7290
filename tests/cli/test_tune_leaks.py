"""`distune tune` refuses data on which a score would mislead, unless `--accept-leaks` is given."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from distune.cli import app, main
from distune.cli.commands.tune import EXIT_CODES
from distune.config import Config, dump_config, with_values
from distune.data import read_table
from distune.data.demo.demo import write_demo

pytestmark = pytest.mark.slow


@pytest.fixture
def command(
    tiny_config: Callable[..., Config],
    tiny_space: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """Tunes on a demo set of which test holds images of train."""
    monkeypatch.chdir(tmp_path)
    write_demo(tmp_path / "leaking", seed=1, examples=80)
    config = with_values(
        tiny_config(teacher__epochs=1, student__epochs=1, search_space=tiny_space),
        {"data.root": str(tmp_path / "leaking")},
    )
    table = read_table(config.data)
    for train, test in zip(table.rows("train"), table.rows("test"), strict=False):
        shutil.copyfile(table.images[train], table.images[test])
    Path("tiny.yaml").write_text(dump_config(config))
    return ["tune", "--config", "tiny.yaml", "--study-name", "s", "--gpu", "cpu", "--n-trials", "1"]


def test_severe_leaks_are_refused_before_any_trial(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["distune", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "would mislead" in said and "--accept-leaks" in said
    assert not Path("logs").exists()


def test_accepted_leaks_begin_a_study_that_keeps_them_on_record(command: list[str]) -> None:
    ended = CliRunner().invoke(app, [*command, "--accept-leaks", "--timeout", "0"])
    assert ended.exit_code == EXIT_CODES["timeout"], ended.output
    audit = json.loads(Path("logs/optuna/s/audit.json").read_text())
    assert any(found["severity"] == "severe" for found in audit["findings"])

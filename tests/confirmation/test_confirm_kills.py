"""`confirm` and the report that it writes, killed at the files that they write: none is half-written, and the same
command ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from confirmation_helpers import numbers_of, timeless

from distune.training.files.run_folder import openings
from tests.forked import forked

pytestmark = pytest.mark.slow

ENDS = {
    **dict.fromkeys((".json", ".csv", ".yaml", ".md"), b"\n"),
    ".html": b" -->\n",
    ".png": b"IEND\xaeB`\x82",
}
"""With what a whole file of each kind ends."""
STAGES = [
    "predictions_test_without_image.csv",  # a run is evaluated
    "evaluation.json",
    "predictions_test.csv",  # a baseline is evaluated
    "subgroups.csv",
    "plan.json",
    "recommended_config.yaml",
    "confirmation.json",
    "report.md",  # the report begins
    "report.html",
    "base_config.yaml",
    "history.png",
]


def command(file: Path, seen: Path, kill_at: str | None) -> None:
    """The command in a process of its own; what it writes is noted, and the first file of one name kills it."""

    def watch(event: str, given: tuple[Any, ...]) -> None:
        if event == "os.rename" and Path(given[1]).is_relative_to(file.parent):
            name = Path(given[1]).name
            with seen.open("a") as lines:
                lines.write(f"renamed {name}\n")
            if name == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        elif event == "open" and isinstance(given[0], str | os.PathLike):
            path, mode = Path(given[0]), given[1] or ""
            if "a" not in mode and set(mode) & set("wx+") and path.is_relative_to(file.parent):
                with seen.open("a") as lines:
                    lines.write(f"opened {path.relative_to(file.parent)}\n")

    sys.addaudithook(watch)
    from distune.cli import app

    app(["confirm", str(file), "--top", "2", "--seeds", "2"], standalone_mode=False)


def run(file: Path, kill_at: str | None = None) -> tuple[int, list[str]]:
    seen = file.parents[2] / "seen.txt"
    seen.write_text("")
    process = forked(command, file, seen, kill_at)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, seen.read_text().splitlines()


def forget_the_end(file: Path) -> None:
    """As after the training: one run and the baselines are not evaluated, and there are no numbers."""
    confirmation = file.with_suffix("") / "confirmation"
    scored = min(path.parent for path in confirmation.glob("*/seed_*/student.safetensors"))
    for path in (
        scored / "evaluation.json",
        confirmation / "plan.json",
        file.with_suffix("") / "confirmation.json",
    ):
        path.unlink()
    shutil.rmtree(confirmation / "baselines")


def half_written(folder: Path) -> list[Path]:
    """Visible files that end too early."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        content = path.read_bytes()
        if path.suffix == ".json":
            json.loads(content)
        if not content.endswith(ENDS.get(path.suffix, b"")):
            found.append(path)
    return found


def test_every_file_is_written_beside_its_place(confirmed: Path) -> None:
    forget_the_end(confirmed)
    code, seen = run(confirmed)
    assert code == 0
    renamed = {line.removeprefix("renamed ") for line in seen if line.startswith("renamed ")}
    opened = [Path(line.removeprefix("opened ")) for line in seen if line.startswith("opened ")]
    assert set(STAGES) <= renamed, renamed
    assert [path for path in opened if not any(part.startswith(".") for part in path.parts)] == []
    assert half_written(confirmed.parent) == []


def test_kills_at_every_stage_cost_nothing(confirmed: Path) -> None:
    """Each command begins where the one before it was killed, and gets as far as the next stage; the last one ends."""
    numbers = timeless(numbers_of(confirmed))
    forget_the_end(confirmed)
    for stage in STAGES:
        code, _ = run(confirmed, stage)
        assert (stage, code) == (stage, -signal.SIGKILL)
        assert half_written(confirmed.parent) == []
    assert run(confirmed)[0] == 0
    assert timeless(numbers_of(confirmed)) == numbers
    assert (confirmed.with_suffix("") / "report.html").is_file()
    assert len(openings(confirmed.with_suffix(""))) == 1

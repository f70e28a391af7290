"""The front door tells the truth: its files exist, its file list is complete, its commands are known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from distune.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("folder", ["src", "benchmarks", "config", "experiments", "tools"])
def test_every_file_is_listed(folder: str) -> None:
    listing = README.split("<summary>Every file", 1)[1]
    files = [
        p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".yaml") and "egg-info" not in str(p)
    ]
    assert files
    missing = []
    for path in files:
        place = f"\n{path.parent.relative_to(ROOT).as_posix()}/\n"
        block = listing.split(place, 1)[1] if place in listing else ""
        names = re.split(r"\n(?! )", block, maxsplit=1)[0]
        if not re.search(rf"^ +{re.escape(path.name)} ", names, re.MULTILINE):
            missing.append(str(path))
    assert missing == []


def test_every_command_is_known() -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"^distune (\w+)", README, re.MULTILINE)) | set(
        re.findall(r"`distune (\w+)", README)
    )
    assert named and named <= known


def test_every_linked_file_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link

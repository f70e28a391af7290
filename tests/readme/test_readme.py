"""The front door tells the truth: its files exist, its commands are known, and it stays short."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from distune.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_command_is_known() -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"^distune (\w+)", README, re.MULTILINE)) | set(
        re.findall(r"`distune (\w+)", README)
    )
    assert named and named <= known


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 5
    for link in links:
        assert (ROOT / link).exists(), link


def test_it_stays_short() -> None:
    assert len(README.encode()) <= 9_000

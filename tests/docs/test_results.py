"""The page of benchmarks: a section says which command gives its figures, and none is lost when another is measured."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as bench

from .pages import ROOT


def test_every_section_names_its_command() -> None:
    text = bench.RESULTS.read_text(encoding="utf-8")
    assert text.startswith(bench.HEAD)
    sections = text.split("\n## ")[1:]
    assert len(sections) > 10
    for section in sections:
        command = re.search(r"`python -m benchmarks\.(\w+)", section)
        assert command is not None, section.splitlines()[0]
        assert (ROOT / "benchmarks" / f"{command[1]}.py").is_file(), command[1]


def test_sections_that_are_not_measured_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(
        "# Results\n\n## By hand\n\n1 s\n\n## Machine\n\nold\n\n## Last\n\n2 s\n", encoding="utf-8"
    )
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(bench, "RESULTS", page)
    monkeypatch.setattr(bench, "BENCHMARKS", {"machine": ("Machine", ["machine"])})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "machine"])
    bench.main()
    measured = "`python -m benchmarks.machine`"
    assert page.read_text(encoding="utf-8") == "\n\n".join(
        [bench.HEAD, "## By hand\n\n1 s", f"## Machine\n\n{measured}\n\n", "## Last\n\n2 s\n"]
    )

"""The page of promises names tests that exist, and every test of robustness has its promise."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/promises.md").read_text(encoding="utf-8")


def test_every_named_test_exists_and_no_kind_is_left_out() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    known = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(named) > 10
    assert named <= known
    assert {path.name for path in Path(__file__).parent.glob("test_*.py")} <= named

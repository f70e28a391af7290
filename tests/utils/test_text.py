"""How messages say numbers of things."""

from __future__ import annotations

import re
from pathlib import Path

import distune
from distune.utils.text import counted

_PLURAL = re.compile(r"\{len\([^{}]*\)\} (examples|rows|cases|groups|images|classes|entries|trials|runs)\b")


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [counted(number, "is", "are") for number in (0, 1)] == ["0 are", "1 is"]


def test_every_message_asks_whether_it_is_one() -> None:
    sources = Path(str(distune.__file__)).parent.rglob("*.py")
    assert [file.name for file in sources if _PLURAL.search(file.read_text())] == []

"""Calls that a command makes."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.stand_ins import refusing_as


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Any, ...]]]:
    """Puts a value in place of a function, and keeps the arguments of its calls."""

    def put(place: str, answer: Any = None) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []
        stand_in = refusing_as(
            pkgutil.resolve_name(place), lambda *values, **named: calls.append((*values, named)) or answer
        )
        monkeypatch.setattr(place, stand_in)
        return calls

    return put

"""What an earlier call recommended from the same answers: a gain that is chosen after they were seen proves less."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.utils.files.sealed_files import read_sealed

KEY = "recommended_before"


def with_earlier(numbers: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The numbers of a confirmation, with what those that they replace recommended by another relevant gain.

    Args:
        numbers: as they were computed now.
        file: `confirmation.json` of the calls before, if any.

    Returns:
        The same, with a note where another contender was recommended.
    """
    chosen = _chosen(numbers)
    try:
        before = read_sealed(file)
        is_same = _asked(before) == _asked(numbers)
        earlier = [*before.get(KEY, []), _chosen(before)] if is_same else []
    except (OSError, ValueError, KeyError, TypeError):  # none, or a damaged one
        return dict(numbers)
    others = [
        each
        for number, each in enumerate(earlier)
        if each["relevant_gain"] != chosen["relevant_gain"] and each not in earlier[:number]
    ]
    notes = [
        f"{each['contender']} was recommended before, by a relevant gain of {each['relevant_gain']:g}; a gain that is "
        "chosen after the answers were seen is no longer fixed beforehand"
        for each in others
        if each["contender"] != chosen["contender"]
    ]
    return {**numbers, "notes": [*numbers["notes"], *notes], **({KEY: others} if others else {})}


def _asked(numbers: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the answers are of; other ones may well recommend another contender."""
    return numbers["data_fingerprint"], numbers["seeds"], sorted(numbers["contenders"])


def _chosen(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "contender": str(numbers["recommendation"]["contender"]),
        "relevant_gain": float(numbers["relevant_gain"]),
    }

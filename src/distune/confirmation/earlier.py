"""What an earlier call recommended from the same answers: a gain that is chosen after they were seen proves less."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.confirmation.statistics.files import FOLDER, NUMBERS, PLAN
from distune.utils.files.sealed_files import read_sealed


def gains_before(study_folder: Path, now: Mapping[str, Any]) -> list[float]:
    """The relevant gains of earlier calls on the same answers, the first one first; without that of now.

    Two files know them, so that one may be damaged or deleted.

    Args:
        study_folder: holds what the calls before have left.
        now: the plan.
    """
    gains: list[float] = []
    for file in (study_folder / NUMBERS, study_folder / FOLDER / PLAN):
        try:
            before = read_sealed(file)
            if _asked(before) == _asked(now):
                named = (each["relevant_gain"] for each in before.get("recommended_before", ()))
                gains += map(float, (*before.get("gains_before", ()), *named, before["relevant_gain"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or a damaged one
            continue
    return [gain for gain in dict.fromkeys(gains) if gain != now["relevant_gain"]]


def _asked(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the answers are of; other ones may well recommend another contender."""
    trained = record["contenders"]
    if isinstance(trained, Mapping):  # of the numbers, where baselines are among them
        trained = [{"name": name, **about} for name, about in trained.items() if about["kind"] != "baseline"]
    # The scores of the search too: another study has trials of these numbers, and this one may be renamed.
    named = sorted((each["name"], each["search_score"] or 0) for each in trained)
    return record["data_fingerprint"], record["seeds"], named

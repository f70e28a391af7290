"""What an earlier call recommended from the same answers: a gain that is chosen after they were seen proves less."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.confirmation.statistics.files import FOLDER, NUMBERS, PLAN
from distune.errors import UserError
from distune.utils.files.sealed_files import read_sealed


def damaged_records(study_folder: Path) -> list[str]:
    """A line for what an earlier call left damaged, and this call writes again from the runs.

    Args:
        study_folder: holds what the calls before have left.

    Raises:
        UserError: no other record knows which relevant gains were asked for before.
    """
    damaged: list[str] = []
    sound: list[str] = []
    for file in _records(study_folder):
        try:
            (sound if "contenders" in read_sealed(file) else damaged).append(str(file))
        except FileNotFoundError:
            continue
        except ValueError as error:
            damaged.append(f"{file} ({error})")
    if damaged and not sound:
        raise UserError(
            f"{', '.join(damaged)}: damaged, and nothing else knows which relevant gains were asked for before. "
            "Restore it, or delete it: the same command then writes it again, without them"
        )
    return [f"damaged, and written again from the runs: {file}" for file in damaged]


def gains_before(study_folder: Path, now: Mapping[str, Any]) -> list[float]:
    """The relevant gains of earlier calls on the same answers, the first one first; without that of now.

    Two files know them, so that one may be damaged or deleted.

    Args:
        study_folder: holds what the calls before have left.
        now: the plan.
    """
    gains: list[float] = []
    for file in _records(study_folder):
        try:
            before = read_sealed(file)
            if _asked(before) == _asked(now):
                named = (each["relevant_gain"] for each in before.get("recommended_before", ()))
                gains += map(float, (*before.get("gains_before", ()), *named, before["relevant_gain"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # none, or a damaged one
            continue
    return [gain for gain in dict.fromkeys(gains) if gain != now["relevant_gain"]]


def _records(study_folder: Path) -> tuple[Path, Path]:
    return study_folder / NUMBERS, study_folder / FOLDER / PLAN


def _asked(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the answers are of; other ones may well recommend another contender."""
    trained = record["contenders"]
    if isinstance(trained, Mapping):  # of the numbers, where baselines are among them
        trained = [{"name": name, **about} for name, about in trained.items() if about["kind"] != "baseline"]
    # The scores of the search too: another study has trials of these numbers, and this one may be renamed.
    named = sorted((each["name"], each["search_score"] or 0) for each in trained)
    return record["data_fingerprint"], record["seeds"], named

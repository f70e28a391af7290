"""Confirmations: the best trials again over seeds, and which of them is recommended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.api.settings import public, restored
from distune.api.sources import load, place_of
from distune.api.studies import Study, refresh_report
from distune.config import Config, load_config
from distune.errors import UserError
from distune.utils.arguments import check_path
from distune.utils.short_repr import short_repr
from distune.utils.text import nearest_hint

if TYPE_CHECKING:
    from distune.prediction.predictor import Predictor


@dataclass(frozen=True)
class Confirmation:
    """The best trials trained again over seeds and evaluated once on the test split.

    Attributes:
        folder: of the study.
        reason: why it ended: finished, incomplete, interrupted, low_disk.
        numbers: what `confirmation.json` holds; empty where it was interrupted or the disk was nearly full.
        place: what names the study, and the URL of its database; None is its SQLite file.
    """

    __repr__ = short_repr

    folder: Path
    reason: str
    numbers: Mapping[str, Any]
    place: tuple[Path | str, str | None]

    @property
    def recommended(self) -> str:
        """Name of the recommended contender.

        Raises:
            UserError: the confirmation did not finish.
        """
        if not self.numbers:
            raise UserError(
                f"{self.folder}: the confirmation ended early ({self.reason}); call confirm again"
            )
        return str(self.numbers["recommendation"]["contender"])

    @property
    def recommended_config(self) -> Config:
        """The complete recommended config."""
        return load_config(self.folder / "recommended_config.yaml")

    def predictor(self, device: str | None = None) -> Predictor:
        """The recommended config's student of the first seed."""
        return load(self, device=device)


@public
def confirm(study: Study | Path | str, *, top: int = 3, seeds: int = 5, **others: Any) -> Confirmation:
    """Trains the best trials again over seeds, evaluates them once on the test split, and compares them.

    Args:
        study: what `tune` gave, or a study's name, folder or `.db` file.
        top: how many of the best trials take part.
        seeds: trainings of each contender.
        others: further fields of `distune.confirmation.request.ConfirmRequest`, such as `workers`.

    Raises:
        UserError: there is no such study, its data have changed, or the test split was opened before.
    """
    from distune.confirmation.confirm import confirm as run_confirmation
    from distune.confirmation.request import ConfirmRequest
    from distune.tuning.study.storage_url import url_in_full

    check_path("study", study, Study)
    known = {field.name for field in fields(ConfirmRequest)} - {"study", "top", "seeds"}
    for name in others.keys() - known:
        raise UserError(
            f"confirm: there is no argument {name!r}{nearest_hint(name, [*known, 'top', 'seeds'])}"
        )
    place, storage = place_of(study, others.pop("storage", None))
    with restored():
        result = run_confirmation(
            ConfirmRequest(study=str(place), top=top, seeds=seeds, storage=storage, **others)
        )
    if result.numbers:
        refresh_report(Study(result.study, result.folder, storage=storage))
    folder, storage = result.folder.absolute(), url_in_full(storage)
    return Confirmation(
        folder, result.reason, result.numbers, (folder if storage is None else place, storage)
    )

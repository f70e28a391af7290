"""What a trained student is loaded from: a path, a name, or what training and tuning returned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from distune.api.settings import public
from distune.errors import UserError
from distune.utils.arguments import check_argument, check_path

if TYPE_CHECKING:
    from distune.prediction.predictor import Predictor


@runtime_checkable
class Trained(Protocol):
    """A run, a study or a confirmation."""

    @property
    def place(self) -> tuple[Path | str, str | None]:
        """Its folder or name, and the URL of the database that holds it; None where that is a file beside it."""


Source = Path | str | Trained


def place_of(source: Source, storage: str | None = None) -> tuple[Path | str, str | None]:
    """The folder or name that a source stands for, and the URL of its database.

    Raises:
        UserError: it is no source, or another database is named than its own.
    """
    check_argument("storage", storage, str, type(None))
    if isinstance(source, Trained):
        from distune.tuning.study.storage_url import url_in_full

        if storage is not None and url_in_full(storage) != url_in_full(source.place[1]):
            raise UserError("storage: what training and tuning return names its own; leave it out")
        return source.place
    check_path("source", source)
    return source, storage


@public
def load(source: Source, *, device: str | None = None, storage: str | None = None) -> Predictor:
    """Loads a trained student for prediction; nothing is written.

    Of a study it takes the recommended config, trained with the confirmation's first seed; before a confirmation the
    best trial.

    Args:
        source: what `train`, `tune` or `confirm` returned, a run folder, a bundle, or a study: its name under
            `logs/optuna`, its folder, or its `.db` file.
        device: cpu, cuda:0, ...; None takes a GPU where there is one.
        storage: SQLAlchemy URL of the database that holds the study of that name.

    Raises:
        UserError: there is no such thing, the run did not finish, or a study by folds is not confirmed.
    """
    from distune.prediction.load import load as load_from

    place, storage = place_of(source, storage)
    return load_from(place, device=device, storage=storage)

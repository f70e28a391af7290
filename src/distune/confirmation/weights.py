"""Weight files of a confirmation: each is there to be evaluated, and only the recommended config's stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from distune.confirmation.statistics.files import MARKER
from distune.training.files import run_folder
from distune.utils.files.paths import bytes_below

RESERVE_BYTES = 10**9


def drop_weights(confirmation: Path, recommended: str) -> None:
    """Deletes the weights of all runs that are evaluated, those of the recommended contender excepted.

    Runs of an earlier plan are cleared too. What is not evaluated keeps its weights and checkpoints.

    Args:
        confirmation: folder of the confirmation; nothing outside it is touched.
        recommended: name of the contender that keeps its weights, one file a seed.
    """
    for folder in _runs(confirmation):
        is_ours = not folder.parent.is_symlink()
        if is_ours and folder.parent.name != recommended and (folder / MARKER).is_file():
            run_folder.drop_weights(folder)


def has_room(confirmation: Path) -> bool:
    """Whether the disk has space for another run: one gigabyte, or twice the biggest run if that is more.

    Args:
        confirmation: folder of the confirmation.
    """
    biggest = max((bytes_below(folder) for folder in _runs(confirmation)), default=0)
    return shutil.disk_usage(confirmation).free >= max(RESERVE_BYTES, 2 * biggest)


def _runs(confirmation: Path) -> Iterator[Path]:
    return confirmation.glob("*/seed_*")

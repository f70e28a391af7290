"""Weight files on disk: kept for running trials and the best few, and never until the disk is full."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from optuna.trial import FrozenTrial

from distune.training.files.run_folder import drop_weights
from distune.tuning.coordinator.ledger import ranked
from distune.utils.files.paths import bytes_below

GIGABYTE = 10**9


def weights_to_drop(trials: Iterable[FrozenTrial], keep: int) -> list[int]:
    """Numbers of the ended trials whose weights are not needed any more.

    Args:
        trials: all trials of the study.
        keep: how many of the best complete trials keep theirs.
    """
    ended = [trial for trial in trials if trial.state.is_finished()]
    kept = {trial.number for trial in ranked(ended)[:keep]}
    return [trial.number for trial in ended if trial.number not in kept]


class Retention:
    """Watches over the run folders of one study.

    Weights are kept for the user alone: confirmation trains its candidates again from their configs and reads none of
    a trial's.

    Args:
        folder: holds the trials' run folders, and nothing outside it is ever touched.
        keep: how many of the best trials keep their weights.
        reserve_gb: disk space that must stay free; room for all active trials, if that is more.
    """

    def __init__(self, folder: Path, keep: int = 3, reserve_gb: float = 1.0):
        self._folder = folder
        self._keep = keep
        self._reserve = reserve_gb * GIGABYTE
        self._biggest = 0
        self._sizes: dict[str, int] = {}
        self._dropped: set[int] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            self.measure(path)

    @property
    def bytes_used(self) -> int:
        """Bytes in all run folders."""
        return sum(self._sizes.values())

    def path(self, number: int) -> Path:
        """The run folder of a trial."""
        return self._folder / folder_name(number)

    def measure(self, path: Path) -> int:
        """Counts the bytes of a run folder."""
        size = bytes_below(path)
        self._sizes[path.name] = size
        self._biggest = max(self._biggest, size)
        return size

    def trim(self, trials: Iterable[FrozenTrial]) -> None:
        """Deletes the weights that are not needed any more."""
        for number in weights_to_drop(trials, self._keep):
            path = self.path(number)
            if number in self._dropped or path.is_symlink() or not path.is_dir():
                continue
            for run in (path, *path.glob("fold_*")):
                drop_weights(run)
            self._dropped.add(number)
            self.measure(path)

    def is_low(self, active: int) -> bool:
        """Whether too little disk space is left to start another trial.

        Args:
            active: trials that run; each of them may yet become as big as the biggest one.
        """
        self._folder.mkdir(parents=True, exist_ok=True)  # it may have been deleted in mid-study
        return shutil.disk_usage(self._folder).free < max(self._reserve, (active + 1) * self._biggest)


def folder_name(number: int) -> str:
    """The run folder of a trial inside its study's folder."""
    return f"trial_{number:04d}"

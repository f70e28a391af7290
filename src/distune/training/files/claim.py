"""Which folder a run writes into: the same config resumes its own run, and a finished run is never replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from distune.config import Config, as_dict, load_config
from distune.config.changes import changes, flat
from distune.errors import UserError
from distune.training.files.run_folder import CONFIG, ENVIRONMENT, RESULTS, results_of
from distune.utils.files.new_folder import OF_THE_DESKTOP
from distune.utils.files.paths import in_full, make_folder
from distune.utils.text import first_of

LOCK = ".lock"
NOT_ASKED = ("study", "search_space", "cache")
"""Sections that do not change what a run is."""
MOST_SHOWN = 10
"""Keys that differ from those of the run in the folder, in an error."""


@contextmanager
def claimed(config: Config, out: Path | None, runs: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """The folder of a run, which no other process uses until the block ends.

    Args:
        config: the experiment.
        out: the folder asked for; None takes the newest unfinished run of this config in `runs`, else a new folder.
        runs: where run folders are kept.
        overwrite: take a folder that holds a finished run, or one of another config, which `run` then removes.

    Raises:
        UserError: the folder holds a finished run or one of another config, holds something else, or is in use.
    """
    folder = in_full(out) if out else _unfinished(config, runs)
    is_new = folder is None or not folder.exists()
    parent = in_full(folder.parent if folder else runs)
    missing = [path for path in (parent, *parent.parents) if not path.exists()]
    folder = folder or _new(runs / f"{config.name}_{datetime.now():%Y%m%d_%H%M%S}")
    make_folder(folder)  # what is no folder, such as a link in a circle, holds no run, damaged or not
    _check(config, folder, overwrite)
    try:
        with FileLock(folder / LOCK, timeout=0):
            try:
                yield folder
            finally:
                if is_new:
                    _remove_unused(folder, missing)
    except Timeout:
        raise UserError(
            f"{folder}: another process trains in this folder; wait for it, or use another --out"
        ) from None


def _unfinished(config: Config, runs: Path) -> Path | None:
    for folder in sorted(runs.glob(f"{config.name}_*"), reverse=True):
        if not (folder / RESULTS).exists() and _config_of(folder) == _asked(config) and _is_free(folder):
            return folder
    return None


def _new(folder: Path) -> Path:
    """Makes a folder of this name; with a number behind it where runs that start in the same second took the name."""
    make_folder(folder.parent)  # by itself: a link to nothing there "exists" at every number
    for number in count(1):
        numbered = folder if number == 1 else folder.with_name(f"{folder.name}_{number}")
        with suppress(FileExistsError):
            numbered.mkdir()
            break
    return numbered


def _check(config: Config, folder: Path, overwrite: bool) -> None:
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    # A run that is killed before it has its environment leaves the lock and a draft of that.
    others = [
        name
        for name in there
        if name not in (LOCK, *OF_THE_DESKTOP) and not fnmatch(name, f".*.{ENVIRONMENT}")
    ]
    if others and ENVIRONMENT not in there:  # such as the config's own folder, with its tables
        raise UserError(f"{folder}: this folder holds something that is no run; choose another --out")
    if overwrite:
        return
    held, asked = _config_of(folder), _asked(config)
    whose = "this very config" if held == asked else _other(held, asked) if held else f"a damaged {CONFIG}"
    if results_of(folder) is not None:
        raise UserError(
            f"{folder}: holds a finished run of {whose}, which is never replaced; choose another --out, or "
            "--overwrite it"
        )
    if held is not None and held != asked:
        raise UserError(
            f"{folder}: holds an unfinished run of {whose}; choose another --out, or --overwrite it"
        )


def _other(held: dict[str, Any], asked: dict[str, Any]) -> str:
    differing = [f"{key}: {there} there, {now} now" for key, there, now in changes(flat(held), flat(asked))]
    return f"another config ({first_of(differing, MOST_SHOWN, '; ')})"


def _config_of(folder: Path) -> dict[str, Any] | None:
    try:
        return _asked(load_config(folder / CONFIG))
    except UserError:  # none, a damaged one, or one of another version
        return {} if (folder / CONFIG).exists() else None


def _asked(config: Config) -> dict[str, Any]:
    return {name: value for name, value in as_dict(config).items() if name not in NOT_ASKED}


def _remove_unused(folder: Path, missing: Sequence[Path]) -> None:
    """Removes a folder that nothing was written into, as where the data set turned out to be wrong.

    With it the folders above it that were made for it, the innermost first.
    """
    with suppress(OSError):  # such as one that was deleted meanwhile
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            for path in (folder, *missing):
                path.rmdir()


def _is_free(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, timeout=0):
            return True
    except (Timeout, OSError):
        return False

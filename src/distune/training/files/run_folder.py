"""The files of a run folder, all readable by a person."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.config import Config, load_config, save_config
from distune.data.fingerprint import table_fingerprint
from distune.data.table import Table
from distune.errors import UserError, is_of_the_machine
from distune.training.callbacks import EpochRecord
from distune.utils.files.atomic import write_text
from distune.utils.files.json_files import as_json
from distune.utils.files.jsonl import append_line, read_lines
from distune.utils.files.paths import read_file
from distune.utils.files.sealed_files import read_sealed, was_changed, write_sealed
from distune.utils.text import counted

if TYPE_CHECKING:  # torch, which readers of a folder need not
    from distune.training.devices import Compute

PACKAGES = ("distune", "torch", "transformers", "tokenizers", "optuna", "numpy", "scikit-learn")
CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
RESULTS = "results.json"
EVALUATION = "evaluation.json"
METRICS = "metrics.jsonl"
WEIGHTS = "student.safetensors"
CHECKPOINTS = ("checkpoint_teacher.safetensors", "checkpoint_student.safetensors")
PREDICTED = tuple(
    split + condition
    for split in ("dev", "test", "folds")
    for condition in ("", "_without_image", "_without_text", "_other_text")
)
"""What a run or a confirmation predicts; see `distune.confirmation.statistics.files`."""
PREDICTIONS = tuple(f"predictions_{split}.csv" for split in PREDICTED)
OUTCOMES = (METRICS, *PREDICTIONS, EVALUATION, RESULTS, WEIGHTS, "dropped.txt")
"""What a run that starts, or resumes, has not written yet; an earlier one in its folder may have left it."""
OF_A_RUN = (
    CONFIG,
    ENVIRONMENT,
    *OUTCOMES,
    *CHECKPOINTS,
    "progress.txt",
    "external_evaluations.jsonl",
    *(f"mistakes_{split}.html" for split in PREDICTED),
)
"""The names of all that is written into a run folder, by training and later; anything else in it is the user's."""
OPENINGS = "test_openings.jsonl"
"""Every time the test split was opened, a line each; beside the run folders."""
_OPENING = ("time", "by", "dataset")
_DAMAGED = {"time": "an unknown day", "dataset": None}
_log = logging.getLogger(__name__)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never half of one."""
    write_text(path, as_json(value))


def start_folder(folder: Path, config: Config, table: Table, compute: Compute) -> None:
    """Writes what is known before training (config, environment, dropped examples), and takes away what is not."""
    for name in OUTCOMES:
        (folder / name).unlink(missing_ok=True)
    # First what no other folder has: a config alone is also what people keep beside their tables.
    write_json(folder / ENVIRONMENT, environment(config, compute))
    save_config(config, folder / CONFIG)
    if table.dropped:
        header = (
            f"{counted(len(table.dropped), 'bad example')} left out on request (data.on_bad_example: drop)"
        )
        write_text(folder / "dropped.txt", "\n".join([header, *table.dropped]) + "\n")


def remove_run(folder: Path) -> None:
    """Removes what a run has written, and its drafts; notes of the user's stay."""
    for path in folder.iterdir():
        if path.name in OF_A_RUN or any(fnmatch(path.name, f".*.{name}") for name in OF_A_RUN):
            path.unlink()


def drop_weights(folder: Path) -> None:
    """Deletes the weights and checkpoints of a run, and drafts of them; other weights in its folder are the user's.

    Nothing is deleted where the folder is a link: what it leads to may be a run that somebody keeps.
    """
    if folder.is_symlink():
        return
    for name in (WEIGHTS, *CHECKPOINTS):
        for file in (folder / name, *folder.glob(f".*.{name}")):
            file.unlink(missing_ok=True)


def environment(config: Config, compute: Compute) -> dict[str, Any]:
    """Versions, device, commit of Distune's checkout, seed, and commits of hub models, as far as they are known."""
    from distune.models.encoders.hub.revisions import origins

    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": compute.name,
        "precision": compute.precision,
        "deterministic": compute.deterministic,
        "git_commit": _git_commit(),
        "seed": config.seed,
        "encoders": origins(config),
    }


def write_metrics(folder: Path, history: Sequence[EpochRecord]) -> None:
    """Writes `metrics.jsonl`: a line an epoch, teacher first."""
    lines = [json.dumps(asdict(record)) for record in history]
    write_text(folder / METRICS, "\n".join(lines) + "\n")


def read_text(path: Path) -> str:
    """A file of a run folder as text, line ends as they are.

    Raises:
        UserError: it is not there, or not in UTF-8.
    """
    try:
        return read_file(path).decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"There is no {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        if is_of_the_machine(error):
            raise
        raise UserError(f"{path} cannot be read: {error}.") from None


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Writes `results.json`, which a run writes last, with the checksums of what it vouches for."""
    seal(folder / RESULTS, results, CONFIG, METRICS, WEIGHTS)


def seal(record: Path, values: Mapping[str, Any], *others: str) -> None:
    """Writes a record with the checksums of the predictions in its folder, and of other files that are there."""
    folder = record.parent
    there = (folder / name for name in (*PREDICTIONS, *others))
    write_sealed(record, values, [file for file in there if file.is_file()])


def check_unchanged(file: Path, remedy: str = "Restore it, or train the run again.") -> None:
    """Compares a file with what the records of its folder say of it; silent where they say nothing.

    Args:
        file: it is there.
        remedy: what to do about one that was changed.

    Raises:
        UserError: it is another than the run wrote.
    """
    for record in (EVALUATION, RESULTS):  # the one that is written later first
        changed = was_changed(file, file.with_name(record))
        if changed:
            raise UserError(
                f"{file} was changed after it was written: {record} has another checksum. {remedy}"
            )
        if changed is not None:
            return


def run_config(folder: Path) -> Config:
    """The config of a run, as the run wrote it.

    Raises:
        UserError: there is none, or it was changed.
    """
    config = load_config(folder / CONFIG)
    check_unchanged(folder / CONFIG)
    return config


def results_of(folder: Path) -> dict[str, Any] | None:
    """What `results.json` holds; None before a run has finished.

    Raises:
        UserError: it is damaged: it cannot be known whether the run had finished.
    """
    path = folder / RESULTS
    try:
        if not (found := read_sealed(path)):
            raise ValueError("it holds nothing")
        return found
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not path.is_symlink():
            return None
        if is_of_the_machine(error):
            raise
        raise UserError(
            f"{path} is damaged ({error}); restore it, or train the run again, with --overwrite or in another folder"
        ) from None


def read_results(folder: Path) -> dict[str, Any] | None:
    """The same for who trains again what is damaged; None then, too, with a warning."""
    try:
        return results_of(folder)
    except UserError as error:
        _log.warning("%s; its run does not count as finished", error)
        return None


def was_trained_on(folder: Path, table: Table, images: Sequence[str] | None = None) -> bool | None:
    """Whether a data set is the one that a run was trained on, as it was then; None where the run does not say.

    Args:
        folder: the run folder.
        table: the data set.
        images: its `image_fingerprints`, where the caller has them already; else all its images are hashed.
    """
    recorded = (read_results(folder) or {}).get("data_fingerprint")
    return None if recorded is None else table_fingerprint(table, images) == recorded


def read_metrics(folder: Path) -> list[EpochRecord]:
    """The epochs in `metrics.jsonl`; none where it is missing, was cut off, or is no such file."""
    try:
        return [EpochRecord(**(line or {})) for line in read_lines(folder / METRICS)]
    except TypeError:  # lines of another version
        return []


def record_opening(beside: Path, *, by: str, dataset: str) -> None:
    """Adds a line; must be called before the test split is looked at.

    Args:
        beside: the folder that holds the runs.
        by: the run or confirmation that opens it.
        dataset: fingerprint of the data set.
    """
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "by": by, "dataset": dataset}
    append_line(beside / OPENINGS, line)


def openings(beside: Path, dataset: str | None = None) -> list[dict[str, Any]]:
    """All recorded openings, of one data set where it is given, oldest first.

    A damaged line, or one that says something else, is an opening, too, of an unknown data set, so it counts for every
    one.
    """
    found = [
        line if line is not None and all(isinstance(line.get(name), str) for name in _OPENING) else
        _DAMAGED | {"by": f"a damaged record (line {number} of {OPENINGS})"}
        for number, line in enumerate(read_lines(beside / OPENINGS), start=1)
    ]  # fmt: skip
    return [line for line in found if dataset is None or line.get("dataset") in (dataset, None)]


@cache
def _version(package: str) -> str | None:
    """Of an installed package; its metadata is read once, and every run of the process asks for it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of Distune's checkout; None where it is installed, be it in a repository of something else."""
    here = Path(__file__)
    # The second one is there only where this file is part of the commit.
    command = ["git", "-C", str(here.parent), "rev-parse", "HEAD", f"HEAD:./{here.name}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout
        return said.partition("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return None

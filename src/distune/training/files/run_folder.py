"""The files of a run folder, all readable by a person."""

from __future__ import annotations

import csv
import json
import logging
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import Config, save_config
from distune.data.table import MISSING, Table, Task
from distune.models.answers import as_binary
from distune.training.callbacks import EpochRecord
from distune.training.devices import Compute
from distune.utils.atomic import write_text
from distune.utils.jsonl import append_line, read_lines
from distune.utils.text import inert

PACKAGES = ("distune", "torch", "transformers", "tokenizers", "optuna", "numpy", "scikit-learn")
CONFIG = "config.yaml"
RESULTS = "results.json"
METRICS = "metrics.jsonl"
OUTCOMES = (
    METRICS,
    "predictions_*.csv",
    "evaluation.json",
    RESULTS,
    "student.safetensors",
    "dropped.txt",
)
"""What a run that begins, or resumes, has not come to yet; an earlier one in its folder may have left it."""
OPENINGS = "test_openings.jsonl"
"""Every time the test split was opened, a line each; beside the run folders."""
_DAMAGED = {"time": "an unknown day", "dataset": None}
_log = logging.getLogger(__name__)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never half of one."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def start_folder(folder: Path, config: Config, table: Table, compute: Compute) -> None:
    """Writes what is known before training (config, environment, dropped examples), and takes away what is not."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in OUTCOMES:
        for file in folder.glob(name):
            file.unlink(missing_ok=True)
    save_config(config, folder / CONFIG)
    write_json(folder / "environment.json", environment(config, compute))
    if table.dropped:
        header = f"{len(table.dropped)} bad examples were left out on request (data.on_bad_example: drop)"
        write_text(folder / "dropped.txt", "\n".join([header, *table.dropped]) + "\n")


def environment(config: Config, compute: Compute) -> dict[str, Any]:
    """Versions, device, git commit, seed, and the commits of hub models, as far as they are known."""
    from distune.models.encoders.hub.revisions import (
        origins,  # imports torch, which readers of a folder need not
    )

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


def write_predictions(
    folder: Path, split: str, table: Table, rows: NDArray[np.int64], probabilities: Sequence[NDArray[Any]]
) -> None:
    """Writes `predictions_{split}.csv`: each example with its true and predicted classes and its probabilities.

    A true class that is not known is left empty.

    The image's path is relative to the data root; probabilities have six digits. The predicted class is that of the
    whole probabilities, the first of equal ones. The image and the text are for people: a cell that a spreadsheet would
    take for a formula begins with an apostrophe; ids, groups and classes stand as they are, since programs read them.

    Args:
        folder: of the run.
        split: may name a split with another input, such as `test_without_text`; texts are the data set's all the same.
        table: all examples.
        rows: of the split.
        probabilities: one array (rows, classes) a task.
    """
    # A multi-label task is written as what it is to every reader: a task of the classes no and yes for each label.
    tasks, answers = as_binary(table.tasks, probabilities)
    header = ["id", "group", *(f"truth_{task.name}" for task in tasks)]
    header += [f"pred_{task.name}" for task in tasks]
    header += [f"p_{task.name}_{name}" for task in tasks for name in task.classes]
    with (folder / f"predictions_{split}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([*header, "image", "text"])
        for position, row in enumerate(rows):
            truth = [_label(task, table.labels[row, column]) for column, task in enumerate(tasks)]
            chosen = [task.classes[int(p[position].argmax())] for task, p in zip(tasks, answers, strict=True)]
            shown = [f"{p:.6f}" for task in answers for p in task[position]]
            about = (inert(relative_image(table, row)), inert(table.texts[row]))
            writer.writerow([table.ids[row], table.groups[row], *truth, *chosen, *shown, *about])


def relative_image(table: Table, row: int) -> str:
    """The path of an example's image below the data root; its bare name where it is elsewhere."""
    path = Path(table.images[row])
    return path.relative_to(table.root).as_posix() if path.is_relative_to(table.root) else path.name


def _label(task: Task, number: int) -> str:
    """The class of a number; empty where the label is not known."""
    return "" if number == MISSING else task.classes[number]


def read_results(folder: Path) -> dict[str, Any] | None:
    """What `results.json` holds, which a run writes last; None before, and where it was cut off."""
    path = folder / RESULTS
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        _log.warning("%s cannot be read; its run does not count as finished", path)
        return None
    return found


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
    beside.mkdir(parents=True, exist_ok=True)
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "by": by, "dataset": dataset}
    append_line(beside / OPENINGS, line)


def openings(beside: Path, dataset: str | None = None) -> list[dict[str, Any]]:
    """All recorded openings, of one data set where it is given, oldest first.

    A damaged line is an opening, too: nobody knows of what, so it counts for every data set.
    """
    found = [
        _DAMAGED | {"by": f"a damaged record (line {number} of {OPENINGS})"} if line is None else line
        for number, line in enumerate(read_lines(beside / OPENINGS), start=1)
    ]
    return [line for line in found if dataset is None or line.get("dataset") in (dataset, None)]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None

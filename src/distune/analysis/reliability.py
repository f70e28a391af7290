"""How far probabilities can be trusted: the temperatures of a run, and the bins of the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import tasks_behind
from distune.data.table import exclusive_tasks
from distune.errors import UserError
from distune.training.files.prediction_files import Predictions, by_task
from distune.training.scoring.metrics import CALIBRATION_BINS, calibration_bin
from distune.training.scoring.temperature_scaling import task_temperature


@dataclass(frozen=True)
class ReliabilityBin:
    """Examples whose confidence lies in one bin.

    Attributes:
        count: examples.
        confidence: their mean confidence.
        accuracy: share that is right.
    """

    count: int
    confidence: float
    accuracy: float


def reliability(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """The bins of the reliability diagram that hold examples; their weighted gaps add up to the calibration error."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == truth
    bin_of = calibration_bin(confidence, bins)
    return [
        ReliabilityBin(int(inside.sum()), float(confidence[inside].mean()), float(is_right[inside].mean()))
        for inside in (bin_of == number for number in np.unique(bin_of))
    ]


def fitted_on_dev(folder: Path, dev: Sequence[Predictions]) -> dict[str, float]:
    """The temperature that `distune predict` scales each task with, or label of a multi-label task; 1 where unfitted.

    Args:
        folder: the run folder.
        dev: its predictions for the dev split.

    Raises:
        UserError: the config of the run cannot be read.
    """
    tasks = tasks_behind(folder, dev)
    if isinstance(tasks, Unknown):
        raise UserError(tasks.reason)
    return {
        part.name: task_temperature(task, labels, probabilities) or 1.0
        for task, (labels, probabilities) in zip(tasks, by_task(dev, tasks), strict=True)
        for part in exclusive_tasks(task)
    }

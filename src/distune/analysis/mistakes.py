"""The most confident mistakes of a run, read from its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distune.analysis.reliability import fitted_on_dev
from distune.data.table import MISSING
from distune.errors import UserError
from distune.training.files.prediction_files import Predictions, read_predictions, read_rows
from distune.training.scoring.temperature_scaling import with_temperature
from distune.utils.text import as_written, listed

MOST = 12
"""Mistakes that are shown of each task."""


@dataclass(frozen=True)
class Mistake:
    """An example whose predicted class is another than its label.

    Attributes:
        id: of the example.
        group: its patient or case; empty where the file does not name one.
        truth: the label.
        predicted: the predicted class.
        probabilities: each class with its calibrated probability, the largest first.
        image: path of the image, relative to the data root; empty where the file does not name one.
        text: the text; empty where there is none.
    """

    id: str
    group: str
    truth: str
    predicted: str
    probabilities: tuple[tuple[str, float], ...]
    image: str
    text: str

    @property
    def confidence(self) -> float:
        """Probability of the predicted class."""
        return dict(self.probabilities)[self.predicted]


@dataclass(frozen=True)
class TaskMistakes:
    """The mistakes of one task.

    Attributes:
        task: its name.
        labelled: examples with a label.
        wrong: examples whose predicted class is another.
        temperature: that the probabilities are scaled with, fitted on dev as `distune predict` does.
        most_confident: the first of them, the most confident one first.
    """

    task: str
    labelled: int
    wrong: int
    temperature: float
    most_confident: tuple[Mistake, ...]


def read_mistakes(folder: Path, split: str = "dev", most: int = MOST) -> tuple[TaskMistakes, ...]:
    """The most confident mistakes of a run on one split, by task; nothing is written.

    Args:
        folder: the run folder.
        split: dev, or test where the run has opened it.
        most: how many of each task.

    Raises:
        UserError: the run has no predictions of that split, or they cannot be read.
    """
    there = sorted(file.stem.removeprefix("predictions_") for file in folder.glob("predictions_*.csv"))
    if split not in there:
        raise UserError(
            f"{folder} has no predictions of {split!r}, only of {listed(there)}; a run that has finished has those of "
            "dev, those of test are made by `distune confirm` or `distune train --test`"
        )
    found = read_predictions(folder, split)
    temperatures = fitted_on_dev(folder, found if split == "dev" else read_predictions(folder))
    rows = read_rows(folder, split)
    return tuple(_of_task(each, rows, temperatures[each.task], most) for each in found)


def _of_task(found: Predictions, rows: list[dict[str, str]], temperature: float, most: int) -> TaskMistakes:
    probabilities = with_temperature(found.probabilities, temperature)
    chosen = found.probabilities.argmax(axis=1) if found.chosen is None else found.chosen
    known = found.truth != MISSING
    wrong = np.flatnonzero(known & (chosen != found.truth))
    order = wrong[np.argsort(-probabilities[wrong, chosen[wrong]], kind="stable")]
    mistakes = tuple(
        Mistake(
            id=rows[row].get("id", ""),
            group=rows[row].get("group", ""),
            truth=found.classes[int(found.truth[row])],
            predicted=found.classes[int(chosen[row])],
            probabilities=tuple(
                (found.classes[number], float(probabilities[row, number]))
                for number in np.argsort(-probabilities[row], kind="stable").tolist()
            ),
            image=as_written(rows[row].get("image") or ""),
            text=as_written(rows[row].get("text") or ""),
        )
        for row in order[:most].tolist()
    )
    return TaskMistakes(found.task, int(known.sum()), len(wrong), temperature, mistakes)

"""How near an exported graph is to the student in torch: the same examples, answered by both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data import Table
from distune.data.table import Task, exclusive_tasks
from distune.errors import DataError
from distune.prediction.examples import Example
from distune.prediction.model import Model
from distune.prediction.predictor import Predictor
from distune.training.files.prediction_files import read_rows
from distune.training.scoring.metrics import decisions
from distune.training.scoring.scores import overall_score
from distune.training.scoring.temperature_scaling import calibrated
from distune.utils.text import as_written, counted

PARITY = 1e-4
"""Largest difference of a probability to torch that an export in float32 may have."""
GENERATED = 64
"""Examples that are made where the data set is gone."""


@dataclass(frozen=True)
class Parity:
    """The exported graph beside the student in torch.

    Attributes:
        examples: how many.
        largest_difference: of a calibrated probability, as both give them, to the student in float32.
        changed: examples with another predicted class in some task than the student in float32.
        changed_from_run: the same compared with what the run recorded, in its own precision; None where it recorded no
            predicted classes, or the examples are generated.
        score: dev score of the student in float32; None where the examples are generated.
        exported_score: dev score of the graph; None where they are.
    """

    examples: int
    largest_difference: float
    changed: int
    changed_from_run: int | None
    score: float | None
    exported_score: float | None

    @property
    def drop(self) -> float | None:
        """What the export costs in dev score."""
        if self.score is None or self.exported_score is None:
            return None
        return self.score - self.exported_score


@dataclass(frozen=True)
class ParityExamples:
    """What both answer.

    Attributes:
        name: what they are, in words.
        examples: N of them.
        labels: the columns of a table's labels, (N, columns); None where they are generated.
    """

    name: str
    examples: Sequence[Example]
    labels: NDArray[np.int64] | None = None


def dev_examples(table: Table) -> ParityExamples:
    """All dev examples of a data set."""
    rows = table.rows("dev")
    examples = [Example(table.ids[row], table.images[row] or None, table.texts[row]) for row in rows]
    return ParityExamples(counted(len(rows), "dev example"), examples, table.labels[rows])


def generated_examples(folder: Path, model: Model) -> ParityExamples:
    """Images of coarse noise with the texts that a run recorded; the same each time.

    Args:
        folder: the run folder.
        model: its student.
    """
    random = np.random.default_rng(0)
    side = max(1, model.image_size // 8)
    texts = [as_written(row.get("text") or "") for row in read_rows(folder)] or [""]
    examples = [
        Example(str(number), random.integers(0, 256, (side, side, 3), np.uint8), texts[number % len(texts)])
        for number in range(GENERATED)
    ]
    return ParityExamples(f"{GENERATED} generated examples, as the data set is gone,", examples)


def answers_of(predictor: Predictor, asked: ParityExamples) -> list[NDArray[Any]]:
    """Probabilities as the model gives them, one array (N, classes) a task.

    Raises:
        DataError: an example cannot be read.
    """
    answers = predictor.answer(asked.examples, is_calibrated=False, takes_nothing=True)
    if answers.problems:
        raise DataError(asked.name, answers.problems)
    return list(answers.probabilities)


def compared(
    folder: Path,
    tasks: Sequence[Task],
    temperatures: Mapping[str, float],
    asked: ParityExamples,
    expected: Sequence[NDArray[Any]],
    exported: Sequence[NDArray[Any]],
) -> Parity:
    """Compares the answers of both.

    Args:
        folder: the run folder, which recorded answers in its own precision.
        tasks: the label columns.
        temperatures: by task, that both scale their answers with before they give them.
        asked: the examples.
        expected: what the student answers in torch, before its temperatures.
        exported: what the graph answers, before them.
    """

    def chosen(probabilities: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        answers = zip(tasks, probabilities, strict=True)
        return np.concatenate([decisions(task, found) for task, found in answers], axis=1)

    def given(probabilities: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
        answers = zip(tasks, probabilities, strict=True)
        return [calibrated(task, found, temperatures[task.name]) for task, found in answers]

    ours, theirs = chosen(exported), chosen(expected)
    changed_from_run = score = exported_score = None
    if asked.labels is not None:
        parts = [part for task in tasks for part in exclusive_tasks(task)]
        recorded = read_rows(folder)
        if all(f"pred_{part.name}" in recorded[0] for part in parts):
            before = np.array(
                [[part.classes.index(row[f"pred_{part.name}"]) for part in parts] for row in recorded]
            )
            changed_from_run = int((ours != before).any(axis=1).sum())
        score = overall_score(asked.labels, expected, tasks)
        exported_score = overall_score(asked.labels, exported, tasks)
    return Parity(
        examples=len(asked.examples),
        largest_difference=max(
            float(np.abs(one - other).max())
            for one, other in zip(given(expected), given(exported), strict=True)
        ),
        changed=int((ours != theirs).any(axis=1).sum()),
        changed_from_run=changed_from_run,
        score=score,
        exported_score=exported_score,
    )

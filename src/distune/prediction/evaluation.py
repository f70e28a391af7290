"""Scores of a trained student on labelled data, with intervals over patients or cases."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import Interval, of_class
from distune.confirmation.statistics.scores.case_scores import overall, task_answers
from distune.data.readers.spellings import normal_form
from distune.data.table import MISSING, Task, label_columns
from distune.errors import DataError
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import Labelled
from distune.prediction.novelty import check_novelty, contents_of
from distune.prediction.predictor import OnProgress, Predictor
from distune.training.files.prediction_files import SplitPredictions, read_split_predictions
from distune.training.scoring.evaluation import evaluate as all_metrics
from distune.training.scoring.scores import undefined_scores
from distune.utils.files.jsonl import append_line
from distune.utils.text import counted

_log = logging.getLogger(__name__)
EXTERNAL = "external_evaluations.jsonl"
"""Evaluations on external data, one a line, in the folder of the run or beside the files of the bundle."""


def evaluate(
    predictor: Predictor, data: Labelled, on_progress: OnProgress = lambda done, total: None
) -> dict[str, Any]:
    """Evaluates a student on labelled examples that its study never saw.

    Returns:
        What `evaluation_of` gives, and `new`: True where the content of the examples was compared with the data set
        that the student was trained on, by the bytes of files and by pixels; None where that set is not there any more,
        as beside a bundle.

    Raises:
        DataError: some examples are in that data set, labels are not known to the student or do not define a score, or
            as `evaluation_of`.
    """
    # What cannot be evaluated is said before files are compared.
    labels = label_columns_of(data, predictor.tasks)
    if undefined := undefined_scores(labels, predictor.tasks):
        raise DataError(data.name, undefined)
    for line in _remarks(predictor, data, labels):
        _log.warning("%s: %s", data.name, line)
    is_new = check_novelty(predictor, data.name, data.examples)
    return {**evaluation_of(predictor, data, labels, on_progress), "new": is_new}


def _remarks(predictor: Predictor, data: Labelled, labels: NDArray[np.int64]) -> list[str]:
    """What makes scores say less than the number of examples does: labels that are not known, examples that repeat."""
    total, lines = counted(len(labels), "example"), []
    for task, columns in zip(predictor.tasks, label_columns(predictor.tasks), strict=True):
        if unknown := int((labels[:, columns] == MISSING).all(axis=1).sum()):
            lines.append(
                f"{unknown} of {total} have no label of task {task.name!r}, and count in none of its scores"
            )
    reads = predictor.model.modalities
    images = contents_of(data.examples, predictor.model.rules) if "image" in reads else [""] * len(labels)
    rows: dict[tuple[str, str], list[int]] = {}
    for row, (image, example) in enumerate(zip(images, data.examples, strict=True)):
        if image is not None:
            rows.setdefault((image, (example.text or "") if "text" in reads else ""), []).append(row)
    if again := [same for same in rows.values() if len(same) > 1]:
        differ = sum(
            any(len(set(column) - {MISSING}) > 1 for column in labels[same].T.tolist()) for same in again
        )
        lines.append(
            f"{counted(len(again), 'example is', 'examples are')} there more than once, such as "
            f"{data.examples[again[0][0]].id!r}"
            + (f", {differ} of them with labels that contradict each other" if differ else "")
        )
    return lines


def evaluation_of(
    predictor: Predictor,
    data: Labelled,
    labels: NDArray[np.int64],
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, Any]:
    """Evaluates a student on labelled examples; probabilities are calibrated.

    Args:
        predictor: the student.
        data: the examples.
        labels: theirs, see `label_columns_of`.
        on_progress: called after each batch.

    Returns:
        `data`, `time`, `examples`, `cases`, `score` and its 95 % `interval` over cases, and `tasks`: what `evaluate` of
        `distune.training.scoring.evaluation` gives, with an `interval` for the macro F1 and each class's recall.

    Raises:
        DataError: examples that cannot be read.
    """
    answers = predictor.answer(data.examples, on_progress=on_progress)
    if answers.problems:
        raise DataError(data.name, answers.problems)
    groups = tuple(map(normal_form, data.groups))
    scored = SplitPredictions(answers.ids, groups, predictor.tasks, labels, answers.probabilities)
    numbers = all_metrics(labels, answers.probabilities, predictor.tasks)
    by_task = task_answers([scored])
    for of_task in by_task:
        about = numbers["tasks"][of_task.task.name]
        about["interval"] = _ends(of_task.macro_f1().interval())
        if "score" in about:
            about["score"]["interval"] = _ends(of_task.score().interval())
        for number, name in enumerate(of_task.task.classes):
            if name in about["classes"]:
                found = of_class(*of_task.of_class(number), "recall")
                about["classes"][name]["recall_interval"] = None if found is None else _ends(found)
    return {
        "data": data.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": len(set(groups)),
        "interval": _ends(overall(by_task).interval()),
        **numbers,
    }


def score_with_interval(folder: Path, split: str, tasks: Sequence[Task]) -> dict[str, Any] | None:
    """Score, 95 % interval over cases and size of a run's recorded predictions; None where there are none."""
    scored = read_split_predictions(folder, split, tasks=tasks)
    if scored is None:
        return None
    found = overall(task_answers([scored])).interval()
    return {"score": found.mean, "interval": _ends(found), "examples": len(scored.labels)}


def record(folder: Path, found: Mapping[str, Any]) -> Path:
    """Adds an evaluation to the run that was evaluated, whose model card names it, or to the bundle.

    The file of a bundle is none of those whose checksums it holds.

    Returns:
        The file.
    """
    append_line(folder / EXTERNAL, dict(found))
    return folder / EXTERNAL


def _ends(interval: Interval) -> list[float | None]:
    return [interval.low, interval.high]

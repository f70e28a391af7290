"""What a run folder holds: learning curves, confusion matrices and predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from distune.analysis.records.attributes import number, text, whole
from distune.analysis.records.unknown import Unknown
from distune.config import TaskConfig
from distune.data.table import MISSING, Task
from distune.errors import UserError
from distune.training.files import prediction_files
from distune.training.files.prediction_files import Predictions
from distune.training.files.run_folder import CONFIG, METRICS, RESULTS, check_unchanged, read_text, results_of
from distune.training.scoring.metrics import confusion_matrix
from distune.utils.files.jsonl import parse_lines
from distune.utils.files.yaml_files import YamlFileError, parse_yaml

STAGES = ("teacher", "student")
LARGEST = 50_000_000
"""Bytes of a file that a report reads."""


@dataclass(frozen=True)
class Curve:
    """One stage of training, epoch by epoch.

    Attributes:
        stage: teacher or student.
        epochs: the epochs.
        scores: dev score after each epoch.
        losses: mean train loss of each epoch; None where it was not written.
    """

    stage: str
    epochs: tuple[int, ...]
    scores: tuple[float, ...]
    losses: tuple[float | None, ...]


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of one task: counts[truth][prediction]."""

    task: str
    classes: tuple[str, ...]
    counts: NDArray[np.int64]


Part = TypeVar("Part", Confusion, Predictions)


@dataclass(frozen=True)
class RunRecord:
    """What is known of one run; each part may be unknown by itself."""

    folder: Path
    curves: tuple[Curve, ...] | Unknown
    confusions: tuple[Confusion, ...] | Unknown
    predictions: tuple[Predictions, ...] | Unknown


def read_run(folder: Path | None, folds: int | None = None, split: str = "dev") -> RunRecord | Unknown:
    """Reads what a report shows of a run folder; of a trial with folds, all of them together.

    Args:
        folder: the run folder; None where the trial does not record it.
        folds: number of folds; None without.
        split: whose answers are read; `results.json` holds the confusion matrices of dev alone.
    """
    if folder is None:
        return Unknown("The best trial does not record its run folder.")
    if not folder.is_dir():
        return Unknown(f"The run folder {folder} of the best trial is not there.")
    if folds is not None:
        return _run_of_folds(folder, folds)
    predictions = known_predictions(folder, split)
    confusions = read_confusions(folder) if split == "dev" else _confused(predictions)
    return RunRecord(folder, read_curves(folder), confusions, predictions)


def _confused(predictions: tuple[Predictions, ...] | Unknown) -> tuple[Confusion, ...] | Unknown:
    """Counts of truth and prediction; examples without a label are left out."""
    if isinstance(predictions, Unknown):
        return predictions
    found = []
    for task in predictions:
        known = task.truth != MISSING
        said = task.probabilities[known].argmax(axis=1)
        counts = confusion_matrix(task.truth[known], said, len(task.classes))
        found.append(Confusion(task.task, task.classes, counts))
    return tuple(found)


def _run_of_folds(folder: Path, folds: int) -> RunRecord:
    """Each example by the model that did not learn it, and the learning curves of all models."""
    parts = [folder / f"fold_{number}" for number in range(1, folds + 1)]
    return RunRecord(
        folder,
        _curves_of_folds(parts),
        _together([read_confusions(part) for part in parts], _added),
        _together([known_predictions(part) for part in parts], _joined),
    )


def _curves_of_folds(parts: Sequence[Path]) -> tuple[Curve, ...] | Unknown:
    curves: list[Curve] = []
    for part in parts:
        found = read_curves(part)
        if isinstance(found, Unknown):
            return found
        curves += found
    return tuple(curves)


def _together(
    found: Sequence[tuple[Part, ...] | Unknown], join: Callable[[Sequence[Part]], Part]
) -> tuple[Part, ...] | Unknown:
    """The tasks of all folds joined; unknown where one fold's are."""
    tables: list[tuple[Part, ...]] = []
    for tasks in found:
        if isinstance(tasks, Unknown):
            return tasks
        tables.append(tasks)
    return tuple(join(parts) for parts in zip(*tables, strict=False))


def _added(parts: Sequence[Confusion]) -> Confusion:
    return Confusion(parts[0].task, parts[0].classes, np.sum([part.counts for part in parts], axis=0))


def _joined(parts: Sequence[Predictions]) -> Predictions:
    groups = [group for part in parts for group in part.groups or ()]
    return Predictions(
        parts[0].task,
        parts[0].classes,
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        tuple(groups) if all(part.groups for part in parts) else None,
    )


def read_curves(folder: Path) -> tuple[Curve, ...] | Unknown:
    """The learning curves of `metrics.jsonl`; of an epoch that was written twice the last line counts."""
    path = folder / METRICS
    written = _text(path)
    if isinstance(written, Unknown):
        return written
    try:
        check_unchanged(path)
    except UserError as error:
        return Unknown(str(error))
    by_stage: dict[str, dict[int, Mapping[str, Any]]] = {}
    for entry in parse_lines(written.encode()):
        if entry is not None:  # a line that was cut off when the run was killed
            stage, epoch = text(entry.get("stage")), whole(entry.get("epoch"))
            if stage is not None and epoch is not None and number(entry.get("dev_score")) is not None:
                by_stage.setdefault(stage, {})[epoch] = entry
    curves = tuple(
        Curve(
            stage=stage,
            epochs=tuple(sorted(by_stage[stage])),
            scores=tuple(float(by_stage[stage][epoch]["dev_score"]) for epoch in sorted(by_stage[stage])),
            losses=tuple(
                number(by_stage[stage][epoch].get("train_loss")) for epoch in sorted(by_stage[stage])
            ),
        )
        for stage in STAGES
        if stage in by_stage
    )
    return curves or Unknown(f"{path} holds no epoch with a dev score.")


def read_confusions(folder: Path) -> tuple[Confusion, ...] | Unknown:
    """The dev confusion matrices of `results.json`."""
    path = folder / RESULTS
    try:
        _check_size(path)
        tasks: Any = results_of(folder)
    except UserError as error:
        return Unknown(str(error))
    for key in ("splits", "dev", "tasks"):
        tasks = tasks.get(key) if isinstance(tasks, Mapping) else None
    found = []
    for name, values in (tasks or {}).items() if isinstance(tasks, Mapping) else ():
        counts = values.get("confusion") if isinstance(values, Mapping) else None
        if isinstance(counts, Mapping):  # of a multi-label task: a table of no and yes for each label
            found += [_confusion(f"{name}: {label}", ["no", "yes"], table) for label, table in counts.items()]
        elif counts is not None:
            found.append(_confusion(str(name), values.get("classes"), counts))
    whole = tuple(each for each in found if each is not None)
    return whole or Unknown(f"{path} holds no confusion matrix for dev.")


def _confusion(task: str, classes: Any, table: Any) -> Confusion | None:
    """One matrix; None where it does not fit its classes."""
    try:
        counts = np.array(table, dtype=np.int64)
    except (ValueError, TypeError, OverflowError):
        return None
    is_named = isinstance(classes, list | Mapping) and bool(classes)
    if not is_named or counts.shape != (len(classes), len(classes)):
        return None
    return Confusion(task, tuple(str(name) for name in classes), counts)


def known_predictions(folder: Path, split: str = "dev") -> tuple[Predictions, ...] | Unknown:
    """The predictions of one split, by task."""
    try:
        _check_size(prediction_files.predictions_file(folder, split))
        return prediction_files.read_predictions(folder, split)
    except UserError as error:
        return Unknown(str(error))


def tasks_behind(folder: Path, parts: Sequence[Predictions]) -> tuple[Task, ...] | Unknown:
    """What a run was asked: the kind, score and weight of each task; those of a run without a config are plain.

    Args:
        folder: of the run; of the folds, the folder of one.
        parts: its predictions.
    """
    settings = task_settings(folder)
    if isinstance(settings, Unknown):
        return settings
    by_name = {part.task: part for part in parts}
    found: list[Task] = []
    for name, part in by_name.items():
        several = next((task for task in settings if name.startswith(f"{task}: ")), None)
        if several is None or settings[several].kind != "multi_label":
            about = settings.get(name, TaskConfig())
            found.append(Task(name, part.classes, about.kind, about.score, about.weight))
        elif not found or found[-1].name != several:
            about = settings[several]
            labels = [
                each.removeprefix(f"{several}: ") for each in by_name if each.startswith(f"{several}: ")
            ]
            found.append(Task(several, tuple(labels), about.kind, about.score, about.weight))
    return tuple(found)


def task_settings(folder: Path) -> Mapping[str, TaskConfig] | Unknown:
    """What the config of a run says of tasks; nothing where it has none."""
    path = folder / CONFIG
    if not path.is_file():
        return {}
    written = _text(path)
    if isinstance(written, Unknown):
        return written
    try:
        check_unchanged(path)
        found = settings_of(parse_yaml(written))
    except (UserError, YamlFileError) as error:
        return Unknown(f"{path} cannot be read: {error}")
    return Unknown(f"{path} does not say what its tasks count with.") if found is None else found


def settings_of(config: Any) -> Mapping[str, TaskConfig] | None:
    """The same of a config in a record; None where it cannot be read."""
    try:
        return {name: TaskConfig(**values) for name, values in (config["data"].get("tasks") or {}).items()}
    except (KeyError, TypeError, AttributeError, UserError):
        return None


def _text(path: Path) -> str | Unknown:
    try:
        _check_size(path)
        return read_text(path)
    except UserError as error:
        return Unknown(str(error))


def _check_size(path: Path) -> None:
    """A report is drawn in seconds, or says what it leaves out."""
    if path.is_file() and path.stat().st_size > LARGEST:
        raise UserError(f"{path} is larger than {LARGEST // 1_000_000} MB and is not read.")

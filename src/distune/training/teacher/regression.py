"""Logistic regression on frozen features: what a trained network must beat to have been worth its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.data.batches import ModelInputs, eval_batches
from distune.data.table import MISSING, Table, Task, label_columns
from distune.models.classifier import Classifier
from distune.models.fusion import masked_mean
from distune.training.scoring.metrics import decisions
from distune.training.scoring.scores import mean_score, task_score

STRENGTHS = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""Inverse strengths C of the L2 penalty that are tried; the best on dev is taken, the smallest of equals."""
FEW_STRENGTHS = (1e-3, 0.01, 0.1)
"""Those of a check that must cost little."""

Floats = NDArray[np.float64]
Answer = Callable[[NDArray[np.int64]], Floats]
"""From rows of the table to probabilities, (rows, classes)."""


@dataclass(frozen=True)
class Features:
    """Pooled outputs of encoders, standardised over train.

    Attributes:
        image: (N, width).
        text: (N, width).
    """

    image: Floats
    text: Floats

    @property
    def joined(self) -> Floats:
        """Both side by side."""
        return np.hstack([self.image, self.text])


def pooled_features(model: Classifier, inputs: ModelInputs, table: Table, device: torch.device) -> Features:
    """The mean token of each example from each encoder of a model; no column where it lacks the encoder."""
    image = np.empty((len(table), model.vision.width if model.vision else 0))
    text = np.empty((len(table), model.text.width if model.text else 0))
    for batch in eval_batches(inputs, np.arange(len(table)), batch_size=64, device=device):
        rows = batch.rows.cpu().numpy()
        with torch.no_grad():
            if batch.image is not None:
                image[rows] = model.image_tokens(batch.image).mean(1).cpu().numpy()
            if batch.text_mask is not None:
                tokens = model.text_tokens(batch.text, batch.text_mask)
                text[rows] = masked_mean(tokens, batch.text_mask).cpu().numpy()
    train = table.rows("train")
    for values, lacking in zip((image, text), inputs.absent, strict=True):
        if lacking is not None:  # an average example, as far as a regression can tell
            values[lacking] = values[train[~lacking[train]]].mean(axis=0)
    return Features(standardised_columns(image, train), standardised_columns(text, train))


def standardised_columns(values: Floats, train: NDArray[np.int64]) -> Floats:
    """Mean 0 and deviation 1 over the train rows; a column that is constant there becomes 0."""
    spread = values[train].std(axis=0)
    return np.asarray((values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def regression_on_dev(table: Table, features: Floats) -> float:
    """The dev score of logistic regression, its penalty chosen on dev: a little flattered, as a teacher's is."""
    dev_scores = []
    for place, (task, columns) in enumerate(zip(table.tasks, label_columns(table.tasks), strict=True)):
        _, answer = fitted(table, place, features, FEW_STRENGTHS)
        dev = table.rows("dev", place)
        dev_scores.append(task_score(task, table.labels[dev, columns], answer(dev)))
    return float(mean_score(dev_scores, table.tasks))


def fitted(
    table: Table, place: int, inputs: Any, strengths: Sequence[float] = STRENGTHS
) -> tuple[Mapping[str, Any], Answer]:
    """One task: the class shares of train where there are no inputs, else logistic regression on them.

    A multi-label task has a regression for each label, all with one penalty.

    Args:
        table: fitted on train; the penalty is chosen on dev.
        place: of the task.
        inputs: (N, features), dense or sparse; None without any.
        strengths: that are tried.

    Returns:
        What was chosen, and how rows are answered.
    """
    task, columns = table.tasks[place], label_columns(table.tasks)[place]
    classes = 2 if task.kind == "multi_label" else len(task.classes)
    fits = [
        _fits(table.labels[:, column], table.rows("train"), inputs, classes, strengths)
        for column in range(columns.start, columns.stop)
    ]

    def answer(number: int, rows: NDArray[np.int64]) -> Floats:
        found = [fit[min(number, len(fit) - 1)](rows) for fit in fits]
        return np.stack([each[:, 1] for each in found], axis=1) if task.kind == "multi_label" else found[0]

    if all(len(fit) == 1 for fit in fits):
        return {"always": _always(task, answer(0, table.rows("train")[:1]))}, lambda rows: answer(0, rows)
    dev = table.rows("dev", place)
    truth = table.labels[dev, columns]
    scores = [task_score(task, truth, answer(number, dev)) for number in range(len(strengths))]
    best = int(np.argmax(scores))
    return {"C": strengths[best]}, lambda rows: answer(best, rows)


def _fits(
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    inputs: Any,
    classes: int,
    strengths: Sequence[float],
) -> list[Answer]:
    """What one column is answered with: the shares of its classes, or a regression for each strength of the penalty."""
    train = train[labels[train] != MISSING]
    truth = labels[train]
    if inputs is None or len(np.unique(truth)) < 2:
        shares = np.bincount(truth, minlength=classes) / max(1, len(truth))
        return [lambda rows: np.tile(shares, (len(rows), 1))]
    from sklearn.linear_model import LogisticRegression

    def answers(model: Any) -> Answer:
        def answer(rows: NDArray[np.int64]) -> Floats:
            found = np.zeros((len(rows), classes))
            found[:, model.classes_] = model.predict_proba(inputs[rows])  # a fold may lack a class
            return found

        return answer

    return [answers(LogisticRegression(C=c, max_iter=1000).fit(inputs[train], truth)) for c in strengths]


def _always(task: Task, shares: Floats) -> str:
    """What is always answered: the most frequent class, or the labels that more than half have."""
    said = decisions(task, shares)[0]
    if task.kind != "multi_label":
        return task.classes[int(said[0])]
    return ";".join(label for label, has in zip(task.classes, said, strict=True) if has) or "none"

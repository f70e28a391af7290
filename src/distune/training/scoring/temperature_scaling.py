"""A temperature that is fitted on the dev split and makes probabilities honest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import MISSING, Task
from distune.training.scoring.metrics import SMALLEST_PROBABILITY, Floats, log_loss

LOWEST, HIGHEST = 0.05, 20.0


def with_temperature(probabilities: NDArray[np.floating[Any]], temperature: float) -> Floats:
    """softmax( log(p) / T ), (N, C): flatter for T above 1, sharper below; the predicted class stays."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def calibrated(task: Task, probabilities: NDArray[np.floating[Any]], temperature: float) -> Floats:
    """Probabilities (N, classes) at the temperature that was fitted on dev; what is predicted stays.

    A label's probability becomes sigmoid( logit(p) / T ), with one temperature for all labels of a task.
    """
    if task.kind != "multi_label":
        return with_temperature(probabilities, temperature)
    pairs = np.stack([1 - probabilities, probabilities], axis=-1).reshape(-1, 2)
    return with_temperature(pairs, temperature)[:, 1].reshape(probabilities.shape)


def fit_temperature(truth: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]) -> float:
    """The temperature with the smallest log loss, between 0.05 and 20.

    Args:
        truth: class indices of the dev split, (N,).
        probabilities: of the dev split, (N, C).

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """
    from scipy import optimize

    # On a logarithmic scale, so that halving and doubling count alike.
    found = optimize.minimize_scalar(
        lambda power: log_loss(truth, with_temperature(probabilities, math.exp(power))),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(float(found.x))


def exclusive_answers(
    task: Task, labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]
) -> list[tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]:
    """Truth and probabilities of exclusive classes, of the examples whose label is known: one entry a column.

    softmax( log(1 - p, p) / T ) is sigmoid( logit(p) / T ), so one temperature for all labels of a multi-label task is
    the one that is fitted on all of these entries together: the smallest binary cross entropy.

    Args:
        task: its kind.
        labels: its columns, (N, width); `MISSING` where one is not known.
        probabilities: (N, classes).
    """
    found = []
    for column, truth in enumerate(labels.T):
        known = truth != MISSING
        rows = probabilities[known]
        if task.kind == "multi_label":
            rows = np.stack([1 - rows[:, column], rows[:, column]], axis=1)
        found.append((truth[known], rows))
    return found


def task_temperature(
    task: Task, labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]
) -> float | None:
    """The temperature of a task with the smallest log loss, one for all labels of a multi-label task.

    Where every example is right, any sharper probability fits better still, so nothing can be fitted and the
    temperature is 1.

    Args:
        task: its kind.
        labels: its columns on the dev split, (N, width); `MISSING` where one is not known.
        probabilities: of the dev split, (N, classes).

    Returns:
        None where no label is known.
    """
    answers = exclusive_answers(task, labels, probabilities)
    truth, rows = (np.concatenate(values) for values in zip(*answers, strict=True))
    if not len(truth):
        return None
    return 1.0 if (rows.argmax(axis=1) == truth).all() else fit_temperature(truth, rows)

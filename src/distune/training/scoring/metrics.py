"""How good the predictions of one task with exclusive classes are.

Macro F1 is the mean over the classes that occur in the truth or among the predictions, as in scikit-learn
with `labels` left open: a class of the train split that a small split lacks, and that is never predicted,
neither helps nor hurts; one that is predicted without occurring counts as 0. A ratio with an empty denominator
is 0 (`zero_division=0`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import Task

CALIBRATION_BINS = 15
SMALLEST_PROBABILITY = 1e-15
THRESHOLD = 0.5
"""Probability above which a label of a multi-label task is predicted."""

Floats = NDArray[np.float64]


def decisions(task: Task, probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Predicted classes as they stand in the columns of a table's labels.

    Args:
        task: its kind.
        probabilities: (N, classes).

    Returns:
        (N, 1) with the index of the most probable class, the first of equals; (N, classes) of 0 and 1 for a multi-label
        task.
    """
    if task.kind == "multi_label":
        return np.asarray(probabilities > THRESHOLD, np.int64)
    return np.asarray(probabilities.argmax(axis=1)[:, None], np.int64)


def confusion_matrix(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Counts the pairs of true and predicted class.

    Args:
        truth: class indices, (N,).
        predicted: class indices, (N,).
        classes: number of classes C; every index is below it.

    Returns:
        Counts of shape (C, C): row = truth, column = prediction.
    """
    for name, values in (("truth", truth), ("prediction", predicted)):
        if values.size and (values.min() < 0 or values.max() >= classes):
            raise ValueError(f"{name} holds a class index outside 0..{classes - 1}")
    counts = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1(confusion: NDArray[Any]) -> Floats:
    """Mean F1 over the classes that occur in the truth or among the predictions.

    Args:
        confusion: counts (or non-negative weights) of shape (..., C, C), row = truth.

    Returns:
        Shape (...); 0 where there is no example at all.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return mean_f1(hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def mean_f1(hits: NDArray[Any], mentions: NDArray[Any]) -> Floats:
    """Macro F1 from counts or non-negative weights.

    Args:
        hits: how often each class was predicted rightly, (..., C).
        mentions: how often it occurs in the truth, plus how often it was predicted, (..., C).

    Returns:
        Mean of 2 hits / mentions over the classes with mentions, shape (...); 0 where there are none.
    """
    f1 = ratio(2 * hits, mentions)
    return ratio(f1.sum(axis=-1), (np.asarray(mentions) > 0).sum(axis=-1))


def calibration_error(truth: NDArray[np.int64], probabilities: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error of the predicted class, over bins of equal width (Guo et al., 2017).

    Args:
        truth: class indices, (N,).
        probabilities: (N, C).
        bins: number of bins between 0 and 1, see `calibration_bin`.

    Returns:
        sum_b n_b / N * |accuracy_b - mean confidence_b|, from 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    gaps = np.bincount(calibration_bin(confidence, bins), weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(truth))


def calibration_bin(confidence: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS) -> NDArray[np.int64]:
    """The number of the bin that each confidence lies in: bin b holds those in (b / bins, (b + 1) / bins]."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))


def log_loss(truth: NDArray[np.int64], probabilities: Floats) -> float:
    """Mean negative log probability (nats) of the true class; probabilities below 1e-15 count as 1e-15."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def ratio(above: NDArray[Any], below: NDArray[Any], *, empty: float = 0.0) -> Floats:
    """Element-wise above / below in float64.

    Args:
        above: counts or weights.
        below: none negative; broadcast with `above`.
        empty: the result where `below` is 0.
    """
    result: Floats = np.full(np.broadcast_shapes(above.shape, below.shape), empty)
    np.divide(above, below, out=result, where=np.asarray(below) > 0)
    return result

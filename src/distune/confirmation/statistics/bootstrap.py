"""Scores of whole resamples of the test cases, from counts a case instead of copies of examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distune.training.metrics import mean_f1

Floats = NDArray[np.float64]

RESAMPLES_AT_ONCE = 500


def seed_scores(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> Floats:
    """The score (mean over tasks of the macro F1) of each seed.

    Args:
        labels: true class indices, (N, tasks).
        predictions: predicted class indices, (seeds, N, tasks).

    Returns:
        Scores (seeds,).
    """
    everything = np.zeros(len(labels), dtype=np.int64)
    counts = _counts(labels, everything, predictions)
    scores: Floats = _scores(np.ones((1, 1), dtype=np.float32), counts, len(predictions))[0]
    return scores


def resampled_scores(
    labels: NDArray[np.int64],
    group_of: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Scores of two contenders on the same resamples of the cases.

    A resample draws as many cases as there are, with replacement, and takes all examples of each.

    Args:
        labels: true class indices, (N, tasks).
        group_of: number of each example's case, 0 to G - 1, (N,).
        first: predictions (seeds, N, tasks).
        second: predictions (other seeds, N, tasks) for the same examples.
        resamples: number of resamples R.
        seed: of the drawing.

    Returns:
        Scores of the first (R, seeds) and of the second (R, other seeds).
    """
    generator = np.random.default_rng(seed)
    groups = int(group_of.max()) + 1
    counts = [_counts(labels, group_of, predictions) for predictions in (first, second)]
    scores: tuple[list[Floats], list[Floats]] = ([], [])
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        weights = _draw(generator, min(RESAMPLES_AT_ONCE, resamples - start), groups)
        for found, count, predictions in zip(scores, counts, (first, second), strict=True):
            found.append(_scores(weights, count, len(predictions)))
    return np.concatenate(scores[0]), np.concatenate(scores[1])


def _draw(generator: np.random.Generator, resamples: int, groups: int) -> NDArray[np.float32]:
    """How often each case is in each resample, (R, G)."""
    drawn = generator.integers(0, groups, (resamples, groups))
    drawn += np.arange(resamples)[:, None] * groups
    counts = np.bincount(drawn.ravel(), minlength=resamples * groups)
    return counts.reshape(resamples, groups).astype(np.float32)


def _counts(
    labels: NDArray[np.int64], group_of: NDArray[np.int64], predictions: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """For each task the hits and mentions of every class in every case, (G, 2 * seeds * C)."""
    groups, seeds = int(group_of.max()) + 1, len(predictions)
    tables = []
    for task in range(labels.shape[1]):
        truth, predicted = labels[:, task], predictions[:, :, task]
        classes = int(max(truth.max(), predicted.max())) + 1
        cell = group_of * classes
        hits = np.empty((seeds, groups * classes))
        mentions = np.empty_like(hits)
        occurrences = np.bincount(cell + truth, minlength=groups * classes)
        for seed in range(seeds):
            is_hit = predicted[seed] == truth
            hits[seed] = np.bincount((cell + truth)[is_hit], minlength=groups * classes)
            mentions[seed] = occurrences + np.bincount(cell + predicted[seed], minlength=groups * classes)
        both = np.stack([hits, mentions]).reshape(2, seeds, groups, classes)
        # Counts stay far below 2^24, so sums in fp32 are exact.
        tables.append(both.transpose(2, 0, 1, 3).reshape(groups, -1).astype(np.float32))
    return tables


def _scores(weights: NDArray[np.float32], counts: list[NDArray[np.float32]], seeds: int) -> Floats:
    """Mean over tasks of the macro F1 with each row of weights (R, G), for each seed: (R, seeds)."""
    tasks = []
    for table in counts:
        sums = (weights @ table).reshape(len(weights), 2, seeds, -1)
        tasks.append(mean_f1(sums[:, 0], sums[:, 1]))
    return np.asarray(np.mean(tasks, axis=0), dtype=np.float64)

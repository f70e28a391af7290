"""Predictions of contenders whose true scores are known, to see how often the statistics of a confirmation hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASSES = (2, 5)
GAINS = {0: 0.0, 2: 0.0962, 5: 0.2593}
"""Points of score -> the shift of ability that brings them at the default level."""
DIFFICULTY, LIKING, LUCK = 0.7, 0.28, 0.35


@dataclass(frozen=True)
class World:
    """How predictions come about.

    An example is right where level + gain + difficulty of its case and its own + the contender's liking for its case
    and for it + luck of the training + luck of this training with this example is above 0. Everything is normal.

    Attributes:
        level: ability of the base; 1.2 scores about 0.84, 2.0 about 0.96.
        seed_noise: deviation of the luck of a training, common to all of its examples.
        images: most examples of a case, from one on, all equally likely.
        labels_by_case: all examples of a case have the same labels.
    """

    level: float = 1.2
    seed_noise: float = 0.08
    images: int = 8
    labels_by_case: bool = False

    def draw(
        self, generator: np.random.Generator, gains: tuple[float, ...], *, cases: int, seeds: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.int64]]]:
        """One data set and the predictions of each contender for it.

        Returns:
            Labels (N, tasks), the case of each example (N,), and for each contender predictions (seeds, N, tasks).
        """
        case_of = np.repeat(np.arange(cases), generator.integers(1, self.images + 1, cases))
        shape = (len(case_of), len(CLASSES))
        labels = np.stack([generator.choice(c, shape[0], p=_shares(c)) for c in CLASSES], axis=1)
        if self.labels_by_case:
            labels = labels[np.searchsorted(case_of, np.arange(cases))][case_of]

        def by_case_and_example(size: float) -> NDArray[np.float64]:
            return generator.normal(0, size, (cases, 1))[case_of] + generator.normal(0, size, shape)

        difficulty = by_case_and_example(DIFFICULTY)
        found = []
        for gain in gains:
            ability = self.level + gain + difficulty + by_case_and_example(LIKING)
            luck = generator.normal(0, self.seed_noise, (seeds, 1, 1))
            luck = luck + generator.normal(0, LUCK, (seeds, *shape))
            shifts = np.stack([generator.integers(1, c, (seeds, shape[0])) for c in CLASSES], axis=2)
            wrong = (labels + shifts) % np.array(CLASSES)
            found.append(np.where(ability + luck > 0, labels, wrong))
        return labels, case_of, found

    def true_score(self, gain: float = 0.0) -> float:
        """The score of very many cases and trainings, in closed form.

        Each example is right with the same probability a, whatever its class; a wrong one is any of the other classes.
        So a class of share q is predicted in a share q a + (1 - q) (1 - a) / (C - 1) of examples, and its F1 follows.
        """
        from scipy import stats

        spread = math.sqrt(2 * DIFFICULTY**2 + 2 * LIKING**2 + LUCK**2 + self.seed_noise**2)
        right = float(stats.norm.cdf((self.level + gain) / spread))
        scores = []
        for classes in CLASSES:
            shares = _shares(classes)
            predicted = shares * right + (1 - shares) * (1 - right) / (classes - 1)
            scores.append(float((2 * shares * right / (shares + predicted)).mean()))
        return float(np.mean(scores))


def _shares(classes: int) -> NDArray[np.float64]:
    weights = np.arange(classes, 0, -1.0)
    return np.asarray(weights / weights.sum())

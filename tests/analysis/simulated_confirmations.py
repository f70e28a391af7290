"""Confirmations whose truth is known, with the comparisons that `distune confirm` makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distune.confirmation.statistics.comparisons import Pair, comparisons, planned
from distune.confirmation.statistics.files import Judged
from distune.confirmation.statistics.scores import Answers
from distune.confirmation.statistics.significance import Contender
from distune.data.table import Task

CLASSES = (2, 5)
SEEDS = 5
GAIN = 0.24  # in the latent units of `simulated`: 5 points of score, held by a test
PLANNED = [
    {"name": "best", "kind": "trial", "rank": 1, "is_base": False},
    {"name": "second", "kind": "trial", "rank": 2, "is_base": False},
    {"name": "third", "kind": "trial", "rank": 3, "is_base": False},
    {"name": "base", "kind": "base", "rank": None, "is_base": True},
    {"name": "alone", "kind": "student_alone", "rank": None, "is_base": False},
    {"name": "teacher", "kind": "teacher", "rank": None, "is_base": False},
]
BASELINES = ["majority", "text", "image", "both", "other"]


def simulated(
    seed: int, gains: tuple[float, ...], *, cases: int = 100, noise_of_seeds: float = 0.08, seeds: int = SEEDS
) -> tuple[np.ndarray, list[str], list[Contender]]:
    """Test predictions of several contenders.

    An example is right where base + gain + difficulty of its case and its own + the contender's liking for its case and
    for it + luck of the training with this seed + luck of this seed with this example is positive. One to three
    examples a case. The default seeds give scores a standard deviation of about 1.5 points.
    """
    generator = np.random.default_rng(seed)
    case_of = np.repeat(np.arange(cases), generator.integers(1, 4, cases))
    shape = (len(case_of), len(CLASSES))
    labels = np.stack([generator.choice(c, shape[0], p=_frequencies(c)) for c in CLASSES], axis=1)

    def by_case_and_example(size: float) -> np.ndarray:
        return generator.normal(0, size, (cases, 1))[case_of] + generator.normal(0, size, shape)

    difficulty = by_case_and_example(0.7)
    contenders = []
    for number, gain in enumerate(gains):
        ability = 1.2 + gain + difficulty + by_case_and_example(0.28)
        luck = generator.normal(0, noise_of_seeds, (seeds, 1, 1)) + generator.normal(0, 0.35, (seeds, *shape))
        shifts = np.stack([generator.integers(1, c, (seeds, shape[0])) for c in CLASSES], axis=2)
        wrong = (labels[None] + shifts) % np.array(CLASSES)
        predicted = np.where(ability + luck > 0, labels[None], wrong)
        contenders.append(Contender(str(number), predicted, tuple(range(seeds))))
    return labels, [str(case) for case in case_of], contenders


def _frequencies(classes: int) -> np.ndarray:
    weights = np.arange(classes, 0, -1.0)
    return weights / weights.sum()


def confirmed(
    seed: int,
    gains: dict[str, float],
    *,
    cases: int,
    noise_of_seeds: float = 0.08,
    far: float = 0.0,
    pairs: Sequence[Pair] | None = None,
) -> list[dict[str, Any]]:
    """The comparisons of a confirmation of three trials: all that are planned, or some.

    Args:
        seed: of the simulation.
        gains: of contenders over the base.
        cases: of the test split.
        noise_of_seeds: as in `simulated`.
        far: how much worse than the base the baselines are.
        pairs: the comparisons to make.
    """
    names = [about["name"] for about in PLANNED]
    levels = tuple(gains.get(name, 0.0) for name in names) + (-far,) * len(BASELINES)
    labels, groups, contenders = simulated(seed, levels, cases=cases, noise_of_seeds=noise_of_seeds)
    answers = {
        name: _answers(name, labels, groups, each.predictions[: 1 if name in BASELINES else SEEDS])
        for name, each in zip([*names, *BASELINES], contenders, strict=True)
    }
    answers |= {pair.second: answers[pair.second.split()[0]] for pair in pairs or []}
    return comparisons(planned(PLANNED, BASELINES) if pairs is None else pairs, answers, "test", seed=seed)[0]


def _answers(name: str, labels: np.ndarray, groups: list[str], predictions: np.ndarray) -> Answers:
    tasks = tuple(Task(f"task {c}", tuple(map(str, range(c)))) for c in CLASSES)
    judged = tuple(
        Judged(
            ids=tuple(map(str, range(len(labels)))),
            groups=tuple(groups),
            tasks=tasks,
            labels=labels,
            probabilities=tuple(np.eye(c)[one[:, column]] for column, c in enumerate(CLASSES)),
        )
        for one in predictions
    )
    return Answers(name, tuple(range(len(predictions))), {"test": judged})

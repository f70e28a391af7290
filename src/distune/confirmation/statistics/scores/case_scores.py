"""The score of every training, whatever it is, on all cases and without each of them.

The macro F1 comes from counts by case. Other scores, such as an area under a curve, have none: they are computed again
under weights that leave one case out after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import Interval, interval_of
from distune.confirmation.statistics.inference.pseudovalues import Counts, counts_by_case
from distune.data.table import MISSING, Task, exclusive_tasks, label_columns
from distune.training.files.prediction_files import SplitPredictions
from distune.training.scoring.metrics import mean_f1
from distune.training.scoring.weighted_scores import lowest_score, weighted_mean_score, weighted_task_score

Floats = NDArray[np.float64]
AREAS = ("auroc", "average_precision")
"""Scores that have no value where no example, or every one, has the class."""
LARGEST_WEIGHTS = 4_000_000
"""Weights that are held at once: 32 MB."""


@dataclass(frozen=True)
class CaseScores:
    """A score of every training.

    Attributes:
        values: on all G cases, (seeds,).
        without: without each of the cases, (G, seeds).
        lowest: no such score can lie below it; the highest is 1.
        rests_on_one_case: a single case decides whether the score is defined, so that no interval is known.
    """

    values: Floats
    without: Floats
    lowest: float = 0.0
    rests_on_one_case: bool = False

    @property
    def pseudovalues(self) -> Floats:
        """Of each case and seed, (G, seeds); see `distune.confirmation.statistics.inference.pseudovalues`."""
        cases = len(self.without)
        return np.asarray(cases * self.values - (cases - 1) * self.without)

    def interval(self) -> Interval:
        """The mean over the seeds with its 95 % interval over cases and seeds."""
        found = interval_of(self.values, self.pseudovalues, self.lowest)
        return replace(found, low=None, high=None) if self.rests_on_one_case else found


TaskMetric = Callable[[Sequence[Counts]], Floats]
"""From the counts of each of a task's columns to values of shape (..., seeds)."""


@dataclass(frozen=True)
class TaskAnswers:
    """What the trainings of one contender answer for one task, on the same examples.

    Attributes:
        task: of which a label is known.
        labels: its columns, (N, width).
        cases: number of each example's case, 0 to G - 1, (N,).
        probabilities: one array (N, classes) a seed.
        counts: by case, of each of its columns of which a label is known, by their names.
    """

    task: Task
    labels: NDArray[np.int64]
    cases: NDArray[np.int64]
    probabilities: Sequence[Floats]
    counts: Mapping[str, Counts]

    def score(self) -> CaseScores:
        """The score that the task counts with."""
        if self.task.score == "macro_f1":
            return self.macro_f1()
        scores = [self._without_each(rows) for rows in self.probabilities]
        return CaseScores(
            np.array([value for value, _ in scores]),
            np.stack([without for _, without in scores], axis=1),
            lowest_score([self.task]),
            self.task.score in AREAS and self._has_class_in_one_case(),
        )

    def _has_class_in_one_case(self) -> bool:
        """Whether one of the several classes of a column is in a single case."""
        for part, column in zip(exclusive_tasks(self.task), self.labels.T, strict=True):
            cases = [len(np.unique(self.cases[column == number])) for number in range(len(part.classes))]
            if 1 in cases and sum(cases) > 1:
                return True
        return False

    def macro_f1(self) -> CaseScores:
        """Over the classes, or over the labels of a multi-label task of the F1 of having them."""
        return self.counted(_of_labels if self.task.kind == "multi_label" else _of_classes)

    def counted(self, metric: TaskMetric) -> CaseScores:
        """A metric of predicted classes."""
        columns = list(self.counts.values())
        return CaseScores(
            metric([each.summed() for each in columns]), metric([each.without_each() for each in columns])
        )

    def of_class(self, number: int) -> tuple[Counts, int]:
        """The counts that a class is in, and its place in them; a label is the class yes of counts of its own."""
        if self.task.kind == "multi_label":
            return self.counts[f"{self.task.name}: {self.task.classes[number]}"], 1
        return self.counts[self.task.name], number

    def _without_each(self, rows: Floats) -> tuple[float, Floats]:
        """A training's score on all cases and without each; where the others do not define it, that on all."""
        cases = int(self.cases.max()) + 1
        at_once = max(1, LARGEST_WEIGHTS // len(self.cases))
        parts = [np.ones((1, len(self.cases)))]
        parts += [
            (np.arange(start, min(start + at_once, cases))[:, None] != self.cases).astype(np.float64)
            for start in range(0, cases, at_once)
        ]
        whole, *without = (weighted_task_score(self.task, self.labels, rows, part) for part in parts)
        found = np.concatenate(without)
        return float(whole[0]), np.where(np.isfinite(found), found, whole[0])


def task_answers(scored: Sequence[SplitPredictions]) -> list[TaskAnswers]:
    """The answers to each task of which a label is known.

    Args:
        scored: one model a seed, on the same examples.
    """
    first = scored[0]
    cases = np.unique(np.asarray(first.groups), return_inverse=True)[1]
    found = []
    for place, (task, columns) in enumerate(zip(first.tasks, label_columns(first.tasks), strict=True)):
        labels = first.labels[:, columns]
        if (labels == MISSING).all():
            continue
        predictions = np.stack([one.predictions[:, columns] for one in scored])
        parts = exclusive_tasks(task)
        names = [part.name for part, column in zip(parts, labels.T, strict=True) if (column != MISSING).any()]
        counts = counts_by_case(labels, cases, predictions, [len(part.classes) for part in parts])
        found.append(
            TaskAnswers(
                task,
                labels,
                cases,
                [one.probabilities[place] for one in scored],
                dict(zip(names, counts, strict=True)),
            )
        )
    return found


def overall(answers: Sequence[TaskAnswers]) -> CaseScores:
    """The score that was tuned: the mean over the tasks of their scores, weighted where the tasks are."""
    scores, tasks = [each.score() for each in answers], [each.task for each in answers]
    return CaseScores(
        weighted_mean_score([each.values for each in scores], tasks),
        weighted_mean_score([each.without for each in scores], tasks),
        lowest_score(tasks),
        len(scores[0].without) < 2 or any(each.rests_on_one_case for each in scores),
    )


def _of_classes(columns: Sequence[Counts]) -> Floats:
    """Macro F1 over exclusive classes."""
    (one,) = columns
    return mean_f1(one.hits, one.occurred + one.predicted)


def _of_labels(columns: Sequence[Counts]) -> Floats:
    """Macro F1 over labels, of having them."""
    hits = np.stack([each.hits[..., 1] for each in columns], axis=-1)
    mentions = np.stack([(each.occurred + each.predicted)[..., 1] for each in columns], axis=-1)
    return mean_f1(hits, mentions)

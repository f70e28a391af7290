"""What training minimises: the cross entropy with the labels, and for a student the distillation loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from distune.config import DistillationConfig, TrainingConfig
from distune.data.table import MISSING, Task, exclusive_tasks
from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import exclusive_weights, weighted_sum
from distune.distillation.ordinal import ordinal_loss
from distune.models.answers import as_exclusive
from distune.models.outputs import ModelOutput


@dataclass(frozen=True)
class ObjectiveTerms:
    """The parts of the objective for one batch, fp32 scalars.

    Attributes:
        total: what is minimised, with the fusion's penalty.
        cross_entropy: sum over the tasks, without alpha.
        distillation: the distillation term with its weights; 0 without a loss.
    """

    total: Tensor
    cross_entropy: Tensor
    distillation: Tensor


class Objective(nn.Module):
    """The sum that is minimised; its parameters are those of the loss, to be trained with the student.

    Formula:
        alpha * sum_tasks mean_batch k w[y] L(z_s, y) / share + distillation loss + penalty of the student's fusion

    L is the cross entropy, and that over the thresholds (`ordinal_loss`) for a task whose classes have an order. A
    multi-label task counts as one task of the classes no and yes for each of its K labels, with the weight 1 / K, here
    and in every distillation loss.

    alpha is 1 without a distillation loss (the teacher's own training). w are the class weights, 1 by default; the mean
    divides by the number of examples, not by the sum of their weights, so a batch that is split into equal parts
    gives the same sum. k is 1 for an example with a label of the task and 0 for one without; share is how many of the
    train examples have one, so that over an epoch the term is the mean over those that have. Label smoothing is that of
    Szegedy et al., 2016.

    Args:
        config: alpha, and the weights that the loss already took.
        training: label smoothing.
        loss: the distillation loss; None trains on the labels alone.
        class_weights: one tensor (classes,) a column of the labels; None weights all classes alike.
        label_shares: share of the train examples with a label, by column; None where all have all.
        tasks: of the logits; None where all have exclusive classes without an order.
    """

    def __init__(
        self,
        config: DistillationConfig,
        training: TrainingConfig,
        loss: DistillationLoss | None = None,
        class_weights: tuple[Tensor, ...] | None = None,
        label_shares: tuple[float, ...] | None = None,
        tasks: Sequence[Task] = (),
    ):
        super().__init__()
        self.alpha = config.alpha if loss is not None else 1.0
        self.label_smoothing = training.label_smoothing
        self.loss = loss
        self.label_shares = label_shares
        self.tasks = tuple(tasks)
        self.ordinal = tuple(task.kind == "ordinal" for each in tasks for task in exclusive_tasks(each))
        self.task_weights = exclusive_weights(tasks)
        self.has_class_weights = class_weights is not None
        for task, weights in enumerate(class_weights or ()):
            self.register_buffer(f"class_weights_{task}", weights.float())

    def forward(
        self,
        student: ModelOutput,
        labels: Tensor,
        teacher: ModelOutput | None = None,
        index: Tensor | None = None,
    ) -> ObjectiveTerms:
        """The objective of one batch.

        Args:
            student: outputs of the model that is trained, for B examples.
            labels: the table's columns, int64 (B, columns); `MISSING` where one is not known.
            teacher: the teacher's outputs for the same examples; needed where the loss uses them.
            index: position of each example in the train split, int64 (B,); needed with a loss.

        Returns:
            The total and its parts.
        """
        student = as_exclusive(student, self.tasks)
        cross_entropy = self._cross_entropy(student, labels)
        distillation = torch.zeros_like(cross_entropy)
        if self.loss is not None and self.loss.uses_teacher:
            if teacher is None or index is None:
                raise ValueError(f"{type(self.loss).__name__} needs the teacher's outputs and the index")
            distillation = self.loss(student, as_exclusive(teacher, self.tasks), labels, index)
        total = self.alpha * cross_entropy + distillation
        if student.penalty is not None:
            total = total + student.penalty.float()
        return ObjectiveTerms(total, cross_entropy, distillation)

    def _cross_entropy(self, student: ModelOutput, labels: Tensor) -> Tensor:
        terms = [self._of_task(task, logits, labels[:, task]) for task, logits in enumerate(student.logits)]
        return weighted_sum(terms, self.task_weights)

    def _of_task(self, task: int, logits: Tensor, truth: Tensor) -> Tensor:
        # Rows without a label are weighted by 0: choosing the others would make the device wait for their number.
        known = truth if self.label_shares is None else truth.clamp_min(0)
        weights = self.get_buffer(f"class_weights_{task}") if self.has_class_weights else None
        if self.ordinal and self.ordinal[task]:
            each = ordinal_loss(logits.float(), known, label_smoothing=self.label_smoothing)
            each = each if weights is None else each * weights[known]
        else:
            each = F.cross_entropy(
                logits.float(),
                known,
                weight=weights,
                label_smoothing=self.label_smoothing,
                reduction="none",
            )
        if self.label_shares is None:
            return each.mean()
        return (each * (truth != MISSING)).mean() / self.label_shares[task]


def balanced_class_weights(labels: NDArray[np.int64], classes: Sequence[int]) -> tuple[Tensor, ...]:
    """Weights by the inverse of each class's frequency, with a mean of 1 over the examples.

    Args:
        labels: of the train split, (N, columns); `MISSING` where one is not known.
        classes: number of classes of each column, two where it is a label of a multi-label task.

    Returns:
        For each column N / (C * count_c) over the examples with a label, a tensor (C,); a class without an example
        counts as having one.
    """
    weights = []
    for column, count in enumerate(classes):
        known = labels[labels[:, column] != MISSING, column]
        occurrences = np.maximum(np.bincount(known, minlength=count), 1)
        weights.append(torch.from_numpy(len(known) / (count * occurrences)).float())
    return tuple(weights)


def label_shares(labels: NDArray[np.int64]) -> tuple[float, ...] | None:
    """Share of the examples with a label, by column; None where all have all.

    Args:
        labels: of the examples that are trained on, (N, columns); `MISSING` where one is not known.
    """
    shares = (labels != MISSING).mean(axis=0)
    return None if (shares == 1.0).all() else tuple(shares.tolist())

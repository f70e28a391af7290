"""`dist`: correlations instead of equal probabilities."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import weighted_sum
from distune.models.outputs import ModelOutput

FEWEST = 3
TINY = 1e-8


class CorrelationLoss(DistillationLoss):
    """Matches the teacher's preferences among the classes of an example, and among the examples of a class.

    Formula, with p = softmax(z / T) and Pearson's correlation rho:
        beta / 100 * SCALE * sum_tasks [ mean_examples( 1 - rho(p_s row, p_t row) )
                                         + mean_classes( 1 - rho(p_s column, p_t column) ) ]

    No T^2 here: a correlation does not change when the probabilities flatten, so its gradient keeps its size by itself,
    and the factor would make T a second weight.

    Shapes: logits (B, classes) a task. Weights: beta; both parts alike as in the paper; SCALE = 1. The correlation of
    two numbers is only ever -1 or 1 and has no gradient, so tasks of two classes have no first part and batches of
    fewer than three no second. Zero where the probabilities agree up to a positive scale and an offset.

    Source: Huang, You, Wang, Qian, Xu, "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022.
    """

    couples_batch: ClassVar[bool] = True

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted correlations, summed over the tasks."""
        terms = []
        for ours, theirs in zip(student.logits, teacher.logits, strict=True):
            ours, theirs = F.softmax(ours / self.T, dim=1), F.softmax(theirs / self.T, dim=1)
            terms.append(row_disagreement(ours, theirs) + row_disagreement(ours.T, theirs.T))
        return self.weight * self.SCALE * weighted_sum(terms, self.task_weights)


def row_disagreement(first: Tensor, second: Tensor) -> Tensor:
    """Mean over the rows of 1 - Pearson's correlation, from (R, K) each; 0 for K < 3."""
    if first.shape[1] < FEWEST:
        return 0.0 * first.sum()
    first = first - first.mean(dim=1, keepdim=True)
    second = second - second.mean(dim=1, keepdim=True)
    return (1 - F.cosine_similarity(first, second, dim=1, eps=TINY)).mean()

"""`logit_standardisation`: the teacher's softened ranking, free of its magnitude."""

from __future__ import annotations

from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import divergence, weighted_sum
from distune.models.outputs import ModelOutput

FEWEST_CLASSES = 3
TINY = 1e-6


class StandardisedLogitsLoss(DistillationLoss):
    """Matches the softened probabilities of logits that were standardised example by example.

    Formula:
        beta / 100 * SCALE * sum_tasks T^2 * KL( softmax(Z(z_t) / T) || softmax(Z(z_s) / T) ), mean over the batch
        Z(z) = (z - mean(z)) / std(z) over the classes, std with the denominator C

    Two logits standardise to -1 and 1 whatever they are, without a gradient; a task of two classes therefore keeps its
    plain logits, which is `vanilla`.

    Shapes: logits (B, classes) a task. Weights: beta; SCALE = 1. Zero where the student's logits are the teacher's
    times a positive number plus an offset (two classes: plus an offset).

    Source: Sun, Ren, Li, Wang, Cao, "Logit Standardization in Knowledge Distillation", CVPR 2024.
    """

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted divergence, summed over the tasks."""
        pairs = zip(student.logits, teacher.logits, strict=True)
        terms = [
            divergence(standardised(ours) / self.T, standardised(theirs) / self.T) for ours, theirs in pairs
        ]
        return self.weight * self.SCALE * self.T**2 * weighted_sum(terms, self.task_weights)


def standardised(logits: Tensor) -> Tensor:
    """Rows of (B, C) with mean 0 and standard deviation 1; unchanged for C < 3; zeros for equal logits."""
    if logits.shape[1] < FEWEST_CLASSES:
        return logits
    centred = logits - logits.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + TINY**2).sqrt()

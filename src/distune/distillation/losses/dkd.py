"""`dkd`: the target's probability and the others' apart."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distune.data.table import MISSING
from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import divergence, weighted_sum
from distune.models.outputs import ModelOutput

OTHERS_WEIGHT = 8.0
EXCLUDED = -1e9


class DecoupledLoss(DistillationLoss):
    """Matches how sure the teacher is of the true class, and apart from it how it ranks the other classes.

    Formula, with the true class y:
        beta / 100 * SCALE * sum_tasks T^2 * ( KL( b_t || b_s ) + 8 KL( q_t || q_s ) ), mean over the batch
        b = (p_y, 1 - p_y) with p = softmax(z / T);  q = softmax(z / T) over the classes other than y

    Shapes: logits (B, classes) a task. Weights: beta; 1 : 8 as in the paper; SCALE = 0.2. A task of two classes has no
    second term. For an example without a label y is the class that the teacher thinks most likely. Zero where the
    softened probabilities are equal.

    Source: Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", CVPR 2022.
    """

    SCALE: ClassVar[float] = 0.2

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted divergences, summed over the tasks."""
        terms = [
            decoupled_divergence(ours / self.T, theirs / self.T, target_class(labels[:, task], theirs))
            for task, (ours, theirs) in enumerate(zip(student.logits, teacher.logits, strict=True))
        ]
        return self.weight * self.SCALE * self.T**2 * weighted_sum(terms, self.task_weights)


def target_class(labels: Tensor, teacher: Tensor) -> Tensor:
    """The true classes, (B,); the teacher's (logits (B, C)) most likely ones where the labels are `MISSING`."""
    return torch.where(labels == MISSING, teacher.argmax(1), labels)


def decoupled_divergence(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
    """KL of (target, rest) plus 8 times the KL among the rest.

    Args:
        student: softened logits, (B, C).
        teacher: softened logits, (B, C).
        target: true classes, int64 (B,).

    Returns:
        A scalar of at least 0, mean over the batch.
    """
    is_target = target[:, None] == torch.arange(student.shape[1], device=target.device)
    pairs = (_target_against_rest(logits, target, is_target) for logits in (student, teacher))
    of_target = divergence(*pairs)
    # -1e9 rather than -inf: the excluded class then adds exactly 0 to the divergence instead of 0 * inf.
    others = divergence(student.masked_fill(is_target, EXCLUDED), teacher.masked_fill(is_target, EXCLUDED))
    return of_target + OTHERS_WEIGHT * others


def _target_against_rest(logits: Tensor, target: Tensor, is_target: Tensor) -> Tensor:
    """Two logits whose softmax is (p_y, 1 - p_y), (B, 2)."""
    rest = torch.logsumexp(logits.masked_fill(is_target, EXCLUDED), dim=1)
    return torch.stack([logits.gather(1, target[:, None]).squeeze(1), rest], dim=1)

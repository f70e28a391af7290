"""`vanilla`: the teacher's softened probabilities."""

from __future__ import annotations

from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import softened_divergence
from distune.models.outputs import ModelOutput


class VanillaLoss(DistillationLoss):
    """Matches the softened class probabilities of each task.

    Formula:
        beta / 100 * sum_tasks T^2 * KL( softmax(z_t / T) || softmax(z_s / T) ), mean over the batch.

    Shapes: logits (B, classes) a task. Weights: beta; T^2 keeps the gradient's size when T changes. Zero where the
    softened probabilities are equal.

    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted divergence, summed over the tasks."""
        return self.weight * softened_divergence(student, teacher, self.T, self.task_weights)

"""`similarity_preserving`: which examples of a batch resemble each other."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import feature_pairs, mean_or_zero, unit
from distune.models.outputs import ModelOutput


class SimilarityPreservingLoss(DistillationLoss):
    """Matches the similarities between the examples of a batch.

    Formula:
        beta / 100 * SCALE * sum_{image, text} 1 / B * | G_s - G_t |_F^2,  G = rows of H H^T scaled to length 1

    The paper divides by B^2; dividing by B, the number of rows, keeps the weight when the batch size changes.

    Shapes: features H (B, student_dim) and (B, teacher_dim); the widths may differ, nothing is learned. Weights: beta;
    SCALE = 4. No term in a batch of one. Zero where the features are equal, turned or scaled. T has no effect.

    Source: Tung, Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019.
    """

    SCALE: ClassVar[float] = 4.0
    ignores: ClassVar[frozenset[str]] = frozenset({"T"})
    couples_batch: ClassVar[bool] = True
    compares_features: ClassVar[bool] = True

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted difference of the similarities, summed over the modalities."""
        terms = [
            mean_or_zero((unit(ours @ ours.T) - unit(theirs @ theirs.T)).square().sum(dim=1))
            for ours, theirs in feature_pairs(student, teacher)
        ]
        return self.weight * self.SCALE * torch.stack(terms).sum()

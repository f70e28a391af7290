"""`mmd`: the distribution of the features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distune.config import DistillationConfig
from distune.distillation.base import DistillationLoss, LossShapes
from distune.distillation.loss_parts import Regressors, unit
from distune.models.outputs import ModelOutput

SMALLEST_BANDWIDTH = 1e-6


class DiscrepancyLoss(DistillationLoss):
    """Matches the distribution of the features, whatever example each of them belongs to.

    Formula:
        beta / 100 * SCALE * sum_{image, text} MMD^2( unit(R(h_s)), unit(h_t) )
        MMD^2 = 1 / (B (B - 1)) sum_{i != j} [ k(s_i, s_j) + k(t_i, t_j) - k(s_i, t_j) - k(s_j, t_i) ]
        k(x, y) = exp( -|x - y|^2 / m ),  m = median of |x - y|^2 over all pairs of the 2 B features, without gradient

    Leaving out i = j everywhere makes the estimate unbiased although s_i and t_i come from the same example
    (Gretton's equation 4), and exactly 0 where student and teacher agree; it can fall a little below 0.

    Shapes: features (B, student_dim) and (B, teacher_dim); R is a linear map to the teacher's width, one a modality,
    trained with the student. Weights: beta; SCALE = 3. No term in a batch of one. T has no effect.

    Source: Gretton et al., "A Kernel Two-Sample Test", JMLR 2012; Huang, Wang, "Like What You Like: Knowledge Distill
    via Neuron Selectivity Transfer", 2017.
    """

    SCALE: ClassVar[float] = 3.0
    ignores: ClassVar[frozenset[str]] = frozenset({"T"})
    couples_batch: ClassVar[bool] = True
    compares_features: ClassVar[bool] = True

    def __init__(self, config: DistillationConfig, shapes: LossShapes):
        super().__init__(config, shapes)
        self.regressors = Regressors(shapes)

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted discrepancy, summed over the modalities."""
        pairs = self.regressors(student, teacher)
        terms = [discrepancy(unit(ours), unit(theirs)) for ours, theirs in pairs]
        return self.weight * self.SCALE * torch.stack(terms).sum()


def discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy between two sets of B paired vectors, (B, D) each; 0 for B = 1."""
    count = len(first)
    if count < 2:
        return 0.0 * first.sum()
    both = torch.cat([first, second])
    # From differences, not from dot products: near ones would lose their digits in fp32.
    squared = (both[:, None, :] - both[None, :, :]).square().sum(dim=-1)
    above = torch.triu_indices(2 * count, 2 * count, offset=1, device=first.device)
    median = squared.detach()[above[0], above[1]].quantile(0.5).clamp_min(SMALLEST_BANDWIDTH)
    kernel = torch.exp(-squared / median)
    within, across = kernel[:count, :count] + kernel[count:, count:], kernel[:count, count:]
    # Off the diagonal only: an example and itself, or its own other half, say nothing about two distributions.
    gaps = within - across - across.T
    return (gaps.sum() - gaps.diagonal().sum()) / (count * (count - 1))

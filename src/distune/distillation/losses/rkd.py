"""`rkd`: distances and angles between the examples of a batch."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import feature_pairs
from distune.models.outputs import ModelOutput

ANGLE_WEIGHT = 2.0
TINY = 1e-12


class RelationalLoss(DistillationLoss):
    """Matches how far apart examples are, and the angles in their triplets.

    Formula:
        beta / 100 * SCALE * sum_{image, text} ( L_distance + 2 L_angle )
        L_distance = mean_{i < j} huber( |s_i - s_j| / mu_s - |t_i - t_j| / mu_t ),  mu = mean_{i < j} of the distances
        L_angle = mean_{i, j, k different} huber( cos angle(s_i, s_j, s_k) - cos angle(t_i, t_j, t_k) ), vertex at j
        huber(x) = x^2 / 2 where |x| <= 1, else |x| - 1/2

    Shapes: features (B, student_dim) and (B, teacher_dim); the widths may differ, nothing is learned. Weights: beta;
    1 : 2 between distance and angle and SCALE = 25, which are the paper's 25 and 50. A batch of two has no
    angle, and of one no term. Zero where the student's features are the teacher's, moved, turned or scaled. T has no
    effect.

    Source: Park, Kim, Lu, Cho, "Relational Knowledge Distillation", CVPR 2019.
    """

    SCALE: ClassVar[float] = 25.0
    ignores: ClassVar[frozenset[str]] = frozenset({"T"})
    couples_batch: ClassVar[bool] = True
    compares_features: ClassVar[bool] = True

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted relations, summed over the modalities."""
        terms = [
            distance_term(ours, theirs) + ANGLE_WEIGHT * angle_term(ours, theirs)
            for ours, theirs in feature_pairs(student, teacher)
        ]
        return self.weight * self.SCALE * torch.stack(terms).sum()


def distance_term(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber distance between the pairwise distances, each divided by their mean; 0 for fewer than two examples."""
    if len(student) < 2:
        return 0.0 * student.sum()
    return F.smooth_l1_loss(_distances(student), _distances(teacher))


def angle_term(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber distance between the cosines of all triplets of different examples; 0 for fewer than three."""
    count = len(student)
    if count < 3:
        return 0.0 * student.sum()
    triplets = _triplets(count, student.device)
    ours, theirs = (_cosines(features).flatten().index_select(0, triplets) for features in (student, teacher))
    return F.smooth_l1_loss(ours, theirs)


def _triplets(count: int, device: torch.device) -> Tensor:
    """Places of all (j, i, k) with three different numbers in a flattened cube of side `count`, in their order.

    They are counted rather than found by a mask: how many places a mask has, the host would have to wait for.
    """
    j = torch.arange(count, device=device)[:, None, None]
    i = torch.arange(count - 1, device=device)[None, :, None]
    i = i + (i >= j)
    k = torch.arange(count - 2, device=device)[None, None, :]
    k = k + (k >= torch.minimum(i, j))
    k = k + (k >= torch.maximum(i, j))
    return ((j * count + i) * count + k).flatten()


def _distances(features: Tensor) -> Tensor:
    first, second = torch.triu_indices(len(features), len(features), offset=1, device=features.device)
    distances = _length(features[first] - features[second])
    return distances / distances.mean().clamp_min(TINY)


def _cosines(features: Tensor) -> Tensor:
    """Cosine of the angle at j between i and k, (B, B, B) in the order j, i, k."""
    edges = features[None, :, :] - features[:, None, :]
    directions = edges / _length(edges)[:, :, None]
    return directions @ directions.transpose(1, 2)


def _length(edges: Tensor) -> Tensor:
    """Length of the last axis, with a gradient of 0 at 0: equal examples happen."""
    return (edges.square().sum(dim=-1) + TINY).sqrt()

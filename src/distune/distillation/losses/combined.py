"""`combined`: softened probabilities and features, and on request contrast; the loss of the classic MedPix study."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distune.config import DistillationConfig
from distune.distillation.base import DistillationLoss, LossShapes
from distune.distillation.loss_parts import Regressors, mean_or_zero, softened_divergence, unit
from distune.distillation.losses.crd import Contrast
from distune.models.outputs import ModelOutput


class CombinedLoss(DistillationLoss):
    """Matches the softened probabilities and the direction of the pooled features.

    Formula:
        sum_tasks T^2 * KL( softmax(z_t / T) || softmax(z_s / T) )
        + beta / 100 * SCALE * sum_{image, text} mean_dim ( unit(R(h_s)) - unit(h_t) )^2
        + gamma * CRD(h_s, h_t)

    Shapes: logits (B, classes) a task; h_s (B, student_dim), h_t (B, teacher_dim). R is a linear map to the teacher's
    width, one a modality, trained with the student; unit() is L2 normalisation. Weights: the divergence has weight 1,
    beta weights the features, gamma the contrast of `crd` (about as large as the cross entropy at gamma = 1; nothing is
    built at gamma = 0); SCALE = 100. `mean_dim` divides by the width: at beta = 100 and teacher widths of 256 to 512
    the feature term starts between 1.6 and 0.8. The first term is zero where the probabilities are equal, the second
    where R maps the student's directions on the teacher's.

    Source: Hinton et al., 2015 (probabilities); Romero et al., "FitNets", 2015 (features through a regressor); Tian et
    al., "Contrastive Representation Distillation", 2020 (contrast).
    """

    SCALE: ClassVar[float] = 100.0
    compares_features: ClassVar[bool] = True

    def __init__(self, config: DistillationConfig, shapes: LossShapes):
        super().__init__(config, shapes)
        self.regressors = Regressors(shapes)
        self.gamma = config.gamma
        self.contrast = Contrast(shapes) if config.gamma > 0 else None

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The three terms, added up."""
        pairs = self.regressors(student, teacher)
        features = torch.stack(
            [mean_or_zero((unit(ours) - unit(theirs)).square()) for ours, theirs in pairs]
        ).sum()
        total = (
            softened_divergence(student, teacher, self.T, self.task_weights)
            + self.weight * self.SCALE * features
        )
        if self.contrast is not None:
            total = total + self.gamma * self.contrast(student, teacher, index)
        return total

"""`none`: the labels only, the control that shows what distillation adds."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.models.outputs import ModelOutput


class NoLoss(DistillationLoss):
    """Learns nothing from the teacher: the term is 0, without a gradient.

    Formula:
        0. Shapes and weights: beta and T have no effect.

    Source: none needed; it is the control.
    """

    ignores: ClassVar[frozenset[str]] = frozenset({"beta", "T"})
    uses_teacher: ClassVar[bool] = False

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """Zero."""
        return student.logits[0].new_zeros(())

"""What the student learns from the teacher: the losses by name, and the objective that training minimises."""

from distune.components import LOSSES
from distune.distillation.base import DistillationLoss, LossShapes
from distune.distillation.compatibility import shared_modalities, undefined
from distune.distillation.objective import Objective, balanced_class_weights, label_shares

__all__ = [
    "LOSSES",
    "DistillationLoss",
    "LossShapes",
    "Objective",
    "balanced_class_weights",
    "label_shares",
    "shared_modalities",
    "undefined",
]

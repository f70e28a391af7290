"""What the student learns from the teacher: the losses by name, and the objective that training minimises."""

from distune.distillation.base import DistillationLoss, LossShapes
from distune.distillation.compatibility import shared_modalities, undefined
from distune.distillation.losses import LOSSES
from distune.distillation.objective import Objective, ObjectiveTerms, balanced_class_weights, label_shares

__all__ = [
    "LOSSES",
    "DistillationLoss",
    "LossShapes",
    "Objective",
    "ObjectiveTerms",
    "balanced_class_weights",
    "label_shares",
    "shared_modalities",
    "undefined",
]

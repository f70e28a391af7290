"""What the student learns from the teacher: the losses by name, and the objective that training minimises."""

from distune.distillation.attention_transfer import AttentionTransferLoss
from distune.distillation.base import DistillationLoss, LossShapes
from distune.distillation.combined import CombinedLoss
from distune.distillation.crd import ContrastiveLoss
from distune.distillation.dist import CorrelationLoss
from distune.distillation.dkd import DecoupledLoss
from distune.distillation.logit_standardisation import StandardisedLogitsLoss
from distune.distillation.mmd import DiscrepancyLoss
from distune.distillation.none import NoLoss
from distune.distillation.objective import Objective, ObjectiveTerms, balanced_class_weights
from distune.distillation.rkd import RelationalLoss
from distune.distillation.similarity_preserving import SimilarityPreservingLoss
from distune.distillation.vanilla import VanillaLoss

LOSSES: dict[str, type[DistillationLoss]] = {
    "vanilla": VanillaLoss,
    "combined": CombinedLoss,
    "crd": ContrastiveLoss,
    "rkd": RelationalLoss,
    "mmd": DiscrepancyLoss,
    "dkd": DecoupledLoss,
    "dist": CorrelationLoss,
    "attention_transfer": AttentionTransferLoss,
    "similarity_preserving": SimilarityPreservingLoss,
    "logit_standardisation": StandardisedLogitsLoss,
    "none": NoLoss,
}

__all__ = [
    "LOSSES",
    "DistillationLoss",
    "LossShapes",
    "Objective",
    "ObjectiveTerms",
    "balanced_class_weights",
]

"""The losses by name."""

from __future__ import annotations

from distune.distillation.attention_transfer import AttentionTransferLoss
from distune.distillation.base import DistillationLoss
from distune.distillation.combined import CombinedLoss
from distune.distillation.crd import ContrastiveLoss
from distune.distillation.dist import CorrelationLoss
from distune.distillation.dkd import DecoupledLoss
from distune.distillation.logit_standardisation import StandardisedLogitsLoss
from distune.distillation.mmd import DiscrepancyLoss
from distune.distillation.none import NoLoss
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

"""Fusions: how the tokens of an image and of a text become one vector."""

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean
from distune.models.fusion.bottleneck import Bottleneck
from distune.models.fusion.concat_mlp import ConcatMlp
from distune.models.fusion.cross_attention import CrossAttention
from distune.models.fusion.energy_aware import EnergyAware
from distune.models.fusion.film import Film
from distune.models.fusion.gated import Gated
from distune.models.fusion.low_rank_bilinear import LowRankBilinear
from distune.models.fusion.modality_dropout import ModalityDropout
from distune.models.fusion.simple import Simple
from distune.models.fusion.soft_hard_routing import SoftHardRouting
from distune.models.fusion.transformer_concat import TransformerConcat

FUSIONS: dict[str, type[Fusion]] = {
    "cross_attention": CrossAttention,
    "simple": Simple,
    "concat_mlp": ConcatMlp,
    "gated": Gated,
    "transformer_concat": TransformerConcat,
    "film": Film,
    "modality_dropout": ModalityDropout,
    "low_rank_bilinear": LowRankBilinear,
    "bottleneck": Bottleneck,
    "energy_aware": EnergyAware,
    "soft_hard_routing": SoftHardRouting,
}

__all__ = ["FUSIONS", "Fusion", "FusionOutput", "masked_mean"]

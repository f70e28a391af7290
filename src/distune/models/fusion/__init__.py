"""Fusions: how the tokens of an image and of a text become one vector."""

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean
from distune.models.fusion.concat_mlp import ConcatMlp
from distune.models.fusion.cross_attention import CrossAttention
from distune.models.fusion.gated import Gated
from distune.models.fusion.simple import Simple

FUSIONS: dict[str, type[Fusion]] = {
    "cross_attention": CrossAttention,
    "simple": Simple,
    "concat_mlp": ConcatMlp,
    "gated": Gated,
}

__all__ = ["FUSIONS", "Fusion", "FusionOutput", "masked_mean"]

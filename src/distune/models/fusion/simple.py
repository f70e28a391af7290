"""The mean of both sides: the control that shows what a fusion is worth."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean


class Simple(Fusion):
    """norm(mean(image) + mean(text)), with dropout."""

    ignores: ClassVar[frozenset[str]] = frozenset({"fusion_layers", "fusion_heads", "fusion_tokens"})

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.output = nn.Sequential(nn.LayerNorm(dim), nn.Dropout(dropout))

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        return FusionOutput(self.output(image.mean(1) + masked_mean(text, text_mask)))

"""Low-rank bilinear pooling (Liu et al., 2018: LMF; Ben-younes et al., 2017: MUTAN)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean


class LowRankBilinear(Fusion):
    """norm(sum over r of (U_r [i; 1]) * (V_r [t; 1])), products channel by channel; i, t are the means.

    Args:
        heads: the rank: number of products that are summed.
    """

    ignores: ClassVar[frozenset[str]] = frozenset({"fusion_layers", "fusion_tokens"})

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.rank = heads
        # The bias of each map is the 1 beside i and t: it keeps the terms of one modality alone in the product.
        self.image = nn.Linear(dim, heads * dim)
        self.text = nn.Linear(dim, heads * dim)
        self.output = nn.Sequential(nn.LayerNorm(dim), nn.Dropout(dropout))

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        products = self.image(image.mean(1)) * self.text(masked_mean(text, text_mask))
        return FusionOutput(self.output(products.unflatten(-1, (self.rank, -1)).sum(1)))

"""Both means side by side through a small network."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from distune.models.fusion.base import Fusion, FusionOutput, pooled_pair


class ConcatMlp(Fusion):
    """`layers` times norm, linear, GELU, dropout on [mean(image); mean(text)]; the first goes from 2 D to D."""

    ignores: ClassVar[frozenset[str]] = frozenset({"fusion_heads", "fusion_tokens"})

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.network = mlp(2 * dim, dim, layers, dropout)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        return FusionOutput(self.network(pooled_pair(image, text, text_mask)))


def mlp(inputs: int, dim: int, layers: int, dropout: float) -> nn.Sequential:
    """`layers` times norm, linear, GELU, dropout; the first goes from `inputs` to `dim`."""
    blocks = [
        nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim), nn.GELU(), nn.Dropout(dropout))
        for width in [inputs] + [dim] * (layers - 1)
    ]
    return nn.Sequential(*blocks)

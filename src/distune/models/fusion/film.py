"""Feature-wise linear modulation of the image by the text (Perez et al., 2018)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean


class Film(Fusion):
    """The text scales and shifts the channels of every image token, `layers` times.

    A layer: x += GELU((1 + g) * W norm(x) + b) with [g; b] = V t, t the mean of the text.
    At the end: W [mean(norm(x)); t].
    """

    ignores: ClassVar[frozenset[str]] = frozenset({"fusion_heads"})

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.text_norm = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(FilmLayer(dim, dropout) for _ in range(layers))
        self.image_norm = nn.LayerNorm(dim)
        self.combine = nn.Linear(2 * dim, dim)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        condition = self.text_norm(masked_mean(text, text_mask))
        for layer in self.layers:
            image = layer(image, condition)
        return FusionOutput(self.combine(torch.cat([self.image_norm(image).mean(1), condition], dim=-1)))


class FilmLayer(nn.Module):
    """One modulated residual layer."""

    def __init__(self, dim: int, dropout: float):
        super().__init__()
        self.content = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim))
        self.modulation = nn.Linear(dim, 2 * dim)
        self.output = nn.Sequential(nn.GELU(), nn.Dropout(dropout))

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        """(B, S, D) and (B, D) -> (B, S, D)."""
        scale, shift = self.modulation(condition).unsqueeze(1).chunk(2, dim=-1)
        changed: Tensor = image + self.output((1 + scale) * self.content(image) + shift)
        return changed

"""Gated multimodal unit (Arevalo et al., 2017)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean


class Gated(Fusion):
    """g * tanh(W_i i) + (1 - g) * tanh(W_t t) with g = sigmoid(W_g [i; t]) for each channel; i, t are the means."""

    ignores: ClassVar[frozenset[str]] = frozenset({"fusion_layers", "fusion_heads", "fusion_tokens"})

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.image = nn.Linear(dim, dim)
        self.text = nn.Linear(dim, dim)
        self.gate = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        image, text = image.mean(1), masked_mean(text, text_mask)
        gate = self.gate(torch.cat([image, text], dim=-1)).sigmoid()
        mixed = gate * self.image(image).tanh() + (1 - gate) * self.text(text).tanh()
        return FusionOutput(self.dropout(mixed))

"""One transformer over both token sequences (Li et al., 2019: VisualBERT; Kim et al., 2021: ViLT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distune.models.fusion.attention import SelfAttention, attention_mask
from distune.models.fusion.base import Fusion, FusionOutput


class TransformerConcat(Fusion):
    """`layers` of self attention over [class; image + e_image; text + e_text]; the result is norm(class)."""

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.class_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.modality = nn.Parameter(torch.randn(2, dim) * 0.02)
        self.layers = nn.ModuleList(SelfAttention(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        start = self.class_token.to(image.dtype).expand(image.shape[0], -1, -1)
        tokens = torch.cat([start, image + self.modality[0], text + self.modality[1]], dim=1)
        always = torch.ones_like(tokens[:, : 1 + image.shape[1], 0], dtype=torch.bool)
        allowed = attention_mask(torch.cat([always, text_mask], dim=1))
        for layer in self.layers:
            tokens = layer(tokens, allowed)
        return FusionOutput(self.norm(tokens[:, 0]))

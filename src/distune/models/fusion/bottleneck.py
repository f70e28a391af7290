"""Attention bottlenecks (Nagrani et al., 2021: MBT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distune.models.fusion.attention import SelfAttention, attention_mask
from distune.models.fusion.base import Fusion, FusionOutput, masked_mean

BOTTLENECKS = 4


class Bottleneck(Fusion):
    """Each side attends to itself and to four shared tokens, the only way between the two, `layers` times.

    A layer: [image; z_i] = transformer([image; z]), [text; z_t] = transformer([text; z]), z = (z_i + z_t) / 2.
    At the end: W norm([mean(image); mean(text); mean(z)]).
    """

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.shared = nn.Parameter(torch.randn(1, BOTTLENECKS, dim) * 0.02)
        self.image_layers = nn.ModuleList(SelfAttention(dim, heads, dropout) for _ in range(layers))
        self.text_layers = nn.ModuleList(SelfAttention(dim, heads, dropout) for _ in range(layers))
        self.combine = nn.Sequential(nn.LayerNorm(3 * dim), nn.Linear(3 * dim, dim))

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        shared = self.shared.to(image.dtype).expand(image.shape[0], -1, -1)
        # The shared tokens stand in front of the text and are never padding.
        always = torch.ones_like(shared[:, :, 0], dtype=torch.bool)
        allowed = attention_mask(torch.cat([always, text_mask], dim=1))
        for image_layer, text_layer in zip(self.image_layers, self.text_layers, strict=True):
            with_image = image_layer(torch.cat([shared, image], dim=1))
            with_text = text_layer(torch.cat([shared, text], dim=1), allowed)
            image, text = with_image[:, BOTTLENECKS:], with_text[:, BOTTLENECKS:]
            # Each side has changed its own copy of the shared tokens: their mean is all that one side tells the other.
            shared = (with_image[:, :BOTTLENECKS] + with_text[:, :BOTTLENECKS]) / 2
        pooled = [image.mean(1), masked_mean(text, text_mask), shared.mean(1)]
        return FusionOutput(self.combine(torch.cat(pooled, dim=-1)))

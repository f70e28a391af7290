"""Cross attention in both directions (Lu et al., 2019: ViLBERT's co-attention)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distune.models.fusion.attention import FeedForward, Projection, attend, attention_mask
from distune.models.fusion.base import Fusion, FusionOutput, masked_mean


class CrossAttention(Fusion):
    """Image tokens look at text tokens and the other way round, `layers` times.

    A layer, norms first: image += attention(image -> text); text += attention(text -> image), both from the state
    before the layer; then a feed-forward block each. A learned key and value beside the other side's lets a token
    look at nothing, so that attention has a choice also where the other side is one pooled vector.
    At the end: W [mean(norm(image)); mean(norm(text))].
    """

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.layers = nn.ModuleList(CrossLayer(dim, heads, dropout) for _ in range(layers))
        self.image_norm = nn.LayerNorm(dim)
        self.text_norm = nn.LayerNorm(dim)
        self.combine = nn.Linear(2 * dim, dim)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        allowed = attention_mask(torch.cat([torch.ones_like(text_mask[:, :1]), text_mask], dim=1))
        for layer in self.layers:
            image, text = layer(image, text, allowed)
        pooled = [self.image_norm(image).mean(1), masked_mean(self.text_norm(text), text_mask)]
        return FusionOutput(self.combine(torch.cat(pooled, dim=-1)))


class CrossLayer(nn.Module):
    """One exchange between the two sequences."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        # One product gives a side's own query and the key and value that the other side looks at.
        self.image_projection = Projection(dim, heads)
        self.text_projection = Projection(dim, heads)
        self.nothing = nn.Parameter(torch.randn(2, 2, heads, 1, dim // heads) * 0.02)
        self.image_output = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))
        self.text_output = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))
        self.image_feed_forward = FeedForward(dim, dropout)
        self.text_feed_forward = FeedForward(dim, dropout)

    def forward(self, image: Tensor, text: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D), (B, L, D) and the attention mask of [nothing; text] -> the same shapes."""
        image_query, image_key, image_value = self.image_projection(image)
        text_query, text_key, text_value = self.text_projection(text)
        image_key, image_value = self._with_nothing(image_key, 0, 0), self._with_nothing(image_value, 0, 1)
        text_key, text_value = self._with_nothing(text_key, 1, 0), self._with_nothing(text_value, 1, 1)
        # Both sides look at the state before the layer, so neither order of these two lines favours a side.
        image = image + self.image_output(attend(image_query, text_key, text_value, allowed))
        text = text + self.text_output(attend(text_query, image_key, image_value))
        return image + self.image_feed_forward(image), text + self.text_feed_forward(text)

    def _with_nothing(self, tokens: Tensor, side: int, part: int) -> Tensor:
        learned = self.nothing[side, part].to(tokens.dtype).expand_as(tokens[:, :, :1])
        return torch.cat([learned, tokens], dim=2)

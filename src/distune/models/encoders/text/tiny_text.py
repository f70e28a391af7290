"""A tiny untrained text encoder for the demo and the tests: no download, seconds to train."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distune.data.tokenizer import PADDING, HashTokenizer
from distune.models.encoders.base import Freeze, Layers, TextEncoder, keep_layers

WIDTH = 64
BUCKETS = 4096
LONGEST = 512
_HEADS = 4


class TinyText(TextEncoder):
    """Hashed words, position embeddings and one transformer layer.

    Args:
        layers: layers to keep; there is one.
        freeze: see `Encoder`.
    """

    def __init__(self, *, layers: Layers = None, freeze: Freeze = "none"):
        self_attention = TinyLayer(WIDTH, _HEADS)
        super().__init__(
            TinyEmbeddings(BUCKETS, WIDTH, LONGEST),
            keep_layers([self_attention], layers, "tiny-text"),
            nn.LayerNorm(WIDTH),
            width=WIDTH,
            freeze=freeze,
        )
        self.tokenizer = HashTokenizer(BUCKETS, LONGEST)
        self.max_tokens = LONGEST

    def apply_layer(self, layer: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One transformer layer; no token looks at padding."""
        changed: Tensor = layer(hidden, mask)
        return changed


class TinyEmbeddings(nn.Module):
    """Word plus position."""

    positions: Tensor

    def __init__(self, buckets: int, width: int, longest: int):
        super().__init__()
        self.words = nn.Embedding(buckets, width, padding_idx=PADDING)
        self.places = nn.Embedding(longest, width)
        for table in (self.words, self.places):
            nn.init.normal_(table.weight, std=0.1)
        self.register_buffer("positions", torch.arange(longest), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, L) -> (B, L, width)."""
        embedded: Tensor = self.words(ids) + self.places(self.positions[: ids.shape[1]])
        return embedded


class TinyLayer(nn.Module):
    """A transformer layer with the norms first."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.inputs = nn.Linear(width, 3 * width)
        self.outputs = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, width) and mask (B, L) -> (B, L, width)."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.inputs(self.norm(hidden)).chunk(3, -1)
        )
        allowed = None if mask is None else mask[:, None, None, :]
        seen = functional.scaled_dot_product_attention(query, key, value, allowed)
        hidden = hidden + self.outputs(seen.transpose(1, 2).flatten(2))
        changed: Tensor = hidden + self.feed_forward(hidden)
        return changed

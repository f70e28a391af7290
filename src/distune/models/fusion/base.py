"""What all fusions share: two token sequences in, one vector an example out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FusionOutput:
    """The fused representation of B examples.

    Attributes:
        fused: (B, D).
        penalty: cost term for the fusion's own training loss, a scalar; None for most.
        cost: expected share of the full computation that was spent, (B,); None for most.
    """

    fused: Tensor
    penalty: Tensor | None = None
    cost: Tensor | None = None


class Fusion(nn.Module, ABC):
    """Joins the tokens of an image with those of a text.

    Args:
        dim: width D of the tokens and of the fused vector.
        layers: depth.
        heads: attention heads; they divide `dim`.
        dropout: probability in training.
    """

    ignores: ClassVar[frozenset[str]] = frozenset()
    """Those of fusion_layers, fusion_heads, fusion_tokens that change nothing in this fusion."""

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__()

    @abstractmethod
    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """Fuses a batch.

        Args:
            image: (B, S, D).
            text: (B, L, D).
            text_mask: true at real tokens, bool (B, L); every text has at least one.
        """


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: (B, L, D) and bool (B, L) -> (B, D)."""
    weights = mask.to(tokens.dtype)
    weights = weights / weights.sum(1, keepdim=True)
    return torch.matmul(weights.unsqueeze(1), tokens).squeeze(1)


def pooled_pair(image: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
    """Both means side by side: (B, 2 D)."""
    return torch.cat([image.mean(1), masked_mean(text, text_mask)], dim=-1)

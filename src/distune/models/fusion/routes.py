"""Three ways to an answer, from cheap to dear, and the router that weighs them for each example."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distune.models.fusion.base import Fusion, masked_mean
from distune.models.fusion.concat_mlp import mlp
from distune.models.fusion.cross_attention import CrossAttention

ROUTES = 3


class Routes(nn.Module):
    """Image only, text only, or cross attention over both.

    All three are computed and weighed, also at evaluation: a batch holds examples of every route.

    Attributes:
        weights: number of weights that each route multiplies a token with, (3,): its relative cost.
    """

    weights: Tensor

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__()
        self.image = mlp(dim, dim, 1, dropout)
        self.text = mlp(dim, dim, 1, dropout)
        self.full = CrossAttention(dim, layers, heads, dropout)
        self.router = nn.Sequential(nn.LayerNorm(2 * dim), nn.Linear(2 * dim, ROUTES))
        counts = [sum(p.numel() for p in route.parameters()) for route in (self.image, self.text, self.full)]
        # Follows from the shapes, so it is no part of the saved weights.
        self.register_buffer("weights", torch.tensor(counts, dtype=torch.float32), persistent=False)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Answers of the routes (B, 3, D) and the router's logits (B, 3) in float32."""
        image_mean, text_mean = image.mean(1), masked_mean(text, text_mask)
        answers = [self.image(image_mean), self.text(text_mean), self.full(image, text, text_mask).fused]
        logits = self.router(torch.cat([image_mean, text_mean], dim=-1))
        # float32 under autocast too: the softmax of the router and its costs are compared with each other.
        return torch.stack([answer.float() for answer in answers], dim=1), logits.float()


class RoutedFusion(Fusion):
    """A fusion that weighs three routes; how it weighs them is the subclass's `forward`."""

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.routes = Routes(dim, layers, heads, dropout)


def one_route(scores: Tensor) -> Tensor:
    """The best route as one-hot weights: (B, 3) -> (B, 3)."""
    return (scores.argmax(-1, keepdim=True) == torch.arange(ROUTES, device=scores.device)).to(scores.dtype)


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of `hard` with the gradient of `soft` (Bengio et al., 2013)."""
    return hard + soft - soft.detach()


def mix(answers: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of the routes' answers: (B, 3, D) and (B, 3) -> (B, D)."""
    return (answers * weights.unsqueeze(-1)).sum(1)

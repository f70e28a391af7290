"""Attention blocks, norms first (Xiong et al., 2020), for the fusions that use attention.

Dropout is on what each block adds, not on the attention weights: there it would cost the fast kernels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

FEED_FORWARD_RATIO = 2
MASK_STEP = 8


class FeedForward(nn.Sequential):
    """norm -> D to 2 D -> GELU -> 2 D to D -> dropout, for each token by itself."""

    def __init__(self, dim: int, dropout: float):
        inner = FEED_FORWARD_RATIO * dim
        super().__init__(
            nn.LayerNorm(dim), nn.Linear(dim, inner), nn.GELU(), nn.Linear(inner, dim), nn.Dropout(dropout)
        )


class Projection(nn.Module):
    """norm, then query, key and value of each token in one product."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, 3 * dim)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) -> three tensors (B, heads, N, D / heads)."""
        parts = self.linear(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value


class SelfAttention(nn.Module):
    """A transformer layer over one sequence."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.projection = Projection(dim, heads)
        self.output = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))
        self.feed_forward = FeedForward(dim, dropout)

    def forward(self, tokens: Tensor, allowed: Tensor | None = None) -> Tensor:
        """(B, N, D) and `attention_mask` of the tokens -> (B, N, D)."""
        query, key, value = self.projection(tokens)
        tokens = tokens + self.output(attend(query, key, value, allowed))
        changed: Tensor = tokens + self.feed_forward(tokens)
        return changed


def attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Softmax attention (Vaswani et al., 2017) of all heads; (B, heads, N, D / heads) -> (B, N, D)."""
    if allowed is not None and query.device.type != "cpu":
        # `attention_mask` made the mask longer than the tokens; the keys that it forbids must exist all the same.
        missing = allowed.shape[-1] - key.shape[2]
        key, value = (functional.pad(tokens, (0, 0, 0, missing)) for tokens in (key, value))
    seen = functional.scaled_dot_product_attention(query, key, value, allowed)
    return seen.transpose(1, 2).flatten(2)


def attention_mask(mask: Tensor) -> Tensor:
    """Mask (B, N), true at real tokens -> the form that `attend` takes.

    The fast kernels of accelerators take masks whose rows are a multiple of 8 long, and copy others in every layer; a
    token in front of a text makes one too many. The rest of the last eight is forbidden tokens.
    """
    if mask.device.type != "cpu":
        mask = functional.pad(mask, (0, -mask.shape[1] % MASK_STEP), value=False)
    return mask[:, None, None, :]

"""Whole modalities are left out in training (Neverova et al., 2015: ModDrop), so that each can stand alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean
from distune.models.fusion.concat_mlp import mlp


class ModalityDropout(Fusion):
    """A network on [mean(image); mean(text)]; in training an example may lose one of the two, never both.

    With probability dropout / 2 the image, with probability dropout / 2 the text is replaced by a learned vector.

    Args:
        dropout: probability that an example loses one modality; there is no other dropout here.
    """

    ignores: ClassVar[frozenset[str]] = frozenset({"fusion_heads", "fusion_tokens"})

    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, dropout)
        self.probability = dropout
        self.missing = nn.Parameter(torch.zeros(2, dim))
        self.network = mlp(2 * dim, dim, layers, 0.0)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        image, text = image.mean(1), masked_mean(text, text_mask)
        if self.training:
            # One draw decides both, from opposite ends, so that no example loses image and text.
            draw = torch.rand(image.shape[0], 1, device=image.device)
            image = torch.where(draw < self.probability / 2, self.missing[0].to(image.dtype), image)
            text = torch.where(draw >= 1 - self.probability / 2, self.missing[1].to(text.dtype), text)
        return FusionOutput(self.network(torch.cat([image, text], dim=-1)))

"""MobileViT (Mehta and Rastegari, 2021) from transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distune.models.encoders.base import Freeze, Layers, Pixels, VisionEncoder, keep_first
from distune.models.encoders.transformers_model import load

FAMILIES = ("mobilevit",)


class MobileVit(VisionEncoder):
    """MobileViT; a layer is one of its five stages, the head is the last 1 x 1 convolution.

    With `layers` below five there is no head, and the tokens are the last stage's channels.

    Args:
        config: transformers configuration.
        pixels: normalisation.
        folder: where the weights are; None leaves random ones.
        layers: stages to keep; None keeps all.
        freeze: see `Encoder`.
        image_size: side of the image in pixels; None takes the configuration's.
        name: for messages.
    """

    def __init__(
        self,
        config: Any,
        pixels: Pixels,
        *,
        folder: Path | None = None,
        layers: Layers = None,
        freeze: Freeze = "none",
        image_size: int | None = None,
        name: str = "the encoder",
    ):
        from transformers import MobileViTModel

        model = load(MobileViTModel, config, folder)
        kept = keep_first(model.encoder.layer, layers, name)
        whole = len(kept) == len(model.encoder.layer)
        super().__init__(
            nn.Sequential(pixels, model.conv_stem),
            kept,
            model.conv_1x1_exp if whole else nn.Identity(),
            width=config.neck_hidden_sizes[-1 if whole else len(kept)],
            freeze=freeze,
        )
        self.image_size = image_size or config.image_size
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Pixels -> stem, with the channels innermost in memory, which convolutions are faster on."""
        return super().embed(inputs.contiguous(memory_format=torch.channels_last), mask)

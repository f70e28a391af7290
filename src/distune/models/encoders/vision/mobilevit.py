"""MobileViT (Mehta and Rastegari, 2021) from transformers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distune.config import EncoderConfig
from distune.models.encoders.base import Pixels, VisionEncoder, keep_first
from distune.models.encoders.pretrained.transformers_model import Origin, load

FAMILIES = ("mobilevit",)


class MobileVit(VisionEncoder):
    """MobileViT; a layer is one of its five stages, the head is the last 1 x 1 convolution.

    With `layers` below five there is no head, and the tokens are the last stage's channels.

    Args:
        config: name, layers, freeze.
        origin: a MobileViT.
        pixels: normalisation.
        image_size: side of the image in pixels; None takes the configuration's.
    """

    def __init__(self, config: EncoderConfig, origin: Origin, pixels: Pixels, image_size: int | None):
        from transformers import MobileViTModel

        model = load(MobileViTModel, origin)
        kept = keep_first(model.encoder.layer, config.layers, config.name)
        whole = len(kept) == len(model.encoder.layer)
        super().__init__(
            nn.Sequential(pixels, model.conv_stem),
            kept,
            model.conv_1x1_exp if whole else nn.Identity(),
            width=origin.settings.neck_hidden_sizes[-1 if whole else len(kept)],
            freeze=config.freeze,
        )
        self.image_size = image_size or origin.settings.image_size
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Pixels -> stem, with the channels innermost in memory, which convolutions are faster on."""
        return super().embed(inputs.contiguous(memory_format=torch.channels_last), mask)

"""Any other image model of transformers."""

from __future__ import annotations

import torch
from torch import nn

from distune.config import EncoderConfig
from distune.models.encoders.base import Pixels, VisionEncoder
from distune.models.encoders.pretrained.transformers_model import Origin
from distune.models.encoders.pretrained.whole_model import whole_model


class AutoVision(VisionEncoder):
    """An image model whose layers are not known here: freeze is none or all.

    Args:
        config: name and freeze; no layers.
        origin: any image model.
        pixels: normalisation.
        image_size: side of the image in pixels; None takes the configuration's, or 224.

    Raises:
        UserError: layers are to be cut or frozen one by one.
    """

    def __init__(self, config: EncoderConfig, origin: Origin, pixels: Pixels, image_size: int | None):
        model = whole_model(config, origin)
        size = image_size or getattr(origin.settings, "image_size", None) or 224
        # Families name their width differently; one picture shows it.
        with torch.no_grad():
            hidden = model(torch.zeros(1, 3, size, size))
        width = hidden.shape[1] if hidden.dim() == 4 else hidden.shape[-1]
        super().__init__(pixels, [model], nn.Identity(), width=width, freeze=config.freeze)
        self.image_size = size

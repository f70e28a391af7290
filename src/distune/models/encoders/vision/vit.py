"""ViT (Dosovitskiy et al., 2020) and DeiT (Touvron et al., 2020) from transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.base import Pixels, VisionEncoder, keep_layers
from distune.models.encoders.pretrained.transformers_model import Origin, load

FAMILIES = ("vit", "deit")


class Vit(VisionEncoder):
    """ViT or DeiT; a layer is one transformer layer, the head is the last norm, all tokens are kept.

    Args:
        config: name, layers, freeze.
        origin: one of `FAMILIES`.
        pixels: normalisation.
        image_size: side of the image in pixels; None takes the configuration's. Published position embeddings are
            interpolated to another size.

    Raises:
        UserError: the size is no multiple of the patch size.
    """

    def __init__(self, config: EncoderConfig, origin: Origin, pixels: Pixels, image_size: int | None):
        settings = origin.settings
        size = image_size or settings.image_size
        if size % settings.patch_size:
            raise UserError(
                f"image_size: {size} is no multiple of {settings.patch_size}, the patch size of {config.name}"
            )
        if origin.folder is None:
            settings.image_size = size
        model = _model(origin)
        if model.embeddings.image_size[0] != size:
            _resize(model.embeddings, size)
        super().__init__(
            nn.Sequential(pixels, model.embeddings),
            keep_layers(model.layers, config.layers, config.name),
            model.layernorm,
            width=settings.hidden_size,
            freeze=config.freeze,
        )
        self.image_size = size


def _model(origin: Origin) -> Any:
    from transformers import DeiTModel, ViTModel

    model_class = DeiTModel if origin.settings.model_type == "deit" else ViTModel
    return load(model_class, origin, add_pooling_layer=False)


def _resize(embeddings: Any, size: int) -> None:
    """Interpolates the position embeddings once, so that no forward pass has to."""
    patches = embeddings.patch_embeddings
    extra = embeddings.position_embeddings.shape[1] - patches.num_patches
    count = (size // embeddings.patch_size) ** 2
    sample = torch.empty(1, count + extra, embeddings.position_embeddings.shape[-1], device="meta")
    with torch.no_grad():
        resized = embeddings.interpolate_pos_encoding(sample, size, size)
    embeddings.position_embeddings = nn.Parameter(resized.contiguous())
    embeddings.image_size = (size, size)

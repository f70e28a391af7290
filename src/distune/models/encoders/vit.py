"""ViT (Dosovitskiy et al., 2020) and DeiT (Touvron et al., 2020) from transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from distune.errors import UserError
from distune.models.encoders.base import Freeze, Layers, Pixels, VisionEncoder, keep_layers
from distune.models.encoders.transformers_model import load

FAMILIES = ("vit", "deit")


class Vit(VisionEncoder):
    """ViT or DeiT; a layer is one transformer layer, the head is the last norm, all tokens are kept.

    Args:
        config: transformers configuration; its `model_type` is one of `FAMILIES`.
        pixels: normalisation.
        folder: where the weights are; None leaves random ones.
        layers: layers to keep; None keeps all.
        freeze: see `Encoder`.
        image_size: side of the image in pixels; None takes the configuration's. Published position embeddings are
            interpolated to another size.
        name: for messages.

    Raises:
        UserError: the size is no multiple of the patch size.
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
        size = image_size or config.image_size
        if size % config.patch_size:
            raise UserError(
                f"image_size: {size} is no multiple of {config.patch_size}, the patch size of {name}"
            )
        if folder is None:
            config.image_size = size
        model = _model(config, folder)
        if model.embeddings.image_size[0] != size:
            _resize(model.embeddings, size)
        super().__init__(
            nn.Sequential(pixels, model.embeddings),
            keep_layers(model.layers, layers, name),
            model.layernorm,
            width=config.hidden_size,
            freeze=freeze,
        )
        self.image_size = size


def _model(config: Any, folder: Path | None) -> Any:
    from transformers import DeiTModel, ViTModel

    model_class = DeiTModel if config.model_type == "deit" else ViTModel
    return load(model_class, config, folder, add_pooling_layer=False)


def _resize(embeddings: Any, size: int) -> None:
    """Interpolates the position embeddings once, so that no forward pass has to."""
    patches = embeddings.patch_embeddings
    extra = embeddings.position_embeddings.shape[1] - patches.num_patches
    count = (size // embeddings.patch_size) ** 2
    sample = torch.empty(1, count + extra, embeddings.position_embeddings.shape[-1], device="meta")
    with torch.no_grad():
        resized = embeddings.interpolate_pos_encoding(sample, size, size)
    embeddings.position_embeddings = nn.Parameter(resized.contiguous())
    embeddings.image_size = patches.image_size = (size, size)
    patches.num_patches = count

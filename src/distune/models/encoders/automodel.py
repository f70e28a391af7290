"""Any other model of transformers, taken as one piece."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.base import Pixels, TextEncoder, Tokenizer, VisionEncoder
from distune.models.encoders.transformers_model import Origin, load


class WholeModel(nn.Module):
    """A transformers model that answers with its last hidden state only."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalised pixels, or ids and a mask -> last hidden state."""
        options = {} if mask is None else {"attention_mask": mask.long()}
        hidden: Tensor = self.model(inputs, **options).last_hidden_state
        return hidden


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
        model = _whole(config, origin)
        size = image_size or getattr(origin.settings, "image_size", None) or 224
        with torch.no_grad():
            hidden = model(torch.zeros(1, 3, size, size))
        width = hidden.shape[1] if hidden.dim() == 4 else hidden.shape[-1]
        super().__init__(pixels, [model], nn.Identity(), width=width, freeze=config.freeze)
        self.image_size = size


class AutoText(TextEncoder):
    """A text model whose layers are not known here: freeze is none or all.

    Args:
        config: name and freeze; no layers.
        origin: any text model.
        tokenizer: makes the ids that the weights know.

    Raises:
        UserError: layers are to be cut or frozen one by one.
    """

    def __init__(self, config: EncoderConfig, origin: Origin, tokenizer: Tokenizer):
        model, width = _whole(config, origin), origin.settings.hidden_size
        super().__init__(nn.Identity(), [model], nn.Identity(), width=width, freeze=config.freeze)
        self.tokenizer = tokenizer
        self.max_tokens = longest_text(origin.settings)

    def apply_layer(self, layer: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The whole model on ids and mask."""
        answer: Tensor = layer(hidden, mask)
        return answer


def _whole(config: EncoderConfig, origin: Origin) -> WholeModel:
    if config.layers is not None or isinstance(config.freeze, int):
        raise UserError(
            f"{config.name}: the layers of a {origin.settings.model_type} model are not known to Distune, so neither "
            "`layers` nor a number in `freeze` works; use freeze: none or all"
        )
    from transformers import AutoModel

    if origin.folder is None:
        return WholeModel(AutoModel.from_config(origin.settings).eval())
    return WholeModel(load(AutoModel, origin).eval())


def longest_text(config: Any) -> int:
    """Tokens that any family takes: some, such as RoBERTa, count positions from behind the padding's id."""
    return int(config.max_position_embeddings) - 2

"""Any other model of transformers, taken as one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distune.errors import UserError
from distune.models.encoders.base import Freeze, Layers, Pixels, TextEncoder, Tokenizer, VisionEncoder
from distune.models.encoders.transformers_model import load


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
        config: transformers configuration.
        pixels: normalisation.
        folder: where the weights are; None leaves random ones.
        layers: must be None.
        freeze: "none" or "all".
        image_size: side of the image in pixels; None takes the configuration's, or 224.
        name: for messages.

    Raises:
        UserError: layers are to be cut or frozen one by one.
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
        model = _whole(config, folder, layers, freeze, name)
        size = image_size or getattr(config, "image_size", None) or 224
        with torch.no_grad():
            hidden = model(torch.zeros(1, 3, size, size))
        width = hidden.shape[1] if hidden.dim() == 4 else hidden.shape[-1]
        super().__init__(pixels, [model], nn.Identity(), width=width, freeze=freeze)
        self.image_size = size


class AutoText(TextEncoder):
    """A text model whose layers are not known here: freeze is none or all.

    Args:
        config: transformers configuration.
        tokenizer: makes the ids that the weights know.
        folder: where the weights are; None leaves random ones.
        layers: must be None.
        freeze: "none" or "all".
        name: for messages.

    Raises:
        UserError: layers are to be cut or frozen one by one.
    """

    def __init__(
        self,
        config: Any,
        tokenizer: Tokenizer,
        *,
        folder: Path | None = None,
        layers: Layers = None,
        freeze: Freeze = "none",
        name: str = "the encoder",
    ):
        model = _whole(config, folder, layers, freeze, name)
        super().__init__(nn.Identity(), [model], nn.Identity(), width=config.hidden_size, freeze=freeze)
        self.tokenizer = tokenizer
        self.max_tokens = longest_text(config)

    def apply_layer(self, layer: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The whole model on ids and mask."""
        answer: Tensor = layer(hidden, mask)
        return answer


def _whole(config: Any, folder: Path | None, layers: Layers, freeze: Freeze, name: str) -> WholeModel:
    if layers is not None or isinstance(freeze, int):
        raise UserError(
            f"{name}: the layers of a {config.model_type} model are not known to Distune, so neither `layers` nor a "
            "number in `freeze` works; use freeze: none or all"
        )
    from transformers import AutoModel

    if folder is None:
        return WholeModel(AutoModel.from_config(config).eval())
    return WholeModel(load(AutoModel, config, folder).eval())


def longest_text(config: Any) -> int:
    """Tokens that any family takes: some, such as RoBERTa, count positions from behind the padding's id."""
    return int(config.max_position_embeddings) - 2

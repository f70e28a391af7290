"""Any other text model of transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from distune.config import EncoderConfig
from distune.data.tokenizer import Tokenizer
from distune.models.encoders.base import TextEncoder
from distune.models.encoders.pretrained.transformers_model import Origin
from distune.models.encoders.pretrained.whole_model import whole_model


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
        model, width = whole_model(config, origin), origin.settings.hidden_size
        super().__init__(nn.Identity(), [model], nn.Identity(), width=width, freeze=config.freeze)
        self.tokenizer = tokenizer
        self.max_tokens = longest_text(origin.settings)

    def apply_layer(self, layer: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The whole model on ids and mask."""
        answer: Tensor = layer(hidden, mask)
        return answer


def longest_text(config: Any) -> int:
    """Tokens that any family takes: some, such as RoBERTa, count positions from behind the padding's id."""
    return int(config.max_position_embeddings) - 2

"""A model of transformers whose layers are not known here, taken as one piece."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.pretrained.transformers_model import Origin, load


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


def whole_model(config: EncoderConfig, origin: Origin) -> WholeModel:
    """The model of an origin as one module.

    Raises:
        UserError: layers are to be cut or frozen one by one.
    """
    if config.layers is not None or isinstance(config.freeze, int):
        raise UserError(
            f"{config.name}: the layers of a {origin.settings.model_type} model are not known to Distune, so neither "
            "`layers` nor a number in `freeze` works; use freeze: none or all"
        )
    from transformers import AutoModel

    if origin.folder is None:
        return WholeModel(AutoModel.from_config(origin.settings).eval())
    return WholeModel(load(AutoModel, origin).eval())

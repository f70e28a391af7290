"""BERT (Devlin et al., 2018), DistilBERT (Sanh et al., 2019) and MobileBERT (Sun et al., 2020) from transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from distune.models.encoders.base import Freeze, Layers, TextEncoder, Tokenizer, keep_layers
from distune.models.encoders.factorised import FactorisedEmbedding
from distune.models.encoders.transformers_model import load

FAMILIES = ("bert", "distilbert", "mobilebert")


class Bert(TextEncoder):
    """One of the BERT families; a layer is one transformer layer, there is no head.

    Args:
        config: transformers configuration; its `model_type` is one of `FAMILIES`.
        tokenizer: makes the ids that the weights know.
        folder: where the weights are; None leaves random ones.
        layers: layers to keep; None keeps all.
        freeze: see `Encoder`.
        embedding_rank: rank of the word embedding, see `FactorisedEmbedding`; None leaves it as it is.
        name: for messages.
    """

    def __init__(
        self,
        config: Any,
        tokenizer: Tokenizer,
        *,
        folder: Path | None = None,
        layers: Layers = None,
        freeze: Freeze = "none",
        embedding_rank: int | None = None,
        name: str = "the encoder",
    ):
        model = _model(config, folder)
        if embedding_rank is not None:
            words = model.embeddings.word_embeddings
            model.embeddings.word_embeddings = FactorisedEmbedding(words, embedding_rank, name)
        chain = model.transformer.layer if config.model_type == "distilbert" else model.encoder.layer
        super().__init__(
            model.embeddings,
            keep_layers(chain, layers, name),
            nn.Identity(),
            width=config.hidden_size,
            freeze=freeze,
        )
        self.tokenizer = tokenizer
        self.max_tokens = config.max_position_embeddings

    def embed(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Token ids -> embeddings.

        Padding counts as zero, because MobileBERT's embedding of a token looks at its two neighbours, and a text must
        not change with the length of the longest in its batch.
        """
        embeddings: Any = self.embeddings
        words: Tensor = embeddings.word_embeddings(inputs)
        if mask is not None:
            words = words * mask.unsqueeze(-1)
        embedded: Tensor = embeddings(None, inputs_embeds=words)
        return embedded

    def apply_layer(self, layer: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One transformer layer; no token looks at padding."""
        changed: Tensor = layer(hidden, None if mask is None else mask[:, None, None, :])
        return changed


def _model(config: Any, folder: Path | None) -> Any:
    from transformers import BertModel, DistilBertModel, MobileBertModel

    if config.model_type == "distilbert":
        return load(DistilBertModel, config, folder)
    model_class = MobileBertModel if config.model_type == "mobilebert" else BertModel
    return load(model_class, config, folder, add_pooling_layer=False)

"""BERT (Devlin et al., 2018), DistilBERT (Sanh et al., 2019) and MobileBERT (Sun et al., 2020) from transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from distune.config import EncoderConfig
from distune.data.tokenizer import Tokenizer
from distune.models.encoders.base import TextEncoder, keep_layers
from distune.models.encoders.pretrained.transformers_model import Origin, load
from distune.models.encoders.text.factorised import FactorisedEmbedding

FAMILIES = ("bert", "distilbert", "mobilebert")


class Bert(TextEncoder):
    """One of the BERT families; a layer is one transformer layer, there is no head.

    Args:
        config: name, layers, freeze, rank of the word embedding.
        origin: one of `FAMILIES`.
        tokenizer: makes the ids that the weights know.
    """

    def __init__(self, config: EncoderConfig, origin: Origin, tokenizer: Tokenizer):
        settings, model = origin.settings, _model(origin)
        if config.embedding_rank is not None:
            words = model.embeddings.word_embeddings
            model.embeddings.word_embeddings = FactorisedEmbedding(words, config.embedding_rank, config.name)
        chain = model.transformer.layer if settings.model_type == "distilbert" else model.encoder.layer
        super().__init__(
            model.embeddings,
            keep_layers(chain, config.layers, config.name),
            nn.Identity(),
            width=settings.hidden_size,
            freeze=config.freeze,
        )
        self.tokenizer = tokenizer
        self.max_tokens = settings.max_position_embeddings

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


def _model(origin: Origin) -> Any:
    from transformers import BertModel, DistilBertModel, MobileBertModel

    family = origin.settings.model_type
    if family == "distilbert":
        return load(DistilBertModel, origin)
    return load(MobileBertModel if family == "mobilebert" else BertModel, origin, add_pooling_layer=False)

"""The sections `teacher` and `student`: encoders, fusion, and how a model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from distune.components import FUSIONS
from distune.config.section import ConfigSection, Fraction, HomeName

Freeze = Literal["none", "all"] | Annotated[int, Field(ge=1)]
FusionName = Annotated[str, AfterValidator(FUSIONS.check)]
Kind = Literal["vision", "text"]
Modality = Literal["image", "text"]
NO_ENCODER = "none"


def _layers(value: Any) -> Any:
    """Says the rule of a list once, where pydantic would say one for each of its entries."""
    if not isinstance(value, list | tuple):
        return value
    numbers = all(type(number) is int and number >= 1 for number in value)
    if not value or not numbers or any(later <= earlier for earlier, later in pairwise(value)):
        raise ValueError("a list of layers holds at least one number, from 1 on, each above the one before")
    return value


class EncoderConfig(ConfigSection):
    """One pretrained (or random) encoder and how much of it is trained."""

    name: HomeName
    """A friendly name (`distune encoders list`), a hub id, a local folder, or none: the model does not read this."""
    pretrained: bool = True
    """Start from published weights; false builds the same architecture with random ones."""
    layers: Annotated[Annotated[int, Field(ge=1)] | tuple[int, ...] | None, BeforeValidator(_layers)] = None
    """Keep only the first N layers, or of a transformer those with the listed numbers, from 1; empty keeps all."""
    freeze: Freeze = "none"
    """Layers that are not trained: none, all, or the first N that are kept (embeddings included)."""
    embedding_rank: Annotated[int, Field(ge=1)] | None = None
    """BERT families: factorise the word embedding into two matrices of this rank; empty leaves it whole."""
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./-]*$", max_length=200)] | None = None
    """Hub models: branch, tag or commit; empty takes the cached one, else the hub's main. A run writes the commit."""

    @property
    def is_absent(self) -> bool:
        """Whether the model has no such encoder."""
        return self.name == NO_ENCODER


def _name_alone(value: Any) -> Any:
    """Lets `vision: vit-base` stand for `vision: {name: vit-base}`."""
    return {"name": value} if isinstance(value, str) else value


_Encoder = Annotated[EncoderConfig, BeforeValidator(_name_alone)]


class ModelConfig(ConfigSection):
    """The teacher or the student: one or two encoders, a fusion module, and how it is trained."""

    vision: _Encoder
    """The image encoder; none for a model that reads the text alone."""
    text: _Encoder
    """The text encoder; none for a model that reads the image alone."""
    fusion: FusionName = "cross_attention"
    """How image and text are joined; a model that reads one of them has no fusion, whatever these fields say."""
    fusion_dim: Annotated[int, Field(ge=8, le=16_384)] = 512
    """Width of the fused representation; of a model that reads image or text alone, of what its heads read."""
    fusion_layers: Annotated[int, Field(ge=1, le=100)] = 1
    """Depth of the fusion module."""
    fusion_heads: Annotated[int, Field(ge=1)] = 8
    """Attention heads of the fusion module."""
    fusion_tokens: Literal["sequence", "pooled"] = "sequence"
    """Fuse whole token sequences, or one pooled vector a modality (much cheaper)."""
    dropout: Fraction = 0.1
    """Dropout in the fusion module and before the heads."""
    modality_dropout: Fraction = 0.0
    """With data.missing: allow, the probability that an example loses its image or its text in training, never both."""
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    """Passes over the train split."""
    lr: Annotated[float, Field(gt=0.0)]
    """Peak learning rate."""

    @property
    def encoders(self) -> Mapping[Kind, EncoderConfig]:
        """The encoders that the model has, by what kind they are."""
        both: dict[Kind, EncoderConfig] = {"vision": self.vision, "text": self.text}
        return {kind: encoder for kind, encoder in both.items() if not encoder.is_absent}

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the model reads: image, text, or both."""
        reads: dict[Kind, Modality] = {"vision": "image", "text": "text"}
        return tuple(reads[kind] for kind in self.encoders)

    @model_validator(mode="after")
    def _reads_something(self) -> ModelConfig:
        if not self.modalities:
            raise ValueError("vision and text are both none; a model needs an encoder of one at least")
        return self

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        width, heads = self.fusion_dim, self.fusion_heads
        if width % heads:
            raise ValueError(f"fusion_dim {width} is not a multiple of fusion_heads {heads}")
        return self


class TeacherConfig(ModelConfig):
    """The large model; the defaults are those of the classic MedPix study."""

    vision: _Encoder = EncoderConfig(name="vit-base")
    text: _Encoder = EncoderConfig(name="bio-clinical-bert")
    fusion_layers: Annotated[int, Field(ge=1, le=100)] = 3
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 3
    lr: Annotated[float, Field(gt=0.0)] = 1e-5


class StudentConfig(ModelConfig):
    """The small model that is deployed."""

    vision: _Encoder = EncoderConfig(name="deit-small")
    text: _Encoder = EncoderConfig(name="distilbert")
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    lr: Annotated[float, Field(gt=0.0)] = 3e-4
    init_from_teacher: bool = False
    """Start the encoders from every second layer of the teacher's (same family only)."""

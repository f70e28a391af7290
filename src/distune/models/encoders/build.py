"""Building an encoder from its config: where its parts come from, which class it is, what cannot be one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from distune.config import EncoderConfig
from distune.data.tokenizer import HashTokenizer, Tokenizer
from distune.errors import UserError, has_run_out
from distune.models.encoders.base import TextEncoder, VisionEncoder
from distune.models.encoders.catalogue import CatalogueEntry, Kind, find, known
from distune.models.encoders.pretrained.transformers_model import (
    Origin,
    architecture,
    first_line,
    read_architecture,
)
from distune.models.encoders.pretrained.weights import model_folder, refuse_revision, weights_file
from distune.models.encoders.text import bert
from distune.models.encoders.text.auto_text import AutoText, longest_text
from distune.models.encoders.text.tiny_text import TinyText
from distune.models.encoders.text.tokenizer import read_tokenizer
from distune.models.encoders.vision import mobilevit, vit
from distune.models.encoders.vision.auto_vision import AutoVision
from distune.models.encoders.vision.efficientnet_lite import EfficientNetLite
from distune.models.encoders.vision.preprocessing import read_pixels
from distune.models.encoders.vision.tiny_cnn import TinyCnn

VISION_FAMILIES: dict[str, Any] = {
    **dict.fromkeys(vit.FAMILIES, vit.Vit),
    **dict.fromkeys(mobilevit.FAMILIES, mobilevit.MobileVit),
}
TEXT_FAMILIES: dict[str, Any] = dict.fromkeys(bert.FAMILIES, bert.Bert)
_OF_THE_SYSTEM = (errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM, errno.ETIMEDOUT)
SHORTEST_TEXT = 4
"""Tokens; a model that takes fewer, or does not say, is none for texts."""


def build_vision(config: EncoderConfig, seed: int, image_size: int | None) -> VisionEncoder:
    """An image encoder; random weights depend on the seed alone.

    Args:
        config: name, weights, layers, freeze.
        seed: seeds random weights; the global generator is left as it was.
        image_size: side of the image in pixels; None takes the encoder's own.

    Raises:
        UserError: the name is unknown, the weights cannot be found, or `layers`, `freeze`, the size or
            a rank do not fit.
    """
    source = find(config.name, "vision")
    refuse_revision(source, config.revision)
    _refuse_rank(config)
    options: dict[str, Any] = {"layers": config.layers, "freeze": config.freeze, "image_size": image_size}
    with torch.random.fork_rng(devices=[]), explained(config.name, "vision"):
        torch.manual_seed(seed)
        if isinstance(source, CatalogueEntry) and source.family == "tiny-cnn":
            return TinyCnn(**options)
        if isinstance(source, CatalogueEntry) and source.family == "efficientnet-lite":
            weights = weights_file(source) if config.pretrained else None
            return EfficientNetLite(source.architecture["number"], weights=weights, **options)
        folder = folder_of(source, "vision", config)
        settings = settings_of(source, "vision", folder)
        origin = Origin(settings, folder if config.pretrained else None)
        return assemble_vision(config, origin, folder, image_size)


def build_text(config: EncoderConfig, seed: int) -> TextEncoder:
    """A text encoder with its tokenizer; random weights depend on the seed alone.

    Random weights have no vocabulary of their own: they get hashed words, as many as the architecture has ids.

    Args:
        config: name, weights, layers, freeze, rank of the word embedding.
        seed: seeds random weights; the global generator is left as it was.

    Raises:
        UserError: the name is unknown, the weights cannot be found, or `layers`, `freeze` or the rank do not
            fit.
    """
    source = find(config.name, "text")
    refuse_revision(source, config.revision)
    with torch.random.fork_rng(devices=[]), explained(config.name, "text"):
        torch.manual_seed(seed)
        if isinstance(source, CatalogueEntry) and source.family == "tiny-text":
            _refuse_rank(config)
            return TinyText(layers=config.layers, freeze=config.freeze)
        folder = folder_of(source, "text", config)
        settings = settings_of(source, "text", folder)
        origin = Origin(settings, folder if config.pretrained else None)
        return assemble_text(config, origin, folder)


def assemble_vision(
    config: EncoderConfig, origin: Origin, folder: Path | None, image_size: int | None
) -> VisionEncoder:
    """An image encoder of transformers from its parts.

    Args:
        config: name, layers, freeze.
        origin: architecture and weights.
        folder: says how pixels are prepared; None where the catalogue does.
        image_size: side of the image in pixels; None takes the encoder's own.
    """
    settings = origin.settings
    if hasattr(settings, "text_config") and hasattr(settings, "vision_config"):
        raise UserError(
            f"{config.name}: a {settings.model_type} model is an image and a text model in one; save its vision model "
            "into a folder of its own and name that"
        )
    _require(settings, config.name, "vision", ("num_channels",))
    if settings.num_channels != 3:
        raise UserError(
            f"{config.name}: the model takes images of {settings.num_channels} channels, Distune gives it 3 (RGB); "
            "take another image encoder"
        )
    normalise = read_pixels(config.name, known(find(config.name, "vision"), "vision"), settings, folder)
    encoder: VisionEncoder = VISION_FAMILIES.get(settings.model_type, AutoVision)(
        config, origin, normalise, image_size
    )
    return encoder


def assemble_text(config: EncoderConfig, origin: Origin, folder: Path | None) -> TextEncoder:
    """A text encoder of transformers from its parts.

    Args:
        config: name, layers, freeze, rank of the word embedding.
        origin: architecture and weights.
        folder: holds the vocabulary of trained weights.
    """
    settings = origin.settings
    _require(settings, config.name, "text", ("vocab_size", "hidden_size", "max_position_embeddings"))
    family = TEXT_FAMILIES.get(settings.model_type, AutoText)
    if family is AutoText:
        _refuse_rank(config)
    longest = longest_text(settings) if family is AutoText else settings.max_position_embeddings
    if longest < SHORTEST_TEXT:
        raise UserError(
            f"{config.name}: max_position_embeddings is {settings.max_position_embeddings} in its configuration, which "
            "says not how long a text may be; take another text encoder"
        )
    tokenizer: Tokenizer = HashTokenizer(settings.vocab_size, longest)
    if config.pretrained and folder is not None:
        entry = known(find(config.name, "text"), "text")
        tokenizer = read_tokenizer(folder, settings, longest, entry.cased if entry else None)
    encoder: TextEncoder = family(config, origin, tokenizer)
    return encoder


def folder_of(source: CatalogueEntry | Path | str, kind: Kind, config: EncoderConfig) -> Path | None:
    """The folder that a model of transformers is built from; a named architecture needs none."""
    if isinstance(source, CatalogueEntry) and not config.pretrained:
        return None
    return model_folder(source, kind, with_weights=config.pretrained, revision=config.revision)


def settings_of(source: CatalogueEntry | Path | str, kind: Kind, folder: Path | None) -> Any:
    """A transformers configuration: the folder's, else that of the catalogue."""
    entry = known(source, kind)
    if folder is not None:
        return read_architecture(folder, entry.family if entry else None)
    assert entry is not None
    return architecture(entry.family, entry.architecture)


@contextmanager
def explained(name: str, kind: Kind) -> Iterator[None]:
    """Turns what a library throws at files and settings that it does not expect into a message.

    Raises:
        UserError: names the encoder and what the library said. Out of memory and errors of the file system pass.
    """
    try:
        yield
    except Exception as error:
        is_known = isinstance(error, UserError) or has_run_out(error)
        if is_known or (isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM):
            raise
        raise UserError(
            f"{name}: it cannot be built as the {kind} encoder ({type(error).__name__}: {first_line(error)}); take "
            "another one, or check that its files are complete and of a version that transformers reads"
        ) from error


def _refuse_rank(config: EncoderConfig) -> None:
    if config.embedding_rank is not None:
        raise UserError(
            f"embedding_rank: {config.name} has no word embedding that could be factorised; only text encoders of the "
            f"families {', '.join(bert.FAMILIES)} have one, so leave it empty here (got {config.embedding_rank})"
        )


def _require(settings: Any, name: str, kind: Kind, attributes: tuple[str, ...]) -> None:
    missing = [attribute for attribute in attributes if not hasattr(settings, attribute)]
    if missing:
        raise UserError(
            f"{name}: a {settings.model_type} model cannot be the {kind} encoder, its configuration has no {missing[0]}"
        )

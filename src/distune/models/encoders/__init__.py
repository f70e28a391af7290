"""Encoders: pretrained or tiny networks that turn images and texts into tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from distune.config import EncoderConfig
from distune.data.tokenizer import HashTokenizer
from distune.errors import UserError
from distune.models.encoders import bert, mobilevit, vit
from distune.models.encoders.automodel import AutoText, AutoVision, longest_text
from distune.models.encoders.base import Encoder, TextEncoder, Tokenizer, VisionEncoder
from distune.models.encoders.catalogue import CATALOGUE, MILLISECONDS, Entry, Kind, find, known
from distune.models.encoders.efficientnet_lite import EfficientNetLite
from distune.models.encoders.preprocessing import is_plain, read_pixels
from distune.models.encoders.tiny import TinyCnn, TinyText
from distune.models.encoders.tokenizer import is_cased, read_tokenizer
from distune.models.encoders.transformers_model import Origin, architecture, read_architecture
from distune.models.encoders.weights import file_hash, fingerprint, model_folder, weights_file

__all__ = [
    "CATALOGUE",
    "MILLISECONDS",
    "Encoder",
    "Entry",
    "Kind",
    "TextEncoder",
    "Tokenizer",
    "VisionEncoder",
    "build_text",
    "build_vision",
    "check_name",
    "identity",
]

VISION_FAMILIES: dict[str, Any] = {
    **dict.fromkeys(vit.FAMILIES, vit.Vit),
    **dict.fromkeys(mobilevit.FAMILIES, mobilevit.MobileVit),
}
TEXT_FAMILIES: dict[str, Any] = dict.fromkeys(bert.FAMILIES, bert.Bert)


def check_name(config: EncoderConfig, kind: Kind) -> None:
    """Checks an encoder's name without building or looking for weights; none, for no encoder, is one.

    Raises:
        UserError: the name is unknown or of the other kind; it names the nearest known ones.
    """
    if not config.is_absent:
        find(config.name, kind)


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
    _refuse_rank(config)
    options: dict[str, Any] = {"layers": config.layers, "freeze": config.freeze, "image_size": image_size}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(source, Entry) and source.family == "tiny-cnn":
            return TinyCnn(**options)
        if isinstance(source, Entry) and source.family == "efficientnet-lite":
            weights = weights_file(source) if config.pretrained else None
            return EfficientNetLite(source.architecture["number"], weights=weights, **options)
        settings, folder = _settings(source, "vision", config)
        _require(settings, config.name, "vision", ("num_channels",))
        normalise = read_pixels(config.name, known(source, "vision"), settings, folder)
        family = VISION_FAMILIES.get(settings.model_type, AutoVision)
        origin = Origin(settings, folder if config.pretrained else None)
        encoder: VisionEncoder = family(config, origin, normalise, image_size)
        return encoder


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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(source, Entry) and source.family == "tiny-text":
            _refuse_rank(config)
            return TinyText(layers=config.layers, freeze=config.freeze)
        settings, folder = _settings(source, "text", config)
        _require(settings, config.name, "text", ("vocab_size", "hidden_size", "max_position_embeddings"))
        family = TEXT_FAMILIES.get(settings.model_type, AutoText)
        if family is AutoText:
            _refuse_rank(config)
        longest = longest_text(settings) if family is AutoText else settings.max_position_embeddings
        tokenizer: Tokenizer = HashTokenizer(settings.vocab_size, longest)
        if config.pretrained and folder is not None:
            entry = known(source, "text")
            tokenizer = read_tokenizer(folder, settings, longest, entry.cased if entry else None)
        origin = Origin(settings, folder if config.pretrained else None)
        encoder: TextEncoder = family(config, origin, tokenizer)
        return encoder


def identity(config: EncoderConfig, kind: Kind, seed: int) -> str:
    """Names what an encoder's prefix computes, without building it: architecture, weights, and what is kept of them.

    The image size is not in it.

    Args:
        config: name, weights, layers, freeze, rank of the word embedding.
        kind: vision or text.
        seed: what random weights are seeded with.

    Raises:
        UserError: the name is unknown or the weights cannot be found.
    """
    source = find(config.name, kind)
    is_random = not config.pretrained or (isinstance(source, Entry) and source.source == "built-in")
    if isinstance(source, Entry) and is_random:
        weights = f"random-{seed}"
    elif isinstance(source, Entry) and source.family == "efficientnet-lite":
        weights = file_hash(weights_file(source))
    else:
        folder = model_folder(source, kind, with_weights=not is_random, revision=config.revision)
        weights = fingerprint(folder)
        weights += f"-random-{seed}" if is_random else _reading(source, kind, folder)
    kept = f"layers={config.layers}|freeze={config.freeze}|rank={config.embedding_rank}"
    return f"{config.name}|{weights}|{kept}"


def _reading(source: Entry | Path | str, kind: Kind, folder: Path) -> str:
    """How a folder's inputs are read, where earlier versions read them otherwise: their results are not used again."""
    entry = known(source, kind)
    if kind == "text":
        return "-cased" if is_cased(folder, entry.cased if entry else None) else ""
    return "" if is_plain(folder, entry) else "-pixels"


def _refuse_rank(config: EncoderConfig) -> None:
    if config.embedding_rank is not None:
        raise UserError(
            f"embedding_rank: {config.name} has no word embedding that could be factorised; only text encoders of the "
            f"families {', '.join(bert.FAMILIES)} have one, so leave it empty here (got {config.embedding_rank})"
        )


def _settings(source: Entry | Path | str, kind: Kind, config: EncoderConfig) -> tuple[Any, Path | None]:
    """A transformers configuration and the folder it came from; a named architecture needs no folder."""
    if isinstance(source, Entry) and not config.pretrained:
        return architecture(source.family, source.architecture), None
    folder = model_folder(source, kind, with_weights=config.pretrained, revision=config.revision)
    entry = known(source, kind)
    return read_architecture(folder, entry.family if entry else None), folder


def _require(settings: Any, name: str, kind: Kind, attributes: tuple[str, ...]) -> None:
    missing = [attribute for attribute in attributes if not hasattr(settings, attribute)]
    if missing:
        raise UserError(
            f"{name}: a {settings.model_type} model cannot be the {kind} encoder, its configuration has no {missing[0]}"
        )

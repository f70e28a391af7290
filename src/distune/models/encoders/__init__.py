"""Encoders: pretrained or tiny networks that turn images and texts into tokens."""

from __future__ import annotations

from distune.config import EncoderConfig
from distune.models.encoders.base import Encoder, TextEncoder, VisionEncoder
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE, MILLISECONDS, CatalogueEntry, Kind, find
from distune.models.encoders.fingerprint import identity
from distune.models.encoders.inspection import inspect_encoder

__all__ = [
    "CATALOGUE",
    "MILLISECONDS",
    "CatalogueEntry",
    "Encoder",
    "Kind",
    "TextEncoder",
    "VisionEncoder",
    "build_text",
    "build_vision",
    "check_name",
    "identity",
    "inspect_encoder",
]


def check_name(config: EncoderConfig, kind: Kind) -> None:
    """Checks an encoder's name without building or looking for weights; none, for no encoder, is one.

    Raises:
        UserError: the name is unknown or of the other kind; it names the nearest known ones.
    """
    if not config.is_absent:
        find(config.name, kind)

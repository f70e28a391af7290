"""Damage of compressed TIFF files, which OpenCV decodes without a word."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from typing import Any

from distune.data.pixels.decoder_messages import check_decoded
from distune.data.pixels.orientation import tiff_is_cut, tiff_value
from distune.errors import UserError, is_of_the_machine

_COMPRESSION = 259
_DEFLATE = (8, 32946)
_CHECKED = (2, 3, 4, 5, *_DEFLATE)
"""CCITT, LZW and deflate: those whose decoder can tell that data are no code."""
_STRIPS, _TILES = (273, 279), (324, 325)
"""Tags of where the parts of the picture lie, and how many bytes they are."""


def check_tiff(content: bytes) -> None:
    """Refuses a TIFF that is cut, or whose compressed data are damaged, as far as their compression tells.

    Deflate has a checksum. LZW and CCITT have none: what is no code of theirs is found, what is another code is not.
    Where Pillow is not installed, as beside a bundle, nothing is looked at.

    Raises:
        UserError: they are.
    """
    if tiff_is_cut(content):
        raise UserError("damaged: a TIFF that is cut")
    compression = tiff_value(content, _COMPRESSION)
    if compression not in _CHECKED:
        return
    try:
        from PIL import Image
    except ImportError:
        return

    def decode() -> Mapping[int, Any]:
        try:
            with Image.open(io.BytesIO(content)) as opened:
                tags: Mapping[int, Any] = dict(getattr(opened, "tag_v2", {}))
                if compression not in _DEFLATE:
                    opened.load()
                return tags
        except Exception as error:  # a kind that OpenCV alone reads; what the decoder says of damage is heard
            if is_of_the_machine(error):
                raise
            return {}

    tags = check_decoded(decode, content)
    if compression in _DEFLATE:
        _check_deflated(content, tags)


def _check_deflated(content: bytes, tags: Mapping[int, Any]) -> None:
    try:
        for places, lengths in (_STRIPS, _TILES):
            for place, length in zip(tags.get(places, ()), tags.get(lengths, ()), strict=False):
                _inflate(content[place : place + length])
    except (TypeError, zlib.error) as error:  # a damaged header may give places that are no whole numbers
        raise UserError(f"damaged: a part of a TIFF compressed by deflate ({error})") from None


def _inflate(data: bytes) -> None:
    """Inflates data, and forgets them: their checksum is compared at the end."""
    inflater = zlib.decompressobj()
    while data and not inflater.eof:
        inflater.decompress(data, 1 << 20)
        data = inflater.unconsumed_tail
    if not inflater.eof:
        raise zlib.error("incomplete data")

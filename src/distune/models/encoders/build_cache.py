"""Encoders kept as they were built: a warm process copies them where another trial would read their weights again."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from distune.models.encoders.base import Encoder

MOST = 4
"""Encoders that are kept, those used last: an image and a text encoder each of a teacher and a student."""
AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)
_kept: OrderedDict[str, Encoder] = OrderedDict()


def copied(key: str, build: Callable[[], AnyEncoder]) -> AnyEncoder:
    """A copy of the encoder under a key, which is built where none is kept.

    Args:
        key: everything that the encoder depends on; what is kept under it must be the same as what would be built.
        build: builds it on the CPU.
    """
    if key not in _kept:
        _kept[key] = build()
    _kept.move_to_end(key)
    while len(_kept) > MOST:
        _kept.popitem(last=False)
    found: AnyEncoder = copy.deepcopy(_kept[key])  # type: ignore[assignment]
    return found

"""Stand-ins for our own functions, which a test notices when the real ones have changed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def refusing_as(real: Callable[..., Any], stand_in: Callable[..., Any]) -> Callable[..., Any]:
    """A function that answers as `stand_in`, and takes no arguments but those that `real` takes."""
    signature = inspect.signature(real)

    def call(*given: Any, **named: Any) -> Any:
        signature.bind(*given, **named)
        return stand_in(*given, **named)

    return functools.update_wrapper(call, real, updated=())

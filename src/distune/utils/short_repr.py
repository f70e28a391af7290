"""Results as a notebook shows them: the fields, and of long ones how they begin."""

from __future__ import annotations

import reprlib
from dataclasses import fields
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxtuple, _SHORT.maxlist = 1, 6, 3, 3


def short_repr(self: Any) -> str:
    """A `__repr__` of a dataclass whose fields may hold a thousand values."""
    named = ((each.name, getattr(self, each.name)) for each in fields(self) if each.repr)
    return f"{type(self).__name__}({', '.join(f'{name}={_SHORT.repr(value)}' for name, value in named)})"

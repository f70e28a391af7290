"""The losses by name; a new one is a file here and a line in `distune.components`."""

from __future__ import annotations

from distune.components import LOSSES

__all__ = ["LOSSES"]

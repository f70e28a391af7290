"""Paths as they are typed in a shell."""

from __future__ import annotations

from pathlib import Path

from distune.reporting.formats import plain
from distune.utils.files.paths import in_shell


def shown(path: Path) -> str:
    """A path relative to the working directory where it lies inside it, else as it is."""
    absolute, here = path.absolute(), Path.cwd()
    return plain(absolute.relative_to(here) if absolute.is_relative_to(here) else path, longest=1000)


def quoted(path: Path | str) -> str:
    """A path or a name, quoted for a shell where it needs it."""
    return in_shell(shown(path) if isinstance(path, Path) else plain(path))

"""Whether a process may map what the large libraries need: with less, they end it without a word that can be caught."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

LEAST_MB = 900
"""Of address space (`ulimit -v`). With less, one or another of the libraries that a command loads ends the process in
native code, where nothing can be caught; from where on differs by command."""
_LARGE = ("torch", "onnxruntime")


class RoomForLibraries(MetaPathFinder):
    """Finds no module; refuses the import of a large library where the process may not map enough."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called before a module is looked for.

        Raises:
            MemoryError: it is a large one, and the limit of the process is too low.
        """
        if fullname in _LARGE and (most := most_mb()) is not None and most < LEAST_MB:
            raise MemoryError(f"this process may map {most} MB, and {fullname} needs {LEAST_MB}")
        return None


def most_mb() -> int | None:
    """How much this process may map; None where that is not limited, or on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit // 2**20

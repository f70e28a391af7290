"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` says of it takes longer to import than all else here
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562) whose public names live in its modules.

    Args:
        package: its `__name__`.
        modules: the module of each public name.

    Raises:
        AttributeError: by the function that is returned, for any other name.
    """

    def get(name: str) -> Any:
        import importlib  # not before any signal is handled

        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(modules[name]), name)
        setattr(importlib.import_module(package), name, value)
        return value

    return get

"""A user's own losses, fusions and readers, from modules that the command line names.

A plugin is a module with one or more of the tables `LOSSES`, `FUSIONS` and `READERS`, each by name:

    LOSSES = {"my_loss": MyLoss}

It is imported from the installed packages or from PYTHONPATH, never from the working folder, and no config names it: so
no file that somebody sends can run code. The hash of its source enters the keys of what it computes.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from distune.components import FUSIONS, LOSSES, READERS, Components
from distune.errors import UserError, has_run_out, sayable
from distune.utils.files.paths import read_file

if TYPE_CHECKING:
    from distune.config import Config

TABLES: dict[str, Components] = {"LOSSES": LOSSES, "FUSIONS": FUSIONS, "READERS": READERS}  # type: ignore[type-arg]
_loaded: dict[str, str] = {}


def load_plugins(names: Iterable[str]) -> None:
    """Imports plugins and adds what they define; one that is loaded already is left alone.

    Args:
        names: of modules, such as `mypackage.losses`.

    Raises:
        UserError: a module cannot be imported, defines nothing, or defines what there is already.
    """
    for name in names:
        if name not in _loaded:
            _loaded[name] = _add(name, _imported(name))


def loaded_plugins() -> dict[str, str]:
    """The modules that were loaded, in their order, with the hash of each one's source; every worker loads the same."""
    return dict(_loaded)


def unused_plugins(config: Config) -> list[str]:
    """The loaded plugins of which a config names nothing: without its key, another loss trains in silence."""
    named = (
        READERS.source(config.data.reader),
        *(FUSIONS.source(model.fusion) for model in (config.teacher, config.student)),
        LOSSES.source(config.distillation.loss),
    )
    used = {source for each in named for source in each.values()}
    return [name for name, source in _loaded.items() if source not in used]


def plugin_behind(error: BaseException) -> str | None:
    """The loaded plugin in whose code, or in what that called, an error arose; None where that is none."""
    packages = {name.partition(".")[0]: name for name in _loaded}
    for module in _modules(error):
        if found := packages.get(module.partition(".")[0]):
            return found
    return None


def is_own_end(error: BaseException) -> bool:
    """Whether an exit comes from Distune, such as a handler of a signal, and not from what a plugin calls."""
    return isinstance(error, SystemExit) and _modules(error)[-1].startswith("distune.")


def _modules(error: BaseException) -> list[str]:
    """Where an error passed through, the innermost last."""
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]


def _add(name: str, module: ModuleType) -> str:
    """Adds what a plugin defines, and gives the hash of its source."""
    tables = {table: found for table in TABLES if isinstance(found := getattr(module, table, None), dict)}
    if not any(tables.values()):
        raise UserError(
            f"plugin {name}: it defines none of {', '.join(TABLES)}, such as LOSSES = {{'name': Class}}"
        )
    _check_kinds(name, tables)
    source = source_hash(module)
    for table, found in tables.items():
        for component, value in found.items():
            TABLES[table].add(component, value, source)
    return source


def _check_kinds(name: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses what no class of losses or fusions is, as all that lists them asks what they declare, and no reader."""
    from distune.distillation.base import DistillationLoss
    from distune.models.fusion.base import Fusion

    for table, kind in (("LOSSES", DistillationLoss), ("FUSIONS", Fusion)):
        for component, value in tables.get(table, {}).items():
            if not (isinstance(value, type) and issubclass(value, kind)):
                raise UserError(
                    f"plugin {name}: {table}[{component!r}] is {value!r}; a class is needed that inherits from "
                    f"{kind.__module__}.{kind.__name__}"
                )
    for component, reader in tables.get("READERS", {}).items():
        try:
            inspect.signature(reader).bind(None)
        except ValueError:  # a builtin, which shows no signature
            pass
        except TypeError as error:
            raise UserError(
                f"plugin {name}: READERS[{component!r}] is not called with the data section alone ({error})"
            ) from None


def _imported(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"plugin {name!r}: name a module, such as mypackage.losses; a file is none")
    with _without_working_folder():
        try:
            return importlib.import_module(name)
        except BaseException as raised:  # such as the exit of a script, or what a test's skip raises
            error = sayable(raised)
            if isinstance(error, KeyboardInterrupt) or has_run_out(error) or is_own_end(error):
                raise
            missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
            advice = (
                "install its package, or put its folder on PYTHONPATH; the working folder is never searched"
                if missing
                else "it was found, and its own code fails, so correct that"
            )
            raise UserError(
                f"plugin {name} cannot be imported ({type(error).__name__}: {error}); {advice}"
            ) from error


@contextmanager
def _without_working_folder() -> Iterator[None]:
    """Python puts the working folder first when it runs a module: a file that lies there by chance must not count."""
    before, here = list(sys.path), Path.cwd().resolve()
    sys.path[:] = [entry for entry in before if entry and Path(entry).resolve() != here]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def source_hash(module: ModuleType) -> str:
    """Hash of a plugin's source: its file, or all Python files of its package.

    Args:
        module: the plugin, imported.

    Raises:
        UserError: it has no source file.
    """
    file = Path(module.__file__) if module.__file__ else None
    if file is None or file.suffix != ".py":
        raise UserError(
            f"plugin {module.__name__}: it has no source file, so results could not be told apart"
        )
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    digest = hashlib.sha256()
    for one in files:
        digest.update(f"{one.relative_to(file.parent).as_posix()}\0".encode())
        digest.update(hashlib.sha256(read_file(one)).digest())
    return digest.hexdigest()

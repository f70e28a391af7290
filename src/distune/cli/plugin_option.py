"""The option `--plugin`, which every command has that may meet a config with a user's own components."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from distune.cli.output import say
from distune.config import Config
from distune.plugins import load_plugins, unused_plugins

PLUGINS = inspect.Parameter(
    "plugins",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        list[str] | None,
        typer.Option(
            "--plugin",
            metavar="MODULE",
            help="Module with losses, fusions or readers of your own, such as mypackage.losses; from the installed "
            "packages or PYTHONPATH. May be given several times.",
        ),
    ],
)


def takes_plugins(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the option `--plugin`; the modules are loaded before it runs."""
    signature = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def wrapper(*, plugins: list[str] | None = None, **values: Any) -> Any:
        load_plugins(plugins or ())
        return command(**values)

    parameters = [*signature.parameters.values(), PLUGINS]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def note_unused_plugins(config: Config) -> None:
    """Says which plugins a config names nothing of."""
    for name in unused_plugins(config):
        say(f"note: the config uses nothing of plugin {name}; name it, as with --set distillation.loss=NAME")

"""Options made from a section of the config: one a field, with the field's own text as its help."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from distune.cli.options import listed
from distune.config.section import ConfigSection, kinds_of

SINGLE = (bool, int, float, Path)
"""Types that an option takes as they are; everything else is text that the schema validates."""


def takes_section(
    key: str, section: type[ConfigSection], names: Mapping[str, str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command an option for each field of a section.

    The command gets those that were given as one argument `given`: values by dotted config key. None has a default:
    what is not given leaves the config file's value, or else the schema's.

    Args:
        key: of the section in the config.
        section: its schema.
        names: of options that are called otherwise than their field.
    """
    fields = {names.get(name, name): name for name in section.model_fields}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [parameter for parameter in signature.parameters.values() if parameter.name != "given"]

        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            chosen = {name: values.pop(name) for name in fields}
            given = {f"{key}.{fields[name]}": value for name, value in chosen.items() if value is not None}
            command(given=given, **values)

        of_section = [_parameter(option, section, field) for option, field in fields.items()]
        parameters = [own[0], *of_section, *own[1:]]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorate


def _parameter(option: str, section: type[ConfigSection], name: str) -> inspect.Parameter:
    field = section.model_fields[name]
    annotation: Any = _single(field.annotation)
    flag = f"--{option.replace('_', '-')}"
    help_text = " ".join((field.description or "").split()).replace("[", "\\[")  # brackets would be markup
    if field.default not in (None, (), False):
        help_text += f" Default: {field.default}."
    info = typer.Option(
        flag,
        help=help_text,
        parser=_list_parser(flag) if annotation is tuple else None,
        metavar=_metavar(field.annotation),
    )
    python_type = str if annotation is tuple else annotation
    return inspect.Parameter(
        option,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[python_type | None, info],
    )


def _single(annotation: Any) -> Any:
    """The type that an option has: one of `SINGLE`, `tuple` for a list, and text for names."""
    parts = kinds_of(annotation)
    if any(typing.get_origin(part) is tuple for part in parts):
        return tuple
    return next((part for part in parts if part in SINGLE), str)


def _metavar(annotation: Any) -> str | None:
    parts = kinds_of(annotation)
    names = [
        str(name)
        for part in parts
        if typing.get_origin(part) is typing.Literal
        for name in typing.get_args(part)
    ]
    if names:
        return "|".join(names)
    return "A,B,..." if any(typing.get_origin(part) is tuple for part in parts) else None


def _list_parser(flag: str) -> Callable[[str], list[str]]:
    """What reads a list option; older Typers want a function that has a name."""

    def parse(text: str) -> list[str]:
        return list(listed(flag, text))

    return parse

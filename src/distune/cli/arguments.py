"""Arguments as they are typed: what a parser would pass over without a word is refused, and `~` is the user's home."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from distune.errors import UserError
from distune.utils.files.paths import check_no_url, locale_hint
from distune.utils.text import NOT_UNICODE, harmless, is_unicode, one_line

if TYPE_CHECKING:
    import typer

MAY_BE_BLANK = {("predict", "text")}
"""Command and parameter; an empty text is one that says nothing."""
END_OF_OPTIONS = "--"


class StrictCommand(TyperCommand):
    """A command whose options contradict neither themselves nor each other, and have a value where they take one."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parses the arguments after they are checked.

        Raises:
            UserError: an option has two values, no value, or a blank one.
        """
        parser = self.make_parser(ctx)
        for param in self.get_params(ctx):  # with that of the help
            param.add_to_parser(_Collecting(parser), ctx)  # type: ignore[arg-type]
        values, _, order = parser.parse_args(args=list(args))
        options = {END_OF_OPTIONS, *(flag for param in self.params for flag in _flags(param))}
        for param in dict.fromkeys(order):
            name, given = _shown(param), values[param.name]
            if not _is_list(param) and len(different := list(dict.fromkeys(given))) > 1:
                raise UserError(f"{name}: given as {' and as '.join(map(str, different))}; give it once")
            for value in _texts(given):
                if value in options and not _is_argument(param) and f"{name}={value}" not in args:
                    raise UserError(
                        f"{name}: takes a value, and what follows it, {value}, is an option; "
                        f"give the value, or write {name}={value}"
                    )
                if not value.strip() and (self.name, param.name) not in MAY_BE_BLANK:
                    raise UserError(f"{name}: {value!r} names nothing; leave it out, or say what is meant")
        return super().parse_args(ctx, args)


class _Collecting:
    """A parser's options, each to be kept as the list of all values that it is given; arguments are there already."""

    def __init__(self, parser: Any):
        self._parser = parser

    def add_option(self, *, action: str, **settings: Any) -> None:
        """Replaces an option of the parser by one that takes several values."""
        self._parser.add_option(action=action.replace("store", "append"), **settings)

    def add_argument(self, **settings: Any) -> None:
        """Leaves an argument as it is."""


def _flags(param: Any) -> list[str]:
    return [flag for flag in (*param.opts, *param.secondary_opts) if flag.startswith("-")]


def _is_list(param: Any) -> bool:
    return _is_argument(param) or bool(param.multiple)


def _is_argument(param: Any) -> bool:
    return str(param.param_type_name) == "argument"


def _shown(param: Any) -> str:
    flags = "/".join(_flags(param))
    return flags or str(param.name)


def _texts(given: Any) -> Iterator[str]:
    several = given if isinstance(given, list | tuple) else [given]
    return (value for value in several if isinstance(value, str))


def in_home(command: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a command's paths begin with `~`, as those of a config may: a shell leaves `--out=~/x` as it is.

    One that is a URL is refused.
    """

    @functools.wraps(command)
    def wrapper(**values: Any) -> Any:
        return command(**{name: _expanded(value) for name, value in values.items()})

    return wrapper


def _expanded(value: Any) -> Any:
    if not isinstance(value, Path):
        return value
    check_no_url(value)
    try:
        return value.expanduser()
    except RuntimeError:
        raise UserError(
            f"{one_line(value)}: there is no such user, or that user's home is not known"
        ) from None


def check_unicode(arguments: Sequence[str]) -> None:
    """Refuses bytes that are no UTF-8: what they name could be written into no config, table or record.

    Raises:
        UserError: an argument holds some.
    """
    for argument in arguments:
        if not is_unicode(argument):
            raise UserError(
                f"{harmless(argument)}: {NOT_UNICODE} in an argument; rename the file{locale_hint(argument)}"
            )

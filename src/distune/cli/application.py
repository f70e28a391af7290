"""All commands, and how they run: with warnings and progress on standard error, and one message where they fail."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distune import __version__
from distune.cli.address_space import RoomForLibraries
from distune.cli.arguments import StrictCommand, check_unicode, in_home
from distune.cli.commands import (
    cache,
    compare,
    confirm,
    data,
    encoders,
    errors,
    evaluate,
    export,
    init,
    predict,
    report,
    status,
    train,
    tune,
)
from distune.cli.error_handling import TerminalFormatter, one_message
from distune.cli.output import open_closed_streams, outlive_terminal, say
from distune.cli.plugin_option import takes_plugins
from distune.plugins import loaded_plugins
from distune.utils.progress import ProgressLines, progress_to
from distune.utils.threads import WAITING

app = typer.Typer(
    help="Distil an image + text teacher into a small student, tune both, and prove the gain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"distune {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options before any command."""
    Path.cwd()  # one that is gone is said here; in it a library of torch's would end the process


app.command("init")(init.init)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("errors")(errors.errors)
app.command("export")(export.export)
app.command("check")(data.check)
app.command("audit")(data.audit)
app.command("tune")(tune.tune)
app.command("report")(report.report)
app.command("status")(status.status)
app.command("dashboard")(status.dashboard)
app.command("confirm")(confirm.confirm)
app.command("compare")(compare.compare)
for registered in app.registered_commands:
    if registered.callback is not None:
        registered.callback = takes_plugins(registered.callback)
app.add_typer(data.app, name="data")
app.add_typer(encoders.app, name="encoders")
app.add_typer(cache.app, name="cache")
for each in (app, data.app, encoders.app, cache.app):
    for registered in each.registered_commands:
        assert registered.callback is not None
        registered.callback, registered.cls = in_home(registered.callback), StrictCommand


def run_application(*command: str) -> None:
    """Runs a command with the arguments of this process, see `distune.cli.run_command`."""
    open_closed_streams()
    outlive_terminal()
    sys.meta_path.insert(0, RoomForLibraries())
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(handlers=[log_handler()])
    progress = progress_to(ProgressLines(partial(say, err=True)))
    with one_message(), progress, warnings.catch_warnings():
        if not sys.warnoptions:  # libraries warn of their own lines, which say nothing to a user
            warnings.simplefilter("ignore")
        check_unicode(sys.argv[1:])
        app([*command, *sys.argv[1:]])


def log_handler() -> logging.Handler:
    """Shows warnings of Distune and of plugins on standard error; a study's log file takes more.

    Libraries warn of their own lines, pydicom of odd fields with what stands in them, such as a patient's name.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(TerminalFormatter("%(levelname)s: %(message)s"))
    handler.addFilter(_is_no_library)
    return handler


def _is_no_library(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in {
        name.partition(".")[0] for name in ("distune", *loaded_plugins())
    }

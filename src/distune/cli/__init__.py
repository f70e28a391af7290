"""The command line: parse arguments, call one function, print; no logic of its own.

What takes time to import is in `distune.cli.application`, so that a signal meets a process that can end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from distune.cli.signals import ends_at_once, ends_by_exception
from distune.utils.lazy import lazy_names

if TYPE_CHECKING:
    from distune.cli.application import app

__all__ = ["app", "main", "run_command"]

__getattr__ = lazy_names(__name__, {"app": "distune.cli.application"})


def main() -> None:
    """The command `distune`; what a user can correct ends with exit code 2 and no traceback."""
    run_command()


def run_command(*command: str) -> None:
    """Runs a command with the arguments of this process.

    Args:
        command: the command, where the script that was called stands for it; else the first argument names it.
    """
    with ends_at_once():
        from distune.cli.application import run_application
    with ends_by_exception():
        run_application(*command)

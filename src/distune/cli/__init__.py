"""The command line: parse arguments, call one function, print; no logic of its own.

What takes time to import is imported by the functions, so that a signal meets a process that can end.
"""

from __future__ import annotations

from distune.utils.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from distune.cli.application import app

__all__ = ["app", "main", "run_command"]

__getattr__ = lazy_names(__name__, {"app": "distune.cli.application"})


def main() -> None:
    """The command `distune`; what a user can correct ends with exit code 2 and no traceback."""
    try:
        run_command()
    finally:  # while the interpreter closes, an exception would be printed
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_command(*command: str) -> None:
    """Runs a command with the arguments of this process.

    Args:
        command: the command, where the script that was called stands for it; else the first argument names it.
    """
    try:
        from distune.cli.signals import EndByException, end_at_once
        from distune.utils.signals import SignalsHandled

        with SignalsHandled(end_at_once):
            from distune.cli.application import run_application
        with SignalsHandled(EndByException()):
            run_application(*command)
    except KeyboardInterrupt:  # before the first handler, or between the two
        raise SystemExit(130) from None

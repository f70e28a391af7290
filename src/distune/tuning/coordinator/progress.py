"""How a study is shown while it runs: one live line on a terminal, plain lines elsewhere, and a log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from distune.tuning.coordinator.ledger import TrialCounts
from distune.utils.files.paths import check_appendable
from distune.utils.text import terminal_line

PLAIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """Where the study stands, to be shown."""

    counts: TrialCounts
    active: int
    n_trials: int
    workers: int
    bytes_used: int
    progress: str = ""
    """What the first active trial is at between its epochs."""


def line(snapshot: Snapshot, ends: datetime | None) -> str:
    """Trials finished, pruned, failed and running, the best score, the disk used and the expected end."""
    counts = snapshot.counts
    best = f"best {counts.best[1]:.4f} (trial {counts.best[0]})" if counts.best else "no score yet"
    parts = [
        f"{counts.finished}/{snapshot.n_trials} trials",
        f"{counts.pruned} pruned",
        f"{counts.failed} failed",
        f"{snapshot.active} running",
        best,
        f"{snapshot.bytes_used / 1e9:.1f} GB",
    ]
    if ends is not None and counts.finished < snapshot.n_trials:
        parts.append(
            f"ends about {ends:%H:%M}"
            if ends - datetime.now() < timedelta(hours=20)
            else f"ends about {ends:%a %H:%M}"
        )
    if snapshot.progress:
        parts.append(snapshot.progress)
    return " | ".join(parts)


class StudyProgress:
    """Shows snapshots of a study.

    Args:
        console: where to write; a live line if it is a terminal.
        clock: seconds, never going back.
        title: stands before every line.
    """

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        title: str = "",
    ):
        self._title = f"{title}: " if title else ""
        self._console = console or Console(file=sys.stdout, soft_wrap=True)
        self._clock = clock
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._first: tuple[float, int] | None = None
        self._shown = (0.0, -1)

    def __enter__(self) -> StudyProgress:
        """Takes the line."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the line as it is."""
        if self._live:
            self._live.stop()

    def __call__(self, snapshot: Snapshot) -> None:
        """Shows where the study stands."""
        text = terminal_line(self._title + line(snapshot, self._ends(snapshot)))
        if self._live:
            self._live.update(Text(text), refresh=True)
            return
        now, ended = self._clock(), snapshot.counts.finished + snapshot.counts.failed
        if ended != self._shown[1] or now - self._shown[0] >= PLAIN_SECONDS:
            self._shown = (now, ended)
            self._console.print(text, highlight=False, markup=False)

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(terminal_line(self._title + text), highlight=False, markup=False)

    def _ends(self, snapshot: Snapshot) -> datetime | None:
        """When the rest is done, at the pace since the start."""
        now, finished = self._clock(), snapshot.counts.finished
        if self._first is None:
            self._first = (now, finished)
        done = finished - self._first[1]
        if done == 0:
            return None
        rest = (now - self._first[0]) / done * (snapshot.n_trials - finished)
        return datetime.now() + timedelta(seconds=rest)


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Writes Distune's log, from INFO on, into a file; the root logger's handlers hear what they heard without it.

    Raises:
        OSError: see `check_appendable`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    check_appendable(path)
    logger = logging.getLogger("distune")
    file = _LogFile(path, encoding="utf-8")
    file.setLevel(logging.INFO)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, heard, propagates = logger.level, logger.getEffectiveLevel(), logger.propagate
    handlers = [file, *([_Parents(heard)] if propagates else [])]
    for handler in handlers:
        logger.addHandler(handler)
    logger.propagate = False  # else the level below would hold for the root logger's handlers, too
    logger.setLevel(min(heard, logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagates
        for handler in handlers:
            logger.removeHandler(handler)
        file.close()


class _LogFile(logging.FileHandler):
    """Takes lines as far as the disk does; what it does not take ends no study, and is said once."""

    _is_said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Called where a line could not be written, which is in the buffer for the next time."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_said:
            self._is_said = True
            _log.warning("%s misses lines: %s", self.baseFilename, error.strerror)

    def close(self) -> None:
        """Closes the file, with or without what is in the buffer."""
        with suppress(OSError):
            super().close()


class _Parents(logging.Handler):
    """Hands records from a level on to the handlers of the root logger."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().callHandlers(record)

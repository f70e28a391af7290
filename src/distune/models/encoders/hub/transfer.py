"""What is shown while files are fetched: bytes, speed, expected end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LINE_SECONDS = 10.0
"""Between two lines, where the output is no terminal."""
WORTH_A_LINE = 1_000_000
"""Bytes of a transfer that is announced there; a model's settings and words have fewer."""


class Transfer:
    """Counts the bytes of one repository's files.

    Args:
        title: what is fetched.
        total: bytes in all.
        show: called with (bytes so far, bytes in all) now and then.
        interrupted: asked at every piece; anything but 0 ends the transfer with a `KeyboardInterrupt`.
    """

    def __init__(
        self,
        title: str,
        total: int,
        show: Callable[[int, int], None] = lambda done, total: None,
        interrupted: Callable[[], int] = lambda: 0,
    ):
        self.title = title
        self.total = total
        self.done = 0
        self._show = show
        self._interrupted = interrupted

    def add(self, count: int) -> None:
        """Counts bytes that arrived; a negative count takes back those of a file that starts over."""
        self.done = min(self.total, max(0, self.done + count))
        self._show(self.done, self.total)
        if self._interrupted():
            raise KeyboardInterrupt

    def bar(self) -> type[Any]:
        """A class that huggingface_hub uses in place of its own progress bar."""
        from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

        transfer = self

        class Counting(tqdm):  # type: ignore[misc]
            def __init__(self, *args: Any, **options: Any):
                super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]
                transfer.add(int(options.get("initial") or 0))

            def update(self, n: float | None = 1) -> None:
                transfer.add(int(n or 0))

        return Counting


@contextmanager
def shown(title: str, total: int, interrupted: Callable[[], int] = lambda: 0) -> Iterator[Transfer]:
    """A transfer that shows itself: a live line on a terminal, else a line every few seconds, on standard error."""
    if sys.stderr.isatty():
        with _live(title, total) as show:
            yield Transfer(title, total, show, interrupted)
        return
    if total >= WORTH_A_LINE:
        _write(f"fetching {title}: {megabytes(total)} MB")
    yield Transfer(title, total, _Lines(title), interrupted)


class _Lines:
    def __init__(self, title: str):
        self._title = title
        self._began = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            _write(f"fetching {self._title}: {rate(done, total, now - self._began)}")


@contextmanager
def _live(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"fetching {title}", total=total)
        yield lambda done, total: progress.update(task, completed=done)


def rate(done: int, total: int, seconds: float) -> str:
    """Bytes so far, speed and expected end in words."""
    speed = done / seconds if seconds > 0 else 0.0
    left = f", {(total - done) / speed:.0f} s left" if speed > 0 else ""
    return f"{megabytes(done)} of {megabytes(total)} MB, {speed / 1e6:.1f} MB/s{left}"


def megabytes(count: int) -> str:
    """Bytes as megabytes, with a digit behind the point where there are few."""
    return f"{count / 1e6:.0f}" if count >= 10e6 else f"{count / 1e6:.1f}"


def _write(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

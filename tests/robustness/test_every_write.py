"""Writers that a full disk or a kill stops at any file: they leave all or nothing, and the next one makes it."""

from __future__ import annotations

import csv
import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.data.table import Task
from distune.errors import UserError
from distune.prediction.answers import Answers
from distune.setup.image_links import split_whole
from distune.utils.files import drafts
from distune.utils.files.new_folder import new_folder

pytestmark = pytest.mark.slow

MAKING, ENDING = {"open", "os.mkdir", "os.rename", "os.link"}, {"os.remove", "os.rmdir"}
_watching: list[Callable[[str], None]] = []


def _watch(event: str, details: tuple[Any, ...]) -> None:
    """Python tells of each file before it does anything; what this raises, the writer gets."""
    if _watching and event in MAKING | ENDING and (event != "open" or details[2] & (os.O_WRONLY | os.O_RDWR)):
        _watching[0](event)


sys.addaudithook(_watch)


def _split(out: Path) -> None:
    split_whole(out.parent / "table.csv", out / "new", label_columns=("kind",))


def _answers(out: Path) -> None:
    Answers((Task("kind", ("a", "b")),), np.arange(1), ("x",), (np.ones((1, 2)),)).write(out / "p.csv")


def _folder(out: Path) -> None:
    with new_folder(out / "new") as draft:
        (draft / "inside").mkdir()
        (draft / "inside/a").touch()


WRITERS = {"split": _split, "answers": _answers, "folder": _folder}


def _made(out: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(out)): path.read_bytes() if path.is_file() else None for path in out.rglob("*")
    }


def _stopped(
    write: Callable[[Path], None], out: Path, at: int, stop: Callable[[], None], what: set[str]
) -> int:
    """Writes, and stops at one of the files; gives how many there are."""
    drafts._remove_once.cache_clear()  # as in a new process
    out.mkdir(exist_ok=True)
    seen = 0

    def one_more(event: str) -> None:
        nonlocal seen
        seen += event in what
        if event in what and seen == at:
            stop()

    _watching.append(one_more)
    try:
        write(out)
    finally:
        _watching.clear()
    return seen


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path], None]:
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "kind"], *([f"{n}.png", "ab"[n % 2]] for n in range(4))])
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(bytes([number]))
    return WRITERS[request.param]


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_where_the_disk_is_full_nothing_is_left(write: Callable[[Path], None], tmp_path: Path) -> None:
    points = _stopped(write, tmp_path / "whole", 0, _full, MAKING)
    assert points > 2
    for at in range(1, points + 1):
        out = tmp_path / str(at)
        with suppress(OSError):  # a link that cannot be made is copied
            _stopped(write, out, at, _full, MAKING)
            assert _made(out) == _made(tmp_path / "whole")
            continue
        assert set(_made(out)) <= {"new"} and not any(_made(out).values())
        _stopped(write, out, 0, _full, MAKING)
        assert _made(out) == _made(tmp_path / "whole")


def _interrupted() -> None:
    raise KeyboardInterrupt


def test_who_is_interrupted_leaves_all_or_nothing(write: Callable[[Path], None], tmp_path: Path) -> None:
    points = _stopped(write, tmp_path / "whole", 0, _interrupted, MAKING | ENDING)
    for at in range(1, points + 1):
        out = tmp_path / str(at)
        with pytest.raises(KeyboardInterrupt):
            _stopped(write, out, at, _interrupted, MAKING | ENDING)
        left = _made(out)
        assert left == _made(tmp_path / "whole") or set(left) <= {"new"}


def test_after_a_kill_the_next_one_makes_all(write: Callable[[Path], None], tmp_path: Path) -> None:
    points = _stopped(write, tmp_path / "whole", 0, _killed, MAKING | ENDING)
    for at in range(1, points + 1):
        out = tmp_path / str(at)
        if (process := os.fork()) == 0:
            _stopped(write, out, at, _killed, MAKING | ENDING)
            os._exit(0)
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
        with suppress(UserError):  # all was there already
            _stopped(write, out, 0, _killed, MAKING | ENDING)
        assert _made(out) == _made(tmp_path / "whole")

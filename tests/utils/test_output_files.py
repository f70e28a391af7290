"""What stands where a command would write is replaced only by its like; nothing is opened that may never end."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from distune.errors import DataError, UserError
from distune.prediction.answers import Answers
from distune.utils.files.atomic import replacing, write_text
from distune.utils.files.new_folder import OF_THE_DESKTOP, new_folder
from distune.utils.files.output_files import check_output

MINE = b"my notes\n"


def check(out: Path, *inputs: Path, overwrite: bool = False) -> None:
    is_ours = partial(re.match, b"ours")
    check_output(out, is_ours, "page.html", suffix=".html", inputs=inputs, overwrite=overwrite)


def test_what_is_new_or_of_the_same_kind_is_written(tmp_path: Path) -> None:
    check(tmp_path / "new" / "file")
    assert list(tmp_path.iterdir()) == [], "nothing is made before the work"
    for content in (b"ours", b"ours" + bytes(10_000)):
        (tmp_path / "file").write_bytes(content)
        check(tmp_path / "file", tmp_path / "missing")
        assert (tmp_path / "file").read_bytes() == content


def _pipe(path: Path) -> None:
    os.mkfifo(path)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "another file": lambda path: path.write_bytes(MINE),
    "empty": lambda path: path.touch(),
    "binary": lambda path: path.write_bytes(bytes(10)),
    "a kind further down": lambda path: path.write_bytes(b"\nours"),
    "folder": lambda path: path.mkdir(),
    "pipe": _pipe,
    "link to another file": lambda path: path.symlink_to(_mine(path)),
    "link to a device": lambda path: path.symlink_to(os.devnull),
    "link to nothing": lambda path: path.symlink_to(path.parent / "nothing"),
}


def _mine(path: Path) -> Path:
    path.with_name("mine.txt").write_bytes(MINE)
    return path.with_name("mine.txt")


@pytest.mark.timeout(20)  # a pipe that is opened waits for ever
@pytest.mark.parametrize("kind", FOREIGN)
def test_anything_else_is_refused(tmp_path: Path, kind: str) -> None:
    FOREIGN[kind](tmp_path / "out")
    with pytest.raises(UserError, match="out"):
        check(tmp_path / "out")
    if (tmp_path / "out").is_file() and not (tmp_path / "out").is_symlink():
        check(tmp_path / "out", overwrite=True)
    else:  # nor does anybody mean that
        with pytest.raises(UserError, match="out"):
            check(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("name", ["new.xlsx", "new.CSV", "new.parquet", "new.json"])
def test_a_name_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"new\.html"):
            check(tmp_path / name, overwrite=overwrite)
    for said in ("new.html", "new.HTML", "new.v2", "new.txt", "new"):
        check(tmp_path / said)


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(MINE)
    for out in ("file/out", "file/a/out", "x" * 300, "\0"):
        with pytest.raises(UserError, match="out"):
            check(tmp_path / out)


def test_a_file_among_those_that_are_read_is_replaced_by_its_like_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights").write_bytes(MINE)
    (tmp_path / "run" / "page").write_bytes(b"ours")
    (tmp_path / "run" / "text").touch()
    check(tmp_path / "run" / "page", tmp_path / "run")
    for name in ("weights", "text"):
        with pytest.raises(UserError, match=name):
            check(tmp_path / "run" / name, tmp_path / "run", overwrite=True)


@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_an_input_is_never_an_output(tmp_path: Path, link: Callable[[Path, Path], None] | None) -> None:
    (tmp_path / "in").write_bytes(b"ours")
    out = tmp_path / "in" if link is None else tmp_path / "out"
    if link is not None:
        link(tmp_path / "in", out)
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"read here|is a link"):
            check(out, tmp_path / "in", overwrite=overwrite)


def test_answers_never_replace_answers_unasked(tmp_path: Path) -> None:
    """They may be another model's, and may have been worked on."""
    answers = Answers((), np.arange(0), (), ())
    answers.write(tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(before + b"checked by hand")
    with pytest.raises(UserError, match="overwrite"):
        answers.write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before + b"checked by hand"
    answers.write(tmp_path / "a.csv", overwrite=True)
    assert (tmp_path / "a.csv").read_bytes() == before


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EFBIG])
def test_an_error_names_the_file_and_not_its_draft(tmp_path: Path, code: int) -> None:
    def fails(draft: Path) -> None:
        raise OSError(code, "no", str(draft)) if code == errno.EACCES else OSError(code, "no")

    with pytest.raises(OSError, match="no") as failed, replacing(tmp_path / "a.csv") as draft:
        fails(draft)
    assert failed.value.filename == str(tmp_path / "a.csv")
    with pytest.raises(OSError, match="no") as failed, new_folder(tmp_path / "new") as folder:
        fails(folder / "file")
    assert Path(failed.value.filename).is_relative_to(tmp_path / "new")


def test_of_two_that_make_one_folder_the_second_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="another process"), new_folder(tmp_path / "new") as folder:
        (folder / "mine").touch()
        (tmp_path / "new").mkdir()
        (tmp_path / "new/theirs").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "theirs"]


def test_an_empty_folder_that_cannot_be_replaced_is_nobody_elses_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:  # as where a disk is mounted there
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(Path, "rename", busy)
    (tmp_path / "new").mkdir()
    with pytest.raises(OSError, match="busy"), new_folder(tmp_path / "new") as folder:
        (folder / "mine").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


def test_a_link_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for target in ("empty", "nothing"):
        (tmp_path / f"to {target}").symlink_to(tmp_path / target)
        with pytest.raises(DataError, match="is a link"), new_folder(tmp_path / f"to {target}"):
            raise AssertionError("it could never be given its name")


def test_no_writer_takes_the_place_of_a_pipe_or_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    for name in ("pipe", "null"):
        with pytest.raises(OSError, match="no regular file"):
            write_text(tmp_path / name, "text")
        with pytest.raises(OSError, match=name), replacing(tmp_path / name):
            pass
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 2


COMMANDS = {
    "predict": ("predict", "no_such_run", "--csv", "t.csv", "--out"),
    "audit": ("audit", "t.csv", "--out"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("out", ["t.csv", "mine.txt", "./link"])
def test_a_command_says_so_before_it_reads_anything_else(
    distune: Callable[..., tuple[int, str, str]], tmp_path: Path, command: str, out: str
) -> None:
    (tmp_path / "t.csv").write_text("data: {reader: demo, root: demo}\n")
    (tmp_path / "mine.txt").write_bytes(MINE)
    (tmp_path / "link").symlink_to("t.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, _, errors = distune(*COMMANDS[command], out)
    assert code == 2 and Path(out).name in errors
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_desktop_left_in_a_folder_takes_no_place(tmp_path: Path) -> None:
    for name in OF_THE_DESKTOP:
        (tmp_path / name).touch()
    with new_folder(tmp_path) as folder:
        (folder / "model").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    with pytest.raises(DataError, match="something else"), new_folder(tmp_path):
        pass


@pytest.mark.parametrize("lacking", [os.W_OK, os.X_OK])
def test_a_folder_that_takes_no_file_is_known_before_the_work(
    lacking: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def access(place: Path, mode: int) -> bool:
        asked.append(place)
        return not mode & lacking

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(UserError, match="nothing can be written into"):
        check(tmp_path / "new" / "file")
    assert asked == [tmp_path], "the folder that is there already"


def test_a_file_among_those_that_are_read_is_known_by_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "own.html").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    for folder, out in ((Path("run"), tmp_path / "run/own.html"), (tmp_path / "link", Path("run/own.html"))):
        with pytest.raises(UserError, match="among the files"):
            check_output(out, lambda start: False, "page", inputs=[folder], overwrite=True)

"""Files that belong together are all there or not at all, whoever else writes them."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from distune.errors import UserError
from distune.utils.files.atomic import all_or_none, replacing


def test_of_two_that_write_the_same_files_one_is_refused_and_harms_none(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    with all_or_none(tmp_path, files) as draft:
        (draft / "a").write_text("first")
        with pytest.raises(UserError, match="another process"), all_or_none(tmp_path, files):
            pytest.fail("it was let in")
        (draft / "b").write_text("first")
    with pytest.raises(UserError, match="already"), all_or_none(tmp_path, files):
        pytest.fail("it was let in")
    assert [file.read_text() for file in files] == ["first", "first"]


def test_what_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), all_or_none(tmp_path, [tmp_path / "a", tmp_path / "b"]) as draft:
        (draft / "a").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    if (process := os.fork()) == 0:
        with all_or_none(tmp_path, files) as draft:
            for name in ("a", "b"):
                (draft / name).write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL and not files[0].exists()
    with all_or_none(tmp_path, files) as draft:
        (draft / "a").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and files[0].read_text() == "whole"


@pytest.mark.parametrize("links", [0, 1, 2])
def test_one_that_was_killed_while_it_put_files_in_place_leaves_all_or_none(
    tmp_path: Path, links: int
) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    left = iter([True] * links)

    def killed(self: Path, target: Path) -> None:
        if not next(left, False):
            os.kill(os.getpid(), signal.SIGKILL)
        os.link(target, self)

    def killed_at_the_end(*_: object, **__: object) -> None:
        if files[0].exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def write(text: str) -> None:
        with all_or_none(tmp_path, files) as draft:
            for file in files:
                (draft / file.name).write_text(text)

    if (process := os.fork()) == 0:
        Path.hardlink_to, shutil.rmtree = killed, killed_at_the_end  # type: ignore[assignment,method-assign]
        write("killed")
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    with nullcontext() if links < 2 else pytest.raises(UserError, match="already"):
        write("again")
    assert [file.read_text() for file in files] == ["again" if links < 2 else "killed"] * 2
    assert sorted(tmp_path.iterdir()) == files


def test_a_file_that_somebody_makes_meanwhile_is_kept(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(FileExistsError), all_or_none(tmp_path, files) as draft:
        for file in files:
            (draft / file.name).touch()
        files[1].write_text("mine")
    assert list(tmp_path.iterdir()) == [files[1]] and files[1].read_text() == "mine"


def test_a_file_that_cannot_be_written_is_named_as_it_would_be_called(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, all_or_none(tmp_path, [tmp_path / "a"]) as draft:
        raise OSError(errno.ENOSPC, "full", str(draft / "a"))
    assert caught.value.filename == str(tmp_path / "a")


def test_why_a_file_was_not_written_is_said_where_its_draft_cannot_be_removed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *to: object, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path), None, *map(str, to))

    def is_read_only_by_now() -> None:
        for name in ("replace", "rename", "hardlink_to", "unlink"):
            monkeypatch.setattr(Path, name, refuse)

    with pytest.raises(OSError, match="Read-only") as failed, replacing(tmp_path / "a.csv"):
        is_read_only_by_now()
    assert failed.value.filename == str(tmp_path / "a.csv") and "->" not in str(failed.value)
    monkeypatch.undo()
    with (
        pytest.raises(OSError, match="Read-only") as failed,
        all_or_none(tmp_path, [tmp_path / "b"]) as draft,
    ):
        (draft / "b").touch()
        is_read_only_by_now()
    assert failed.value.filename == str(tmp_path / "b")

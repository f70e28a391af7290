"""Files that belong together are all there or not at all, whoever else writes them."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from distune.errors import UserError
from distune.utils.files.atomic import all_or_none


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


def test_a_file_that_cannot_be_written_is_named_as_it_would_be_called(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, all_or_none(tmp_path, [tmp_path / "a"]) as draft:
        raise OSError(errno.ENOSPC, "full", str(draft / "a"))
    assert caught.value.filename == str(tmp_path / "a")

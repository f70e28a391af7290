"""Files that belong together are all there or not at all, whoever else writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.errors import UserError
from distune.utils.files.atomic import all_or_none


def test_of_two_that_write_the_same_files_one_is_refused_and_harms_none(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    with all_or_none(tmp_path, files):
        files[0].write_text("first")
        with pytest.raises(UserError, match="another process"), all_or_none(tmp_path, files):
            files[1].write_text("second")
        files[1].write_text("first")
    with pytest.raises(UserError, match="already"), all_or_none(tmp_path, files):
        files[0].write_text("third")
    assert [file.read_text() for file in files] == ["first", "first"]


def test_what_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), all_or_none(tmp_path, [tmp_path / "a", tmp_path / "b"]):
        (tmp_path / "a").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []

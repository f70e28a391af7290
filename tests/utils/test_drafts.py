"""What a killed process leaves of its drafts is removed by the next one that writes beside them, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from distune.utils.files import drafts
from distune.utils.files.atomic import replacing, write_text
from distune.utils.files.new_folder import new_folder

Writer = Callable[[Path], AbstractContextManager[Path]]
WRITERS: dict[str, Writer] = {"file": replacing, "folder": new_folder}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_the_draft_of_a_killed_process_is_removed(tmp_path: Path, writer: Writer) -> None:
    if (process := os.fork()) == 0:
        with writer(tmp_path / "a") as draft:
            (draft / "half" if draft.is_dir() else draft).write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL and len(list(tmp_path.iterdir())) == 1
    drafts._remove_once.cache_clear()  # as in a new process
    write_text(tmp_path / "b", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_the_draft_of_a_living_process_and_what_only_looks_like_one_stay(
    tmp_path: Path, writer: Writer
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / f".distune-{'0' * 24}.link").symlink_to("pipe")
    (tmp_path / f".{'0' * 32}.mine").touch()
    (tmp_path / ".distune-mine").touch()
    before = {*tmp_path.iterdir()}
    with writer(tmp_path / "a") as draft:
        drafts._remove_once.cache_clear()
        write_text(tmp_path / "b", "whole")
        assert {*tmp_path.iterdir()} == before | {draft, tmp_path / "b"}
    assert (tmp_path / "a").exists()


def test_a_draft_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "draft").touch()
    for _ in range(2):
        with drafts.held(tmp_path / "draft") as is_ours, drafts.held(tmp_path / "draft") as is_ours_too:
            assert is_ours and not is_ours_too

"""What a trial is at between its epochs lies in its folder while it is, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.tuning.trials.trial import PROGRESS, ReportEpochs, read_progress
from distune.utils import progress


@pytest.fixture
def callback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportEpochs:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    return ReportEpochs(lambda *_: True, tmp_path, "fold 2 ")


def test_it_is_there_until_the_step_is_done(callback: ReportEpochs, tmp_path: Path) -> None:
    callback.on_stage_start("teacher")
    callback.on_progress("encoding images", 16, 80)
    callback.on_progress("encoding images", 32, 80)
    assert read_progress(tmp_path).startswith("fold 2 encoding images: 32 of 80, ")
    callback.on_progress("encoding images", 80, 80)
    assert read_progress(tmp_path) == ""
    assert not (tmp_path / PROGRESS).exists()


@pytest.mark.parametrize("end", ["on_stage_end", "on_stage_start"])
def test_what_a_failed_or_killed_attempt_left_is_removed(
    callback: ReportEpochs, tmp_path: Path, end: str
) -> None:
    callback.on_progress("encoding images", 16, 80)
    callback.on_progress("encoding images", 32, 80)
    getattr(callback, end)("teacher")
    assert read_progress(tmp_path) == ""


def test_what_no_trial_wrote_is_no_progress(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).write_bytes(b"\xff\xfe")
    assert read_progress(tmp_path) == ""


def test_a_folder_that_cannot_be_written_stops_no_trial(callback: ReportEpochs, tmp_path: Path) -> None:
    callback.on_progress("encoding images", 16, 80)
    callback.on_progress("encoding images", 32, 80)
    tmp_path.rename(moved := tmp_path.with_name("moved"))
    callback.on_progress("encoding images", 48, 80)
    callback.on_stage_end("teacher")
    assert not tmp_path.exists() and "32 of 80" in read_progress(moved)

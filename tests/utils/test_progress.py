"""Lines about long work: none for short work, the rate and the end for long."""

from __future__ import annotations

import pytest

from distune.utils.progress import ProgressLines, duration, progress_to, report_progress
from distune.utils.threads import threaded


def lines_of(updates: list[tuple[float, str, int, int]]) -> list[str]:
    clock = iter([moment for moment, *_ in updates])
    said: list[str] = []
    show = ProgressLines(said.append, clock=lambda: next(clock))
    for _, step, done, total in updates:
        show(step, done, total)
    return said


def test_short_work_says_nothing() -> None:
    assert lines_of([(0, "a", 0, 10), (1, "a", 5, 10), (1.9, "a", 10, 10)]) == []


def test_long_work_says_how_far_how_fast_and_when_it_ends() -> None:
    said = lines_of([(0, "a", 0, 1000), (4, "a", 100, 1000), (5, "a", 150, 1000), (40, "a", 1000, 1000)])
    assert said == ["a: 100 of 1,000, 25/s, ends in 36 s", "a: 1,000 of 1,000, 25/s"]


def test_what_was_done_before_counts_for_no_rate() -> None:
    assert lines_of([(0, "a", 500, 1000), (10, "a", 600, 1000)]) == ["a: 600 of 1,000, 10/s, ends in 40 s"]


def test_each_step_begins_by_itself() -> None:
    assert lines_of([(0, "a", 0, 10), (9, "b", 0, 10), (10, "b", 5, 10)]) == []
    assert lines_of([(0, "a", 5, 10), (1, "a", 10, 10), (9, "a", 5, 10), (10, "a", 10, 10)]) == []


def test_work_on_files_is_reported_to_the_listener() -> None:
    heard: list[tuple[str, int, int]] = []
    with progress_to(lambda *progress: heard.append(progress)):
        assert list(threaded(str, [4, 5], step="checking images")) == ["4", "5"]
        list(threaded(str, [6]))
    report_progress("nobody listens", 1, 1)
    assert heard == [("checking images", 1, 2), ("checking images", 2, 2)]


def test_a_state_that_is_reported_twice_is_shown_once() -> None:
    assert lines_of([(0, "a", 0, 10), (9, "a", 10, 10), (10, "a", 10, 10)]) == ["a: 10 of 10, 1.11/s"]


@pytest.mark.parametrize(("seconds", "shown"), [(30, "30 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown

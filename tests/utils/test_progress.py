"""Lines about long work: none for short work, the rate and the end for long."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import pytest

from distune.utils.progress import ProgressLines, duration, progress_to, report_progress
from distune.utils.threads import CHUNK, threaded, usable_cores


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


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (30, "30 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (9000, "2.5 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_line_is_said_every_five_seconds_and_at_the_end() -> None:
    updates = [(0.0, "a", 0, 10), (2.0, "a", 2, 10), (6.9, "a", 6, 10), (7.0, "a", 7, 10), (8.0, "a", 10, 10)]
    assert lines_of(updates) == [
        "a: 2 of 10, 1/s, ends in 8 s",
        "a: 7 of 10, 1/s, ends in 3 s",
        "a: 10 of 10, 1.25/s",
    ]
    assert lines_of([(0, "a", 0, 4), (9, "a", 2, 4), (20, "a", 1, 4), (30, "a", 3, 4)])[1:] == [
        "a: 3 of 4, 0.2/s, ends in 5 s"
    ]


@pytest.mark.slow
def test_every_item_is_worked_on_once_and_counted_over_all_chunks() -> None:
    heard: list[int] = []
    with progress_to(lambda step, done, total: heard.append(done)):
        assert list(threaded(lambda item: item + 1, range(CHUNK + 3), 2, step="x")) == list(
            range(1, CHUNK + 4)
        )
    assert heard == list(range(1, CHUNK + 4))
    report_progress("nobody listens", 1, 1)
    assert len(heard) == CHUNK + 3


def test_the_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0: {1, 5, 7}}[process])  # 0: this one
        assert usable_cores() == 3
        monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 64


def test_the_listener_of_an_outer_block_is_heard_again() -> None:
    heard: list[str] = []
    with progress_to(lambda step, done, total: heard.append(f"outer {step}")):
        with progress_to(lambda step, done, total: heard.append(f"inner {step}")):
            report_progress("a", 1, 1)
        report_progress("b", 1, 1)
    report_progress("c", 1, 1)
    assert heard == ["inner a", "outer b"]
    with suppress(ValueError), progress_to(lambda step, done, total: heard.append(step)):
        raise ValueError
    report_progress("after an error", 1, 1)
    assert len(heard) == 2


def test_as_many_threads_work_as_are_asked_for() -> None:
    running: list[int] = []
    most: list[int] = []

    def work(item: int) -> int:
        running.append(item)
        most.append(len(running))
        time.sleep(0.002)
        running.remove(item)
        return item

    assert list(threaded(work, range(6), 1)) == list(range(6)) and max(most) == 1

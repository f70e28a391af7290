from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from closed_form_trials import script
from simulated_workers import SimulatedExecutor

from distune.errors import UserError
from distune.tuning.executors.local import LocalExecutor
from distune.tuning.executors.memory_limit import total_bytes
from distune.tuning.trials.messages import (
    EpochReported,
    Failure,
    TrialFinished,
    TrialOutcome,
    TrialStarted,
    TrialTask,
)

pytestmark = pytest.mark.slow

PLAYED = "closed_form_trials:played"


def local(folder, workers):
    return LocalExecutor(PLAYED, folder / "workers", workers=workers, threads=1)


def simulated(folder, workers):
    return SimulatedExecutor(script, workers=workers)


def task(folder, number=0, behaviour="fine", attempt=1, epochs=3):
    config = {"behaviour": behaviour, "epochs": epochs}
    return TrialTask(number, config, str(folder / f"trial_{number}"), attempt=attempt)


def play(executor, tasks, answer=lambda event: True, limit=60.0):
    """Submits tasks as workers get free and answers every score; the events by trial, in order."""
    events: dict[int, list] = {one.number: [] for one in tasks}
    waiting = list(tasks)
    ended = 0
    until = time.monotonic() + limit
    while ended < len(tasks):
        assert time.monotonic() < until, "the executor went silent"
        while waiting and executor.free():
            executor.submit(waiting.pop(0))
        for event in executor.wait(0.5):
            events[event.number].append(event)
            if isinstance(event, EpochReported):
                executor.answer(event.number, answer(event))
            ended += isinstance(event, TrialFinished)
    return events


@pytest.fixture(params=[local, simulated])
def make(request, tmp_path):
    """Makes executors of one kind and closes them at the end."""
    made = []

    def make_one(workers=1):
        made.append(request.param(tmp_path, workers))
        return made[-1]

    yield make_one
    for executor in made:
        executor.close()


class TestContract:
    """What every executor must do."""

    def test_events_come_in_order_and_end_with_the_outcome(self, make, tmp_path):
        events = play(make(), [task(tmp_path)])[0]
        assert isinstance(events[0], TrialStarted)
        assert [(e.stage, e.epoch, e.score) for e in events[1:-1]] == [
            ("student", 1, 0.1),
            ("student", 2, 0.2),
            ("student", 3, 0.3),
        ]
        assert isinstance(events[-1], TrialFinished) and isinstance(events[-1].result, TrialOutcome)
        assert (events[-1].result.state, events[-1].result.score) == ("complete", 0.3)

    def test_a_trial_stops_where_it_is_asked_to(self, make, tmp_path):
        events = play(make(), [task(tmp_path)], answer=lambda event: event.epoch < 2)[0]
        assert [e.epoch for e in events if isinstance(e, EpochReported)] == [1, 2]
        assert (events[-1].result.state, events[-1].result.score) == ("stopped", 0.2)

    @pytest.mark.parametrize(
        ("behaviour", "kind", "message"),
        [
            ("crash", "crash", "the roof fell in"),
            ("memory", "out_of_memory", "no more of it"),
            ("nan", "not_finite", "the score is nan after student epoch 1"),
        ],
    )
    def test_a_failure_has_a_kind_and_a_message_and_the_worker_stays(
        self, make, tmp_path, behaviour, kind, message
    ):
        executor = make()
        failure = play(executor, [task(tmp_path, 0, behaviour)])[0][-1].result
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.message) == (kind, message)
        if behaviour == "crash":
            assert "RuntimeError" in failure.output
        assert play(executor, [task(tmp_path, 1)])[1][-1].result.score == 0.3

    def test_a_deleted_folder_of_output_ends_nothing(self, make, tmp_path):
        executor = make()
        shutil.rmtree(tmp_path / "workers", ignore_errors=True)
        assert play(executor, [task(tmp_path, 0, "crash")])[0][-1].result.kind == "crash"
        assert play(executor, [task(tmp_path, 1)])[1][-1].result.score == 0.3

    def test_a_trial_without_any_score_is_a_failure(self, make, tmp_path):
        failure = play(make(), [task(tmp_path, epochs=0)])[0][-1].result
        assert isinstance(failure, Failure) and failure.kind == "not_finite"

    def test_a_dead_worker_is_preempted_and_replaced(self, make, tmp_path):
        executor = make()
        events = play(executor, [task(tmp_path, 0, "dies")])[0]
        assert events[-1].result.kind == "preempted"
        assert executor.free() == 1
        assert play(executor, [task(tmp_path, 0, "dies", attempt=2)])[0][-1].result.score == 0.3

    @pytest.mark.parametrize("behaviour", ["late crash", "fine"])
    def test_a_trial_says_what_it_cost_also_where_it_failed(self, make, tmp_path, behaviour):
        result = play(make(), [task(tmp_path, behaviour=behaviour)])[0][-1].result
        assert isinstance(result, Failure if behaviour == "late crash" else TrialOutcome)
        assert result.cost.seconds == {"student": pytest.approx(0.03)}
        assert result.cost.peak_memory_mb > 10
        assert result.cost.peak_device_mb == 0.0
        assert result.cost.device in ("real", "virtual")

    def test_of_a_dead_worker_only_what_was_seen_is_told(self, make, tmp_path):
        cost = play(make(), [task(tmp_path, behaviour="dies")])[0][-1].result.cost
        assert cost.peak_memory_mb > 10
        assert (cost.seconds, cost.peak_device_mb, cost.device) == ({}, None, None)

    def test_workers_run_side_by_side_and_each_trial_keeps_its_order(self, make, tmp_path):
        executor = make(2)
        assert (executor.workers, executor.free()) == (2, 2)
        events = play(executor, [task(tmp_path, number) for number in range(5)])
        for found in events.values():
            assert [e.epoch for e in found if isinstance(e, EpochReported)] == [1, 2, 3]
            assert isinstance(found[-1], TrialFinished)
        assert 1 <= len({found[0].worker for found in events.values()}) <= 2
        assert executor.free() == 2

    def test_two_trials_are_on_two_workers(self, make, tmp_path):
        executor = make(2)
        started: list[TrialStarted] = []
        for number in range(2):
            executor.submit(task(tmp_path, number))
        assert executor.free() == 0
        until = time.monotonic() + 60.0
        while len(started) < 2:
            assert time.monotonic() < until, started
            started += [event for event in executor.wait(1.0) if isinstance(event, TrialStarted)]
        assert len({event.worker for event in started}) == 2

    def test_a_worker_is_taken_until_its_trial_ends(self, make, tmp_path):
        executor = make()
        executor.submit(task(tmp_path))
        assert executor.free() == 0

    def test_waiting_for_nothing_returns(self, make, tmp_path):
        executor = make()
        play(executor, [task(tmp_path)])  # a worker that gets ready ends a wait early
        started = executor.now()
        assert executor.wait(0.05) == []
        assert executor.now() >= started + 0.05

    def test_an_answer_to_an_ended_trial_is_ignored(self, make, tmp_path):
        executor = make()
        play(executor, [task(tmp_path)])
        executor.answer(0, True)
        executor.answer(99, True)
        assert play(executor, [task(tmp_path, 1)])[1][-1].result.state == "complete"


def first(kind, executor, limit=60.0):
    """The next event of a kind."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        for event in executor.wait(1.0):
            if isinstance(event, kind):
                return event
    raise AssertionError(f"{kind.__name__} never came")


def first_score(executor):
    return first(EpochReported, executor)


def ended(executor):
    """How the trial ended that a worker has."""
    return first(TrialFinished, executor).result


def control_groups(folder, monkeypatch, **files):
    """Lets the kernel's files about this process's control group be those of a folder."""
    monkeypatch.setattr("distune.tuning.executors.memory_limit.OWN_GROUP", folder / "own")
    monkeypatch.setattr("distune.tuning.executors.memory_limit.CGROUPS", folder)
    (folder / "own").write_text("4:memory:/elsewhere\n0::/group\n")
    (folder / "group").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "group" / name.replace("_", ".")).write_text(text)


class TestLocal:
    """What only real processes can do."""

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_a_worker_killed_in_the_middle_is_preempted(self, tmp_path, number):
        with local(tmp_path, 1) as executor:
            executor.submit(task(tmp_path))
            first_score(executor)
            os.kill(executor.processes()[0], number)
            assert ended(executor).kind == "preempted"
            assert play(executor, [task(tmp_path, 1)])[1][-1].result.score == 0.3

    def test_a_worker_that_is_killed_is_seen_at_the_peak_of_this_trial(self, tmp_path):
        with LocalExecutor("closed_form_trials:greedy", tmp_path / "workers", threads=1) as executor:
            peaks = []
            for number, megabytes in enumerate((300, 10)):
                executor.submit(TrialTask(number, {"megabytes": megabytes}, str(tmp_path / "trial")))
                first_score(executor)
                if number == 0:
                    executor.answer(number, True)
                    peaks.append(ended(executor).cost.peak_memory_mb)
            os.kill(executor.processes()[0], signal.SIGKILL)
            peaks.append(ended(executor).cost.peak_memory_mb)
        assert peaks[0] > 300 > peaks[1] + 100

    def test_a_function_that_measures_nothing_has_its_process_measured(self, tmp_path):
        with LocalExecutor("closed_form_trials:broken", tmp_path) as executor:
            cost = play(executor, [task(tmp_path)])[0][-1].result.cost
        assert cost.peak_memory_mb > 10
        assert (cost.seconds, cost.peak_device_mb, cost.device) == ({}, None, None)

    @pytest.mark.parametrize(("kills_after", "kind"), [(4, "out_of_memory"), (3, "preempted")])
    def test_a_worker_that_the_kernel_kills_for_memory_is_out_of_it(
        self, tmp_path, monkeypatch, kills_after, kind
    ):
        control_groups(tmp_path, monkeypatch, memory_events="low 0\noom 9\noom_kill 3\noom_group_kill 0\n")
        with local(tmp_path, 1) as executor:
            executor.submit(task(tmp_path))
            first_score(executor)
            (tmp_path / "group" / "memory.events").write_text(f"low 0\noom 9\noom_kill {kills_after}\n")
            os.kill(executor.processes()[0], signal.SIGKILL)
            assert ended(executor).kind == kind

    @pytest.mark.parametrize(("kills", "second"), [(1, "preempted"), (2, "out_of_memory")])
    def test_one_kill_for_memory_explains_one_death(self, tmp_path, monkeypatch, kills, second):
        control_groups(tmp_path, monkeypatch, memory_events="oom_kill 3\n")
        with local(tmp_path, 2) as executor:
            workers = executor.processes()
            for number in (0, 1):
                executor.submit(task(tmp_path, number))
                first_score(executor)
            (tmp_path / "group" / "memory.events").write_text(f"oom_kill {3 + kills}\n")
            kinds = []
            for process in workers:
                os.kill(process, signal.SIGKILL)
                kinds.append(ended(executor).kind)
            assert kinds == ["out_of_memory", second]

    def test_the_memory_of_a_worker_is_a_share_of_what_its_group_may_use(self, tmp_path, monkeypatch):
        control_groups(tmp_path, monkeypatch, memory_max="max")
        assert total_bytes() == psutil.virtual_memory().total
        control_groups(tmp_path, monkeypatch, memory_max="60000000")
        assert total_bytes() == 60_000_000
        with LocalExecutor("closed_form_trials:hoarding", tmp_path / "w") as executor:
            before = executor.processes()
            for number in range(3):
                assert executor.processes() == before
                play(executor, [task(tmp_path, number)])
            assert executor.processes() != before, "two trials after the first took more than half of 60 MB"

    def test_two_coordinators_do_not_write_into_one_file(self, tmp_path):
        script = f"import sys; sys.path[:0] = {sys.path}; import test_executor_contract as contract; " + (
            f"from pathlib import Path; contract.local(Path({str(tmp_path)!r}), 1).close()"
        )
        with local(tmp_path, 1):
            subprocess.run([sys.executable, "-c", script], check=True)
        assert len(list((tmp_path / "workers").glob("worker-0_*.log"))) == 2

    def test_an_idle_worker_that_dies_is_replaced(self, tmp_path):
        with local(tmp_path, 1) as executor:
            play(executor, [task(tmp_path)])
            (process,) = executor.processes()
            os.kill(process, signal.SIGKILL)
            os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)  # dead, and not yet known to be
            assert play(executor, [task(tmp_path, 1)])[1][-1].result.score == 0.3

    def test_a_worker_stays_warm(self, tmp_path):
        with local(tmp_path, 1) as executor:
            before = executor.processes()
            play(executor, [task(tmp_path, 0), task(tmp_path, 1)])
            assert executor.processes() == before

    def test_a_worker_is_recycled_once_it_has_grown_not_for_what_its_first_trial_took(self, tmp_path):
        with LocalExecutor("closed_form_trials:hoarding", tmp_path / "w", memory_limit_mb=30.0) as executor:
            before = executor.processes()
            for number in (0, 1):  # 50 MB in the first trial, 20 in each other
                play(executor, [task(tmp_path, number)])
                assert executor.processes() == before
            play(executor, [task(tmp_path, 2)])
            assert executor.processes() != before
            play(executor, [task(tmp_path, 3)])

    def test_devices_go_to_workers_in_turn_and_threads_are_limited_before_the_imports(self, tmp_path):
        with LocalExecutor(
            "closed_form_trials:surroundings", tmp_path, workers=3, devices=("cuda:0", "cuda:1"), threads=2
        ) as executor:
            events = play(executor, [task(tmp_path, number) for number in range(3)])
        found = [found[-1].result.extra for found in events.values()]
        assert sorted(one["device"] for one in found) == ["cuda:0", "cuda:0", "cuda:1"]
        assert all(one["OMP_NUM_THREADS"] == "2" and one["threads"] == 2 for one in found)
        assert all(one["OMP_WAIT_POLICY"] == "PASSIVE" for one in found)
        assert [one["imported"] for one in found] == [[]] * 3

    def test_a_folder_in_use_is_left_to_its_user(self, tmp_path):
        from filelock import FileLock

        (tmp_path / "trial_0").mkdir()
        lock = FileLock(tmp_path / "trial_0" / ".lock")
        lock.acquire()
        with local(tmp_path, 1) as executor:
            executor.submit(task(tmp_path))
            first(TrialStarted, executor)
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                assert not any(isinstance(event, EpochReported) for event in executor.wait(0.3))
            lock.release()
            assert first_score(executor).epoch == 1

    def test_ctrl_c_on_the_terminal_is_not_the_workers_business(self, tmp_path):
        with local(tmp_path, 1) as executor:
            executor.submit(task(tmp_path))
            first_score(executor)
            os.kill(executor.processes()[0], signal.SIGINT)
            executor.answer(0, True)
            assert first_score(executor).epoch == 2

    def test_a_function_that_cannot_be_imported_fails_the_trial(self, tmp_path):
        with LocalExecutor("closed_form_trials:nothing", tmp_path) as executor:
            failure = play(executor, [task(tmp_path)])[0][-1].result
        assert failure.kind == "crash" and "nothing" in failure.message

    def test_workers_that_never_start_are_an_error_with_their_output(self, tmp_path, monkeypatch):
        (tmp_path / "filelock.py").write_text("raise SystemExit('no such library')")
        monkeypatch.syspath_prepend(str(tmp_path))
        with (
            LocalExecutor(PLAYED, tmp_path / "w") as executor,
            pytest.raises(UserError, match="no such library"),
        ):
            play(executor, [task(tmp_path)])

    def test_closing_leaves_no_draft_of_what_a_trial_writes(self, tmp_path):
        with LocalExecutor("closed_form_trials:drafting", tmp_path / "w", threads=1) as executor:
            executor.submit(task(tmp_path))
            while not (draft := tmp_path / "trial_0" / "draft").exists():
                executor.wait(0.05)
        assert not draft.exists()

    def test_closing_leaves_no_process(self, tmp_path):
        executor = local(tmp_path, 2)
        processes = executor.processes()
        executor.submit(task(tmp_path))
        executor.close()
        assert len(processes) == 2
        for process in processes:
            with pytest.raises(ProcessLookupError):
                os.kill(process, 0)

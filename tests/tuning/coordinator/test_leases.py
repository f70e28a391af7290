from __future__ import annotations

import inspect
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime

import psutil
import pytest

from distune.tuning.coordinator.leases import LEASE_SECONDS, Lease, Watch, leases, sessions, this_host


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def elsewhere(name, **changes):
    return replace(Lease.new(1), coordinator=name, host="other/machine", pid=1, **changes)


def test_a_process_here_is_dead_when_it_is_gone():
    mine = Lease.new(1)
    assert mine.pid == os.getpid() and mine.host == this_host() and not mine.process_is_gone()
    assert mine.started == mine.seen and abs(time.time() - mine.seen) < 60
    assert (mine.beat, mine.workers, mine.devices, mine.n_trials, mine.ended) == (0, 1, [], None, None)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert replace(mine, pid=process.pid).process_is_gone()
    assert replace(mine, born=mine.born - 100).process_is_gone(), "another process has its number now"
    assert not replace(mine, host="other/machine", pid=process.pid).process_is_gone()
    assert Watch().living({"a": replace(mine, coordinator="a", pid=process.pid)}) == set()


def test_a_process_that_ended_and_that_nobody_asked_for_its_end_is_gone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        child = psutil.Process(process.pid)
        lease = replace(Lease.new(1), pid=process.pid, born=child.create_time())
        assert not lease.process_is_gone()
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert child.status() == psutil.STATUS_ZOMBIE
        assert lease.process_is_gone()


def test_a_process_here_may_be_slow_or_suspended():
    clock = Clock()
    watch = Watch("me", clock)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = psutil.Process(process.pid).create_time()
        known = {"a": replace(Lease.new(1), coordinator="a", pid=process.pid, born=born)}
        for _ in range(30):
            assert watch.living(known) == {"me", "a"}
            clock.now += 5
        process.kill()
        process.wait()
        assert watch.living(known) == {"me"}


def test_one_look_tells_a_lease_by_its_last_beat():
    here, now = Lease.new(1), 1e9
    assert replace(here, seen=now - 86_400).looks_alive(now), "its process lives"
    before_the_reboot = replace(here, host=f"{here.host}/before")
    assert replace(before_the_reboot, seen=now - LEASE_SECONDS).looks_alive(now)
    assert not replace(before_the_reboot, seen=now - 3 * LEASE_SECONDS).looks_alive(now)
    assert not here.closed("finished").looks_alive(now)


def test_a_wall_clock_that_is_set_back_keeps_nobody_alive():
    assert inspect.signature(Watch).parameters["clock"].default is time.monotonic


def test_a_lease_elsewhere_is_dead_when_it_does_not_change():
    clock = Clock()
    watch = Watch("me", clock)
    still, beating = elsewhere("still"), elsewhere("beating")
    for _ in range(int(LEASE_SECONDS / 5)):
        assert watch.living({"still": still, "beating": beating}) == {"me", "still", "beating"}
        clock.now += 5
        beating = beating.renewed()
    assert watch.living({"still": still, "beating": beating}) == {"me", "beating"}
    assert watch.living({"still": still.renewed(), "beating": beating}) == {"me", "still", "beating"}


def test_clocks_need_not_agree():
    assert Watch(clock=Clock()).living({"a": elsewhere("a", seen=0.0, started=0.0)}) == {"a"}


def test_time_in_which_nobody_could_look_does_not_count():
    clock = Clock()
    watch = Watch("me", clock)
    known = {"a": elsewhere("a")}
    watch.living(known)
    clock.now += 600  # the database was away, so nobody could renew
    assert watch.living(known) == {"me", "a"}


def test_a_coordinator_that_ended_is_not_alive():
    lease = elsewhere("a").closed("finished")
    assert Watch(clock=Clock()).living({"a": lease}) == set()
    assert (lease.ended, lease.beat) == ("finished", 1)
    assert abs(elsewhere("a", seen=0.0).renewed().seen - time.time()) < 60


def test_a_process_that_may_not_be_looked_at_lives(monkeypatch):
    def denied(pid):
        raise psutil.AccessDenied(pid)

    lease = Lease.new(1)
    monkeypatch.setattr(psutil, "Process", denied)
    assert not lease.process_is_gone()


def test_leases_come_back_from_a_study_s_attributes_and_tell_its_sessions():
    one = replace(Lease.new(2, ["cuda:0"], 30), started=2e9, seen=2e9 + 60).closed("timeout")
    two = replace(Lease.new(1, ["cpu"]), started=1e9, seen=1e9 + 0.25)
    newer = {"of_a_later_version": 1}
    attributes = {f"coordinator:{x.coordinator}": x.__dict__ | newer for x in (one, two)} | {"seed": 1}
    attributes["forked_by"] = replace(one, coordinator="of the fork").__dict__
    assert leases(attributes) == {one.coordinator: one, two.coordinator: two}
    first, second = sessions(leases(attributes))
    assert (first["reason"], first["workers"], first["devices"]) == (None, 1, ["cpu"])
    assert (second["reason"], second["workers"], second["devices"]) == ("timeout", 2, ["cuda:0"])
    moments = [datetime.fromisoformat(first[end]) for end in ("started", "finished")]
    assert [moment.timestamp() for moment in moments] == [1e9, 1e9 + 0.25] and moments[0].tzinfo is not None


def test_the_host_names_the_realm_of_process_ids():
    if sys.platform != "linux":
        pytest.skip("only Linux tells its boot and its process namespace")
    assert "pid:[" in this_host()

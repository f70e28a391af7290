from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from distune.training.cost import Cost
from distune.tuning.executors import local, memory_limit
from distune.tuning.executors.local import LocalExecutor
from distune.tuning.trials.messages import TrialFinished, TrialOutcome, TrialTask


@pytest.mark.parametrize(
    ("wanted", "workers", "threads"),
    [
        (None, 2, 4),
        (None, 16, 1),
        ("3", 2, 3),
        ("6", 2, 4),
        ("1", 1, 1),
        ("2,1", 1, 2),
        ("0", 2, 4),
        ("x", 2, 4),
    ],
)
def test_a_worker_has_its_share_of_the_cores_and_no_more_than_the_user_allows(
    wanted: str | None, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert local.threads_each(workers) == threads


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control group of this process, in files of the test."""
    monkeypatch.setattr(memory_limit, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(memory_limit, "CGROUPS", tmp_path)
    (tmp_path / "own").write_text("4:memory:/elsewhere\n0::/outer/inner\n")
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    return inner


def test_the_smallest_limit_of_the_groups_around_a_process_holds(group: Path) -> None:
    whole = psutil.virtual_memory().total
    assert memory_limit.total_bytes() == whole
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text("4000\n")
    assert memory_limit.total_bytes() == 4000
    (group / "memory.max").write_text("3000\n")
    assert memory_limit.total_bytes() == 3000
    (group / "memory.max").write_text(f"{2 * whole}\n")
    (group.parent / "memory.max").unlink()
    assert memory_limit.total_bytes() == whole


def without_processes(folder: Path, count: int) -> LocalExecutor:
    """An executor whose workers only exist as records, each with a trial of its number."""
    executor = object.__new__(LocalExecutor)
    executor._memory_limit_mb = 100.0
    executor._workers = [
        local._Worker(f"worker-{n}", "cpu", folder / "no.log", SimpleNamespace(pid=0), SimpleNamespace(),  # type: ignore[arg-type]
                      task=TrialTask(n, {}, str(folder)), oom_kills=3)
        for n in range(count)
    ]  # fmt: skip
    return executor


@pytest.mark.parametrize(
    ("kills", "kinds"),
    [
        (3, ["preempted"] * 3),
        (4, ["out_of_memory", "preempted", "preempted"]),
        (5, ["out_of_memory", "out_of_memory", "preempted"]),
    ],
)
def test_one_kill_for_memory_explains_one_death(group: Path, kills: int, kinds: list[str]) -> None:
    (group / "memory.events").write_text(f"oom 9\noom_kill {kills}\noom_group_kill 0\n")
    executor = without_processes(group, 3)
    assert [executor._death(worker, -9).kind for worker in executor._workers] == kinds


def test_a_worker_is_replaced_for_what_it_grew_since_its_first_trial(tmp_path: Path) -> None:
    replaced: list[int] = []

    class Noting(LocalExecutor):
        def _replace(self, index: int) -> Any:
            replaced.append(index)

    executor = without_processes(tmp_path, 1)
    executor.__class__ = Noting
    outcome = {"state": "complete", "score": 0.5, "best_epoch": 1, "cost": Cost().__dict__, "extra": {}}
    for memory in (5000.0, 5100.0, 5100.5):
        ended = executor._ended(0, {"outcome": outcome, "memory_mb": memory})
        assert isinstance(ended, TrialFinished) and isinstance(ended.result, TrialOutcome)
    assert replaced == [0]

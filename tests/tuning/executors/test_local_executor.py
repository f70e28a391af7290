from __future__ import annotations

import pytest

from distune.tuning.executors import local


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

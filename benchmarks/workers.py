"""Two local workers against one, one thread each, on a demo study.

    python -m benchmarks.workers [--trials 30]

Both studies draw the same points where no score decides (random sampler, no pruner), so they do the same work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine, table


def study_seconds(workers: int, trials: int, folder: Path) -> float:
    """Wall time of a whole `distune tune`, with a store of its own."""
    command = [sys.executable, "-m", "distune", "tune", "--config", str(Path("config/demo.yaml").resolve())]
    command += ["--n-trials", str(trials), "--workers", str(workers), "--gpu", "cpu"]
    command += ["--sampler", "random", "--pruner", "none"]
    folder.mkdir()
    environment = {**os.environ, "DISTUNE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = {count: study_seconds(count, given.trials, Path(folder) / str(count)) for count in (1, 2)}
    print(machine(), "\n")
    rows = [["workers", "seconds", "of one worker's time"]]
    rows += [[str(count), f"{took:.0f}", f"{took / seconds[1]:.2f}"] for count, took in seconds.items()]
    print(table(rows))


if __name__ == "__main__":
    main()

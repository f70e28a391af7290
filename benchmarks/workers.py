"""Two local workers against one, one thread each, on a demo study.

    python -m benchmarks.workers [--trials 30] [--out FILE]

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

from benchmarks.guarantees import Figure, below, publish
from distune.config import load_config, save_config

LIMIT = 0.65
"""Of one worker's time."""


def study_seconds(workers: int, trials: int, folder: Path) -> float:
    """Wall time of a whole `distune tune`, with a store of its own."""
    folder.mkdir()
    save_config(load_config("config/demo.yaml", {"training.threads": 1}), folder / "demo.yaml")
    command = [sys.executable, "-m", "distune", "tune", "--config", "demo.yaml"]
    command += ["--n-trials", str(trials), "--workers", str(workers), "--gpu", "cpu"]
    command += ["--sampler", "random", "--pruner", "none"]
    path = os.pathsep.join(str(Path(part).resolve()) for part in sys.path)
    environment = {**os.environ, "DISTUNE_CACHE": str(folder / "cache"), "PYTHONPATH": path}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, two = (study_seconds(count, given.trials, Path(folder) / str(count)) for count in (1, 2))
    figures = [
        Figure("trials, one thread a worker", str(given.trials)),
        Figure("one worker", f"{one:.0f} s"),
        Figure("two workers", f"{two:.0f} s"),
        below("two workers' share of one's time", two / one, LIMIT, ""),
    ]
    publish(figures, given.out)


if __name__ == "__main__":
    main()

"""Does an epoch cost the same per example, and the same memory, on 100,000 images as on 2,000?

    python -m benchmarks.scale [--sizes 2000 100000] [--rounds 3]

Generated slices with the demo's tiny encoders, epochs of the student from stored images and tokens; each size in a
process of its own, in turn, and so many epochs of a small set that they take half the time of one of the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, table

ONE = """
import json, statistics, sys
from pathlib import Path
from distune.config import load_config
from distune.data import read_table
from distune.training.cost import peak_process_mb
from distune.training.callbacks import Callback
from distune.training.run import run
config = load_config("config/demo.yaml", {"data.reader": "medpix", "data.root": sys.argv[1],
    "student.epochs": 1 + int(sys.argv[3]), "teacher.epochs": 1, "distillation.loss": "none", "student.fusion_dim": 64,
    "training.threads": 2})
seconds = []
class Note(Callback):
    def on_epoch_end(self, record):
        seconds.append(record.seconds)
result = run(config, Path(sys.argv[2]), check_images=False, callback=Note())
train = len(read_table(config.data, 0, check_images=False).rows("train"))
print(json.dumps({"ms": statistics.median(seconds[1:]) / train * 1e3, "peak_mb": peak_process_mb()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from distune.data.demo.demo import write_demo

    found: dict[int, list[dict[str, Any]]] = {size: [] for size in given.sizes}
    with tempfile.TemporaryDirectory() as folder:
        for size in given.sizes:
            write_demo(Path(folder) / str(size), 1, size)
            epochs_of(Path(folder), size, 1)  # fills the store, as the first trial of a study does
        for _ in range(given.rounds):
            for size in given.sizes:
                found[size].append(epochs_of(Path(folder), size, max(1, max(given.sizes) // (2 * size))))
    figures = {
        size: tuple(statistics.median(one[name] for one in runs) for name in ("ms", "peak_mb"))
        for size, runs in found.items()
    }
    rows = [["images", "ms per train example and epoch", "peak memory, MiB", "against the first"]]
    first = figures[given.sizes[0]]
    for size, (milliseconds, peak) in figures.items():
        against = f"x {milliseconds / first[0]:.2f} time, x {peak / first[1]:.2f} memory"
        rows.append([f"{size:,}", f"{milliseconds:.3f}", f"{peak:.0f}", against])
    print(machine(), "\n")
    print(table(rows))


def epochs_of(folder: Path, size: int, epochs: int) -> dict[str, Any]:
    """Trains in a new process."""
    with tempfile.TemporaryDirectory() as run:
        command = [sys.executable, "-c", ONE, str(folder / str(size)), run, str(epochs)]
        environment = {**os.environ, "DISTUNE_CACHE": str(folder / "cache")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()

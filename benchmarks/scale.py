"""Does an epoch cost the same per example, and the same memory, on 100,000 images as on 2,000?

    python -m benchmarks.scale [--sizes 2000 100000]

Generated slices with the demo's tiny encoders, one epoch of the student from stored images and tokens; each size in a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import machine, table

ONE = """
import json, sys
from pathlib import Path
from distune.config import load_config
from distune.data import read_table
from distune.training.memory import peak_process_mb
from distune.training.run import run
config = load_config("config/demo.yaml", {"data.reader": "medpix", "data.root": sys.argv[1], "student.epochs": 2,
    "teacher.epochs": 1, "distillation.loss": "none", "student.fusion_dim": 64, "training.threads": 2})
seconds = []
result = run(config, Path(sys.argv[2]), check_images=False,
    on_epoch=lambda record: (seconds.append(record.seconds), True)[1])
train = len(read_table(config.data, 0, check_images=False).rows("train"))
print(json.dumps({"per_example_ms": seconds[-1] / train * 1e3, "train": train, "peak_mb": peak_process_mb()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 100_000])
    given = parser.parse_args()
    from distune.data.demo import write_demo

    rows = [["images", "ms per train example and epoch", "peak memory, MiB", "against the first"]]
    first: tuple[float, float] | None = None
    for size in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_demo(Path(folder) / "data", 1, size)
            command = [sys.executable, "-c", ONE, f"{folder}/data", f"{folder}/run"]
            environment = {**os.environ, "DISTUNE_CACHE": f"{folder}/cache"}
            for _ in range(2):  # the second run reads the store, as every trial but the first does
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
        figures = (found["per_example_ms"], found["peak_mb"])
        first = first or figures
        against = f"x {figures[0] / first[0]:.2f} time, x {figures[1] / first[1]:.2f} memory"
        rows.append([f"{size:,}", f"{figures[0]:.3f}", f"{figures[1]:.0f}", against])
    print(machine(), "\n")
    print(table(rows))


if __name__ == "__main__":
    main()

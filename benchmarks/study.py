"""A whole study on real data, from an empty store, with two workers: wall time and memory.

python -m benchmarks.study config/medpix_offline.yaml --data-root data/medpix-2.0 [--trials 30]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.guarantees import Figure, below, exactly, publish


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--trials", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "distune", "tune", "--config", str(given.config.resolve())]
        command += ["--data-root", str(Path(given.data_root).resolve()), "--study-name", "study"]
        command += ["--n-trials", str(given.trials), "--workers", "2"]
        environment = {**os.environ, "DISTUNE_CACHE": f"{folder}/cache"}
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        found = json.loads((Path(folder) / "logs/optuna/study/study_summary.json").read_text())
    publish(
        [
            exactly("finished trials", found["trials"]["finished"], given.trials),
            Figure("of these pruned", str(found["trials"]["pruned"])),
            below("wall time", found["seconds"]["wall"] / 60, 30, "min"),
            below("peak memory of a worker", found["machine"]["peak_memory_mb"] / 1024, 2, "GiB"),
            Figure("best dev score", f"{found['best']['value']:.4f}"),
            Figure("dev score of the base config", f"{found['base']['value']:.4f}"),
        ],
        None,
    )


if __name__ == "__main__":
    main()

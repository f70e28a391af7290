"""One trial: Distune warm and cold against the plain loop, in one process after the other, alternating.

    python -m benchmarks.trial config/medpix_offline.yaml --data-root data/medpix-2.0 [--epochs 1] [--rounds 3]

Both train the teacher for 3 epochs and the student for 10. With --epochs the plain loop runs that many epochs of each
stage and is scaled to the whole trial, which is said in the table; Distune always runs the whole trial.
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

from benchmarks.machine import machine, table
from benchmarks.plain_loop import CLASSIC_EPOCHS

DISTUNE = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
from distune.config import load_config
from distune.training.run import run
overrides = {"data.root": sys.argv[2], "seed": int(sys.argv[3]), **json.loads(sys.argv[5])}
config = load_config(sys.argv[1], overrides)
result = run(config, Path(sys.argv[4]), check_images=False)
print(json.dumps({"seconds": time.perf_counter() - started, "dev_score": result.score,
                  "stages": result.seconds, "peak_memory_mb": result.peak_memory_mb}))
"""


def measured(command: list[str], cache: Path) -> dict[str, object]:
    """Runs a command in a process of its own and reads the JSON line it ends with."""
    environment = {**os.environ, "DISTUNE_CACHE": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--epochs", type=int, help="epochs of each stage that the plain loop really runs")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    found: dict[str, list[dict[str, object]]] = {"plain": [], "cold": [], "warm": []}
    for number in range(given.rounds):
        seed = str(42 + number)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            plain = [sys.executable, "-m", "benchmarks.plain_loop", str(given.config)]
            plain += ["--data-root", given.data_root, "--seed", seed]
            plain += ["--epochs", str(given.epochs)] if given.epochs else []
            ours = [sys.executable, "-c", DISTUNE, str(given.config), given.data_root, seed]
            found["plain"].append(measured(plain, place))
            epochs = json.dumps(CLASSIC_EPOCHS)
            found["cold"].append(measured([*ours, f"{folder}/cold", epochs], place / "cache"))
            for step in ("teacher", "targets"):  # a new teacher is asked for in most trials
                (place / "cache" / step).rename(place / step)
            found["warm"].append(measured([*ours, f"{folder}/warm", epochs], place / "cache"))
    print(machine(), "\n")
    seconds = {name: [float(str(run["seconds"])) for run in runs] for name, runs in found.items()}
    rows = [["trial", "seconds (median)", "times faster than the plain loop", "dev score"]]
    for name, label in (
        ("plain", "plain loop" + (f", scaled from {given.epochs} epochs a stage" if given.epochs else "")),
        ("cold", "Distune, empty store"),
        ("warm", "Distune, images, tokens and frozen layers stored; new teacher"),
    ):
        ratio = statistics.median(p / o for p, o in zip(seconds["plain"], seconds[name], strict=True))
        scores = ", ".join(f"{run['dev_score']:.4f}" for run in found[name])
        if name == "plain" and given.epochs:
            scores += f" (after {given.epochs} epochs a stage: not comparable)"
        rows.append([label, f"{statistics.median(seconds[name]):.0f}", f"{ratio:.1f}", scores])
    print(table(rows))
    print("\nstages of the last warm trial:", json.dumps(found["warm"][-1]["stages"]))
    print(f"peak memory: {float(str(found['warm'][-1]['peak_memory_mb'])):.0f} MiB")


if __name__ == "__main__":
    main()

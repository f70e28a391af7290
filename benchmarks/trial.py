"""One trial: Distune warm and cold against the plain loop, in one process after the other, alternating.

    python -m benchmarks.trial config/medpix_offline.yaml --data-root data/medpix-2.0 [--epochs 1] [--rounds 3]

Both train the teacher for 3 epochs and the student for 10. With --epochs the plain loop trains that many epochs a stage
and its time is scaled to the whole trial, which is said in the table. Its dev score is compared with Distune's after
as many epochs as it has trained, over several seeds.
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
                  "stages": result.cost.seconds, "peak_memory_mb": result.cost.peak_memory_mb}))
"""


SEEDS = 5
"""Seeds of Distune whose dev scores the plain loop's are compared with."""


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
    found: dict[str, list[dict[str, object]]] = {"plain": [], "cold": [], "warm": [], "alike": []}
    alike = {name: given.epochs or count for name, count in CLASSIC_EPOCHS.items()}
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
            for other in range(42, 42 + SEEDS) if number == 0 else ():
                command = [*ours[:-1], str(other), f"{folder}/alike_{other}", json.dumps(alike)]
                found["alike"].append(measured(command, place / "cache"))
    print(machine(), "\n")
    seconds = {name: [float(str(run["seconds"])) for run in runs] for name, runs in found.items()}
    rows = [["trial", "seconds (median)", "times faster than the plain loop", "dev score"]]
    for name, label in (
        ("plain", "plain loop" + (f", scaled from {given.epochs} epochs a stage" if given.epochs else "")),
        ("cold", "Distune, empty store"),
        ("warm", "Distune, images, tokens and frozen layers stored; new teacher"),
    ):
        ratio = statistics.median(p / o for p, o in zip(seconds["plain"], seconds[name], strict=True))
        scores = "" if name == "plain" and given.epochs else _scores(found[name])
        rows.append([label, f"{statistics.median(seconds[name]):.0f}", f"{ratio:.1f}", scores])
    print(table(rows))
    trained = " + ".join(str(count) for count in alike.values())
    print(f"\ndev score after {trained} epochs: plain loop {_scores(found['plain'])};", end=" ")
    print(f"Distune {_scores(found['alike'])} over {SEEDS} seeds from 42 on")
    print("\nstages of the last warm trial:", json.dumps(found["warm"][-1]["stages"]))
    print(f"peak memory: {float(str(found['warm'][-1]['peak_memory_mb'])):.0f} MiB")


def _scores(runs: list[dict[str, object]]) -> str:
    return ", ".join(f"{run['dev_score']:.4f}" for run in runs)


if __name__ == "__main__":
    main()

"""Does the demo show what it is for: do tuning and distillation gain something on new data seeds, in two minutes?

    python -m benchmarks.demo [--data-seeds 10] [--trials 30] [--seeds 5] [--workers 2] [--out logs/demo_benchmark]

For each seed of the data: the demo set, the study of `make demo`, and a confirmation of its best trial. A gain holds
where its interval on the test split excludes zero. What is done already in the folder is read, not measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, table

GAINS = ("tuning_gain", "distillation_gain")


def distune(*arguments: str, cwd: Path) -> float:
    """Runs a command; its wall time in seconds."""
    started = time.monotonic()
    log = cwd / f"{arguments[0]}.log"
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(
            [sys.executable, "-m", "distune", *arguments], cwd=cwd, stdout=output, stderr=output, check=False
        ).returncode
    if code:
        raise SystemExit(f"distune {arguments[0]} ended with {code}; see {log}")
    return time.monotonic() - started


def measured(folder: Path, data_seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Study and confirmation on one data seed."""
    record = folder / "measured.json"
    if not record.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        workers = ("--workers", str(given.workers))
        if not (folder / "data/demo").exists():
            distune("data", "demo", "data/demo", "--seed", str(data_seed), cwd=folder)
        study = ("--config", "data/demo/config.yaml", "--n-trials", str(given.trials), "--study-name", "demo")
        seconds = distune("tune", *study, *workers, cwd=folder)
        distune("confirm", "demo", "--top", "1", "--seeds", str(given.seeds), *workers, cwd=folder)
        numbers = next((folder / "logs/optuna/demo").rglob("confirmation.json")).read_text(encoding="utf-8")
        record.write_text(json.dumps({"seconds": seconds, "numbers": json.loads(numbers)}), encoding="utf-8")
    return dict(json.loads(record.read_text(encoding="utf-8")))


def row(data_seed: int, found: dict[str, Any]) -> list[str]:
    """Scores on test, both gains with their intervals, and the wall time of the study."""
    numbers = found["numbers"]
    scores = {
        about["kind"]: about["splits"]["test"]["score"]["mean"] for about in numbers["contenders"].values()
    }
    gains = {each["kind"]: each for each in numbers["comparisons"]}
    shown = [
        f"{gains[kind]['difference']:+.3f} [{gains[kind]['low']:+.3f}, {gains[kind]['high']:+.3f}]"
        if kind in gains
        else "-"
        for kind in GAINS
    ]
    means = [
        f"{scores[kind]:.3f}" if kind in scores else "-"
        for kind in ("teacher", "trial", "student_alone", "base")
    ]
    return [str(data_seed), *means, *shown, f"{found['seconds']:.0f} s"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("logs/demo_benchmark"))
    given = parser.parse_args()
    rows = [
        [
            "data seed",
            "teacher",
            "student",
            "student alone",
            "base",
            "tuning gain",
            "distillation gain",
            "study",
        ]
    ]
    held = dict.fromkeys(GAINS, 0)
    for data_seed in range(given.data_seeds):
        found = measured(given.out / str(data_seed), data_seed, given)
        rows.append(row(data_seed, found))
        for each in found["numbers"]["comparisons"]:
            if each["kind"] in held:
                held[each["kind"]] += each["low"] > 0
        print(*rows[-1], sep="  ", flush=True)
    print(machine(), "\n")
    print(table(rows))
    print(
        "\nabove zero: "
        + ", ".join(f"{kind.replace('_', ' ')} {held[kind]} of {given.data_seeds}" for kind in GAINS)
    )


if __name__ == "__main__":
    main()

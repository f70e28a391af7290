"""What does it take to read a table, and does it take more than in another version?

    python -m benchmarks.reading [--against CHECKOUT] [--rows 20000] [--rounds 5]

A CSV of two tasks with small images, read with every image decoded and without, each time in a process of its own; this
version and that of the checkout in turn. Medians of wall time, processor time and peak memory.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine, table

SOURCES = Path(__file__).parents[1] / "src"
ONE = """
import resource, sys, time
from distune.config import DataConfig
from distune.data import read_table
config = DataConfig(reader="csv", root=sys.argv[1], image_column="image", text_column="text",
                    label_columns=("grade", "side"), group_column="patient")
wall, processor = time.perf_counter(), time.process_time()
read_table(config, 0, check_images=sys.argv[2] == "decoded")
print(time.perf_counter() - wall, time.process_time() - processor,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
SENTENCE = "axial coronal image of the chest with a small lesion in left right lung and no effusion seen"


def write_set(root: Path, rows: int) -> None:
    """Images of 32 x 32 pixels, texts of 30 words, 8,000 patients for 20,000 rows."""
    random = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    words = SENTENCE.split()
    lines: dict[str, list[list[str]]] = {"train": [], "dev": []}
    for number in range(rows):
        pixels = random.integers(0, 256, (32, 32), dtype=np.uint8)
        cv2.imwrite(str(root / f"images/{number}.png"), pixels)
        patient = int(random.integers(max(10, rows * 2 // 5)))
        text = " ".join(random.choice(words, 30))
        cells = [
            f"images/{number}.png",
            text,
            "abcde"[random.integers(5)],
            "xyz"[random.integers(3)],
            f"P{patient}",
        ]
        lines["train" if patient % 5 else "dev"].append(cells)
    for split, body in lines.items():
        with (root / f"metadata_{split}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([["image", "text", "grade", "side", "patient"], *body])


def reading(sources: Path, root: Path, images: str) -> list[float]:
    """Wall seconds, processor seconds and peak MiB of one reading."""
    command = [sys.executable, "-c", ONE, str(root), images]
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(value) for value in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    trees = {"this": SOURCES, **({} if given.against is None else {"the other": given.against / "src"})}
    rows = [["images", "version", "wall", "processor", "peak memory"]]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        write_set(root, given.rows)
        for images in ("decoded", "not decoded"):
            found: dict[str, list[list[float]]] = {name: [] for name in trees}
            for _ in range(given.rounds):
                for name, sources in trees.items():
                    found[name].append(reading(sources, root, images))
            for name, taken in found.items():
                wall, processor, peak = map(statistics.median, zip(*taken, strict=True))
                rows.append([images, name, f"{wall:.2f} s", f"{processor:.2f} s", f"{peak:.0f} MiB"])
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}\n")
    print(f"{given.rows:,} rows, medians of {given.rounds}\n")
    print(table(rows))


if __name__ == "__main__":
    main()

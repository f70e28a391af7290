"""What is handed over: seconds for many images and for the first answer, and what 8 bits save and cost.

    python -m benchmarks.prediction RUN [--images 2000] [--first 5] [--max-score-drop 1] [--out logs/prediction]
    python -m benchmarks.prediction CONFIG --data-root FOLDER ...

RUN is a finished run folder whose data set is there; of a config the run is trained first, which is not timed. Commands
are timed as a user calls them, each in a process of its own; the bundles in 32 and in 8 bits answer in turn.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, table
from distune import export, load_config, read_table, train
from distune.data import Table

FIRST = """
import distune.edge
predictor = distune.edge.load({bundle!r})
print(predictor.predict({image!r}, {text!r}))
"""
MOST_SECONDS, MOST_FIRST, MOST_DROP = 180.0, 1.5, 0.01


def timed(*command: str) -> float:
    """Wall time of a process in seconds."""
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def written(table: Table, images: int, out: Path) -> Path:
    """A table of so many examples, those of the data set again and again."""
    file = out / "many.csv"
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["image", "text"])
        rows = [row % len(table) for row in range(images)]
        writer.writerows([Path(table.images[row]).relative_to(table.root), table.texts[row]] for row in rows)
    return file


def seconds_for(source: Path, file: Path, root: Path, out: Path) -> float:
    """Seconds of `distune predict` for a table, start and end of the process included."""
    answers = out / "answers.csv"
    return timed(
        sys.executable, "-m", "distune", "predict", str(source), "--csv", str(file), "--data-root", str(root),
        "--out", str(answers),
    )  # fmt: skip


def megabytes(bundle: Path) -> float:
    """Size of a bundle, tokenizer included."""
    return sum(file.stat().st_size for file in bundle.iterdir()) / 1e6


def bundles_of(run: Path, out: Path, drop: float) -> dict[str, tuple[Path, Any]]:
    """Both bundles, exported where they are not there yet, and how they compare with torch on dev."""
    found: dict[str, tuple[Path, Any]] = {}
    for quantize in ("none", "int8"):
        bundle, record = out / quantize, out / f"{quantize}.json"
        if not record.is_file():
            _, parity = export(run, bundle, quantize=quantize, max_score_drop=drop)
            record.write_text(json.dumps(vars(parity) | {"drop": parity.drop}), encoding="utf-8")
        found[quantize] = (bundle, json.loads(record.read_text(encoding="utf-8")))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument(
        "--max-score-drop", type=float, default=1.0, help="of the export; what it costs is shown"
    )
    parser.add_argument("--out", type=Path, default=Path("logs/prediction"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.run.is_file():
        root = {} if given.data_root is None else {"data.root": str(given.data_root)}
        given.run = train(load_config(given.run, root), out=given.out / "run").folder
    config = load_config(given.run / "config.yaml")
    examples = read_table(config.data, check_images=False)
    bundles = bundles_of(given.run, given.out, given.max_score_drop)
    file = written(examples, given.images, given.out)
    many = {"torch": seconds_for(given.run, file, examples.root, given.out)}
    for name, (bundle, _) in bundles.items():
        many[name] = seconds_for(bundle, file, examples.root, given.out)
    row = examples.rows("dev")[0]
    first: dict[str, list[float]] = {name: [] for name in bundles}
    for _ in range(given.first):
        for name, (bundle, _) in bundles.items():
            code = FIRST.format(bundle=str(bundle), image=examples.images[row], text=examples.texts[row])
            first[name].append(timed(sys.executable, "-c", code))

    print(f"{machine()}; load {os.getloadavg()[0]:.1f}\n")
    print(
        f"{config.name}: {given.images} images, {given.first} first answers, "
        f"{bundles['none'][1]['examples']} dev examples\n"
    )
    rows = [
        [
            "",
            "size",
            f"{given.images} images",
            "a second",
            "first answer (median)",
            "largest difference",
            "changed",
            "dev score",
            "drop",
        ]
    ]
    rows.append(
        [
            "torch",
            "-",
            f"{many['torch']:.0f} s",
            f"{given.images / many['torch']:.0f}",
            "-",
            "-",
            "-",
            f"{bundles['none'][1]['score']:.4f}",
            "-",
        ]
    )
    for name, (bundle, parity) in bundles.items():
        rows.append(
            [
                "float32" if name == "none" else name,
                f"{megabytes(bundle):.1f} MB",
                f"{many[name]:.0f} s",
                f"{given.images / many[name]:.0f}",
                f"{statistics.median(first[name]):.2f} s",
                f"{parity['largest_difference']:.1e}",
                str(parity["changed"]),
                f"{parity['exported_score']:.4f}",
                f"{parity['drop']:+.4f}",
            ]
        )
    print(table(rows))
    share = megabytes(bundles["int8"][0]) / megabytes(bundles["none"][0])
    faster = many["none"] / many["int8"]
    reached = {
        f"{given.images} images with torch within {MOST_SECONDS:.0f} s": many["torch"] <= MOST_SECONDS,
        f"first answer within {MOST_FIRST} s": statistics.median(first["none"]) <= MOST_FIRST,
        "float32 within 1e-4 and no changed prediction": bundles["none"][1]["largest_difference"] <= 1e-4
        and not bundles["none"][1]["changed"],
        f"int8: {share:.2f} of the size, {faster:.2f} times as fast, at most {MOST_DROP:.0%} of score": bundles[
            "int8"
        ][1]["drop"]
        <= MOST_DROP
        and (share <= 1 / 3 or faster >= 2),
    }
    print()
    for figure, is_reached in reached.items():
        print(f"- {figure}: {'reached' if is_reached else 'not reached'}")
    sys.exit(not all(reached.values()))


if __name__ == "__main__":
    main()

"""A small set with a task of every kind: one class of two, several findings, and a severity with an order."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FINDINGS = ("effusion", "mass", "oedema")
GRADES = ("mild", "moderate", "severe")
COLUMNS = ("image", "text", "case", "side", "findings", *FINDINGS, "grade")


def write_kinds(root: Path, *, examples: int = 72, seed: int = 0) -> Path:
    """Writes metadata_{train,dev,test}.csv and images from which every label can be read."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[list[str]]] = {"train": [], "dev": [], "test": []}
    root.mkdir(parents=True, exist_ok=True)
    for number in range(examples):
        has = random.random(3) < 0.45
        side, grade = int(random.integers(2)), int(random.integers(3))
        pixels = random.integers(0, 60, (16, 16, 3))
        pixels[:, 8 * side : 8 * side + 8] += 60
        pixels[..., 0] += 60 * grade
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number}.png")
        named = [name for name, present in zip(FINDINGS, has, strict=True) if present]
        split = ("train", "train", "train", "dev", "test")[number % 5]
        text = " ".join(["side", ["left", "right"][side], GRADES[grade], *named])
        rows[split].append(
            [f"{number}.png", text, f"c{number // 5}_{split}", "ab"[side], ";".join(named) or "none",
             *(str(int(present)) for present in has), GRADES[grade]]
        )  # fmt: skip
    for split, lines in rows.items():
        with (root / f"metadata_{split}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([COLUMNS, *lines])
    return root


def data_section(root: Path, **tasks: dict[str, Any]) -> dict[str, Any]:
    """The `data:` section; keyword arguments join the settings of a task."""
    settings = {
        "findings": {"separator": ";", **tasks.get("findings", {})},
        "grade": {"order": list(GRADES), **tasks.get("grade", {})},
        **({"side": tasks["side"]} if "side" in tasks else {}),
    }
    return {
        "reader": "csv",
        "root": str(root),
        "image_column": "image",
        "text_column": "text",
        "group_column": "case",
        "label_columns": ["side", "findings", "grade"],
        "max_tokens": 16,
        "tasks": settings,
    }

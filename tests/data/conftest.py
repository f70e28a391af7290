"""Small data sets on disk, good ones that a test then damages."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.data.demo.demo import write_demo


def write_png(path: Path, seed: int, size: tuple[int, int] = (12, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size=(size[1], size[0]), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def medpix_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "Type": ("CT", "MR")[number % 2],
        "U_id": f"MPX{number}",
        "image": f"MPX{number}_synpic{number}",
        "Description": {"Age": str(20 + number), "Caption": f"Caption {number}.", "Sex": "male"},
        "Location": "anything",
        "Location Category": ("Head", "Thorax")[number // 2 % 2],
    }
    return {**row, **changes}


def write_lines(path: Path, records: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def medpix(tmp_path: Path) -> Callable[..., Path]:
    """Writes a MedPix set from rows by split; every named image is made unless `images` says otherwise."""

    def write(splits: dict[str, list[Any]] | None = None, *, without: Sequence[str] = ()) -> Path:
        root = tmp_path / "medpix"
        if splits is None:
            splits = {
                "train": [medpix_row(n) for n in range(8)],
                "dev": [medpix_row(n) for n in range(8, 12)],
            }
        for split, rows in splits.items():
            write_lines(root / f"splitted_dataset/descriptions_{split}.jsonl", rows)
            for seed, row in enumerate(rows):
                name = row.get("image") if isinstance(row, dict) else None
                if isinstance(name, str) and name and "/" not in name and name not in without:
                    write_png(root / f"images/{name}.png", seed)
        return root

    return write


@pytest.fixture
def wound(tmp_path: Path) -> Path:
    """A good wound set: 8 train and 4 dev rows, one image each."""
    root = tmp_path / "wound"
    for split, numbers in (("train", range(8)), ("dev", range(8, 12))):
        rows = [["file_path", "type", "severity", "description"]]
        for number in numbers:
            write_png(root / f"photos/{number}.png", number)
            rows.append([f"photos/{number}.png", "ab"[number % 2], "xy"[number // 2 % 2], f"text {number}"])
        write_csv(root / f"metadata_{split}.csv", rows)
    return root


@pytest.fixture(scope="session")
def clean_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo set into copies of which tests of the audit plant leaks."""
    root = tmp_path_factory.mktemp("clean") / "demo"
    write_demo(root, 11, 300)
    return root

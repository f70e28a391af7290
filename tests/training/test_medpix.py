"""Real images, real captions, real weights: needs MEDPIX_ROOT."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from distune.config import load_config, with_values
from distune.training.files.run_folder import openings
from distune.training.run import run

pytestmark = pytest.mark.slow

MEDPIX = os.environ.get("MEDPIX_ROOT")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def forty_examples(tmp_path: Path) -> Path:
    """28 train and 12 dev examples of MedPix 2.0, in its layout, the images linked."""
    source, target = Path(str(MEDPIX)), tmp_path / "medpix"
    (target / "splitted_dataset").mkdir(parents=True)
    (target / "images").mkdir()
    for split, count in (("train", 28), ("dev", 12)):
        lines = (source / f"splitted_dataset/descriptions_{split}.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        by_class: dict[tuple[str, str], list[str]] = {}
        for line, row in zip(lines, rows, strict=True):
            by_class.setdefault((row["Type"], row["Location Category"]), []).append(line)
        turns = [
            line for turn in range(count) for found in by_class.values() for line in found[turn : turn + 1]
        ]
        chosen = turns[:count]
        (target / f"splitted_dataset/descriptions_{split}.jsonl").write_text("\n".join(chosen) + "\n")
        (target / f"splitted_dataset/data_{split}.jsonl").write_text(
            (source / f"splitted_dataset/data_{split}.jsonl").read_text()
        )
        for line in chosen:
            name = f"{json.loads(line)['image']}.png"
            (target / "images" / name).write_bytes((source / "images" / name).read_bytes())
    return target


@pytest.mark.skipif(not MEDPIX, reason="MEDPIX_ROOT does not name a copy of MedPix 2.0")
def test_forty_real_examples_train_with_packaged_encoders(forty_examples: Path, tmp_path: Path) -> None:
    config = with_values(
        load_config(ROOT / "config/medpix_offline.yaml"),
        {
            "data.root": str(forty_examples),
            "teacher.epochs": 2,
            "student.epochs": 3,
            "training.device": "cpu",
        },
    )
    result = run(config, tmp_path / "run", open_test=True)
    dev = result.results["splits"]["dev"]
    assert dev["examples"] == 12
    assert list(dev["tasks"]) == ["modality", "location"]
    assert list(dev["tasks"]["location"]["classes"]) == [
        "Abdomen",
        "Head",
        "Reproductive and Urinary System",
        "Spine and Muscles",
        "Thorax",
    ]
    losses = [
        json.loads(line)["train_loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    ]
    assert losses[1] < losses[0] and losses[4] < losses[2]
    assert result.results["test_split"] == "none"
    assert openings(tmp_path) == []

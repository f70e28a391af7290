from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.metrics import recall_score

from distune.cli import run_command
from distune.config import load_config
from distune.data import read_table
from distune.deployment.model_card import model_card
from distune.prediction.evaluation import EXTERNAL

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def copied(trained_run: Callable[..., Path], tmp_path: Path) -> Path:
    return shutil.copytree(trained_run(), tmp_path / "run")


@pytest.fixture
def distune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["distune", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_command()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def write_labelled(run: Path, file: Path, **changed: str) -> list[dict[str, str]]:
    """The dev examples of a run as somebody else's labelled table."""
    rows = list(csv.DictReader((run / "predictions_dev.csv").open(newline="")))
    labelled = [
        {
            "id": row["id"],
            "image": row["image"],
            "text": row["text"],
            "group": row["group"],
            "modality": row["truth_modality"],
            "location": row["truth_location"],
        }
        for row in rows
    ]
    labelled[0] |= changed
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, labelled[0].keys())
        writer.writeheader()
        writer.writerows(labelled)
    return rows


def test_scores_are_those_of_the_run_on_the_same_examples(
    distune: Command, copied: Path, demo_root: Path
) -> None:
    rows = write_labelled(copied, Path("new.csv"))
    code, out, err = distune("evaluate", copied, "--csv", "new.csv", "--data-root", demo_root)
    assert code == 0, err
    assert "external data: new.csv" in out and "95 % interval over cases" in out
    (line,) = (copied / EXTERNAL).read_text().splitlines()
    found = json.loads(line)
    dev = json.loads((copied / "results.json").read_text())["splits"]["dev"]
    assert found["score"] == pytest.approx(dev["score"])
    assert found["interval"][0] < found["score"] < found["interval"][1]
    assert found["cases"] == len({row["group"] for row in rows})
    truth, chosen = ([row[f"{what}_modality"] for row in rows] for what in ("truth", "pred"))
    for name, value in zip(
        sorted(set(truth)), recall_score(truth, chosen, average=None, labels=sorted(set(truth))), strict=True
    ):
        assert found["tasks"]["modality"]["classes"][name]["recall"] == pytest.approx(value)
    config = load_config(copied / "config.yaml")
    table = read_table(config.data, config.seed, check_images=False)
    parity = {
        "examples": 1,
        "largest_difference": 0.0,
        "changed": 0,
        "changed_from_run": 0,
        "score": 1.0,
        "exported_score": 1.0,
    }
    card = model_card(copied, config, table, parity, "none", {"modality": 1.0, "location": 1.0})
    assert f"new.csv, {found['time'][:10]}: {found['score']:.4f}" in card


def test_the_data_set_of_the_run_is_read_like_it(
    distune: Command, copied: Path, demo_root: Path, tmp_path: Path
) -> None:
    code, _, err = distune("evaluate", copied, "--data-root", demo_root)
    assert code == 2 and "external data are others" in err
    other = shutil.copytree(demo_root, tmp_path / "other")
    code, out, _ = distune("evaluate", copied, "--data-root", other)
    config = load_config(copied / "config.yaml")
    table = read_table(config.data, config.seed, check_images=False)
    assert code == 0 and f"{len(table)} examples" in out


BAD = {
    "unknown class": ({"modality": "PET"}, "PET"),
    "missing image": ({"image": "images/none.png"}, "none.png"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_judged_is_refused_and_not_recorded(
    distune: Command, copied: Path, demo_root: Path, case: str
) -> None:
    changed, token = BAD[case]
    write_labelled(copied, Path("new.csv"), **changed)
    code, _, err = distune("evaluate", copied, "--csv", "new.csv", "--data-root", demo_root)
    assert code == 2 and token in err
    assert not (copied / EXTERNAL).exists()
    Path("short.csv").write_text("image,text,modality\na.png,b,CT\n")
    code, _, err = distune("evaluate", copied, "--csv", "short.csv", "--data-root", demo_root)
    assert code == 2 and "'location'" in err and "'modality'" in err

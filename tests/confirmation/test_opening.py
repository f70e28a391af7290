"""Who may open the test split, and which weights stay once it was evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distune.confirmation.earlier import with_earlier
from distune.confirmation.opening import Opening
from distune.confirmation.statistics.files import MARKER, NUMBERS
from distune.confirmation.weights import drop_weights
from distune.errors import UserError
from distune.training.files.run_folder import record_opening, seal
from distune.utils.files.sealed_files import write_sealed


def test_a_plan_opens_the_split_once_and_another_one_only_again(tmp_path: Path) -> None:
    first = Opening(tmp_path, "plan a", "data")
    assert not first.is_open and first.open() == 1
    assert first.is_open and first.open() == 1, "it is the same opening, resumed"
    with pytest.raises(UserError, match="plan a"):
        Opening(tmp_path, "plan b", "data").check()
    other = Opening(tmp_path, "plan b", "data", again=True)
    assert not other.is_open and other.open() == 2
    with pytest.raises(UserError, match="plan b"):
        first.open()


def test_an_opening_is_resumed_until_its_numbers_are_written(tmp_path: Path) -> None:
    again = Opening(tmp_path, "plan", "data", again=True)
    assert again.open() == again.open() == 1
    seal(tmp_path / NUMBERS, {"opening": {"number": 1}})
    assert not again.is_open and Opening(tmp_path, "plan", "data").is_open
    assert again.open() == again.open() == 2, "the numbers are of the first one"


def test_openings_elsewhere_are_those_of_the_same_data(tmp_path: Path) -> None:
    study, other, run = (tmp_path / name for name in ("optuna/study", "optuna/other", "runs"))
    for folder in (study, other, run):
        folder.mkdir(parents=True)
        record_opening(folder, by=folder.name, dataset="data")
    record_opening(other, by="of other data", dataset="other data")
    found = Opening(study, "study", "data").record(1)
    assert (found["number"], [line["by"] for line in found["openings"]]) == (1, ["study"])
    assert sorted(line["by"] for line in found["elsewhere"]) == ["other", "runs"]


def test_the_recommended_contender_and_what_is_not_evaluated_keep_their_weights(tmp_path: Path) -> None:
    for name, files in {"base": [MARKER], "trial": [MARKER], "late": []}.items():
        run = tmp_path / name / "seed_1"
        run.mkdir(parents=True)
        for file in ("student.safetensors", "results.json", *files):
            (run / file).touch()
    drop_weights(tmp_path, "trial")
    kept = sorted(path.parents[1].name for path in tmp_path.glob("*/*/*.safetensors"))
    assert kept == ["late", "trial"]
    assert len(list(tmp_path.glob("*/*/results.json"))) == 3


def test_a_relevant_gain_that_recommends_another_config_is_noted(tmp_path: Path) -> None:
    def numbers(contender: str, gain: float, seeds: int = 2) -> dict[str, Any]:
        return {
            "recommendation": {"contender": contender},
            "relevant_gain": gain,
            "notes": ["other"],
            "data_fingerprint": "f",
            "seeds": list(range(seeds)),
            "contenders": {"base": {}, "best": {}},
        }

    file = tmp_path / "confirmation.json"
    assert with_earlier(numbers("base", 0.01), file) == numbers("base", 0.01)
    write_sealed(file, numbers("base", 0.01))
    assert with_earlier(numbers("base", 0.01), file) == numbers("base", 0.01)
    # By the same gain another one is recommended where a training that had failed is there now.
    assert with_earlier(numbers("best", 0.01), file) == numbers("best", 0.01)
    changed = with_earlier(numbers("best", 0.05), file)
    assert changed["recommended_before"] == [{"contender": "base", "relevant_gain": 0.01}]
    assert [note for note in changed["notes"] if "gain of 0.01" in note and "base" in note]
    write_sealed(file, changed)
    again = with_earlier(numbers("best", 0.05), file)
    assert again == changed
    assert len(with_earlier(numbers("base", 0.02), file)["recommended_before"]) == 2
    of_more = numbers("base", 0.02, seeds=3)
    assert with_earlier(of_more, file) == of_more
    file.write_text("{")
    assert with_earlier(numbers("base", 0.01), file) == numbers("base", 0.01)

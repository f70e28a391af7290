"""Small and hopeless data, end to end: every number says what it can, and none of them more.

One confirmation each of labels that mean nothing (so the teacher can teach nothing), evaluated with one seed on
contenders that answer alike; and of a dev split with one case of a class and without a test split.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confirmation_helpers import config_on, numbers_of, request_for, write_study
from typer.testing import CliRunner

from distune.analysis.parameters.importance import HALF
from distune.cli import app
from distune.confirmation.confirm import confirm

pytestmark = pytest.mark.slow

FOLDER = "splitted_dataset"
RANGE = re.compile(r"\[([−+]?\d\.\d{4}), ([−+]?\d\.\d{4})\]")


def rewritten(
    root: Path, copy: Path, change: Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]]
) -> Path:
    """A copy of a data set with other rows in its splits; a split without rows has no file."""
    shutil.copytree(root, copy)
    for split in ("train", "dev", "test"):
        path = copy / FOLDER / f"descriptions_{split}.jsonl"
        rows = change(split, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        if not rows:
            path.unlink()
    return copy


def shuffled(split: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels of other examples."""
    order = np.random.default_rng(len(split)).permutation(len(rows))
    keys = ("Type", "Location Category")
    return [
        {**row, **{key: rows[other][key] for key in keys}} for row, other in zip(rows, order, strict=True)
    ]


def one_case_of_a_class(split: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Dev keeps a single case of the class Head; there is no test split."""
    if split == "test":
        return []
    heads = [row["U_id"] for row in rows if row["Location Category"] == "Head"]
    dropped = {case for case in heads if case != heads[0]} if split == "dev" else set()
    return [row for row in rows if row["U_id"] not in dropped]


def intervals(numbers: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(numbers, dict):
        if {"low", "high"} <= numbers.keys():
            yield path, numbers
        for name, held in numbers.items():
            yield from intervals(held, f"{path}/{name}")
    elif isinstance(numbers, list):
        for place, held in enumerate(numbers):
            yield from intervals(held, f"{path}/{place}")


@pytest.fixture(scope="module")
def confirmed(
    tmp_path_factory: pytest.TempPathFactory, demo_root: Path, shared_cache: Path
) -> Callable[[str], Path]:
    made: dict[str, Path] = {}
    changes = {"hopeless": shuffled, "rare": one_case_of_a_class}

    def study(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            root = rewritten(demo_root, folder / "data", changes[name])
            base = config_on(root)
            # Without unlabelled rows both settings train the same student.
            trials = ({}, 0.5), ({"distillation.unlabelled": False}, 0.7), ({"student.lr": 1e-3}, 0.6)
            file = write_study(folder / "logs" / "optuna", base, trials)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DISTUNE_CACHE", str(shared_cache))
                assert confirm(request_for(file, top=1, seeds=1)).reason == "finished"
            made[name] = file
        return made[name]

    return study


@pytest.mark.parametrize("name", ["hopeless", "rare"])
def test_no_interval_has_no_width_or_holds_everything(confirmed: Callable[[str], Path], name: str) -> None:
    numbers = numbers_of(confirmed(name))
    found = dict(intervals(numbers))
    assert all((held["low"] is None) == (held["high"] is None) for held in found.values())
    known = {path: (held["low"], held["high"]) for path, held in found.items() if held["low"] is not None}
    assert len(known) > 100
    for path, (low, high) in known.items():
        assert low < high, path
        assert high - low < 0.99 or "comparisons" in path or "log_loss" in path, path


def test_equal_contenders_are_not_told_apart_and_one_seed_says_that_it_is_one(
    confirmed: Callable[[str], Path],
) -> None:
    numbers = numbers_of(confirmed("hopeless"))
    (gain,) = [each for each in numbers["comparisons"] if each["kind"] == "tuning_gain"]
    assert gain["difference"] == 0 and gain["verdict"] == "not significantly different"
    assert gain["low"] < 0 < gain["high"] and gain["p_value"] == 1
    about = numbers["recommendation"]["candidates"]
    assert all(about[gain[side]]["probability_best"] < 0.9 for side in ("first", "second"))
    scored = numbers["contenders"]["base"]["splits"]["test"]
    assert scored["over_seeds"]["low"] is None and scored["score"]["low"] is not None


def test_a_class_of_one_case_gets_a_number_without_an_interval(confirmed: Callable[[str], Path]) -> None:
    numbers = numbers_of(confirmed("rare"))
    assert numbers["split"] == "dev" and numbers["optimistic"]
    task = numbers["contenders"]["base"]["splits"]["dev"]["tasks"]["location"]
    head = task["classes"]["Head"]
    assert head["cases"] == 1 and head["recall"]["low"] is None
    assert 0 <= task["auc"]["mean"] <= 1 and task["auc"]["low"] is None


@pytest.fixture(scope="module")
def page(confirmed: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    written: dict[str, str] = {}

    def report(name: str) -> str:
        if name not in written:
            out = tmp_path_factory.mktemp(f"page_{name}")
            file = confirmed(name)
            assert CliRunner().invoke(app, ["report", str(file), "--out", str(out)]).exit_code == 0
            written[name] = (out / "report.md").read_text(encoding="utf-8")
        return written[name]

    return report


def headline(page: str, question: str) -> str:
    """What the first screen answers."""
    (found,) = [line for line in page.splitlines() if line.startswith(f"- **{question}")]
    return found


@pytest.mark.parametrize("name", ["hopeless", "rare"])
def test_the_page_of_few_trials_draws_nothing_of_parameters(page: Callable[[str], str], name: str) -> None:
    said = page(name)
    ranges = RANGE.findall(said)
    assert len(ranges) > 20
    for low, high in ranges:
        assert low != high and (low, high) != ("0.0000", "1.0000"), (low, high)
    about = said.split("\n## Patterns and observations\n", 1)[1].split("\n## ", 1)[0]
    assert "3 complete trials" in about and str(HALF) in about
    assert not [figure for figure in ("slices", "importance", "contour") if f"{figure}.png" in said]


def test_the_page_of_equal_contenders_sees_no_gain_and_says_what_it_could_have_seen(
    page: Callable[[str], str],
) -> None:
    said = page("hopeless")
    assert "not significantly different" in headline(said, "Did tuning help?")
    assert "+0.0000" in headline(said, "Did tuning help?") and "would be detected" in said
    assert "not excluded for tuning" in said


@pytest.mark.parametrize("name", ["hopeless", "rare"])
def test_the_page_of_one_seed_speaks_of_that_training(page: Callable[[str], str], name: str) -> None:
    assert "mean of one seed" in headline(page(name), "Score on")
    assert "by this one training" in headline(page(name), "Expected on")
    assert "of these single trainings" in page(name).split("\n## ")[0]


@pytest.mark.parametrize("name", ["hopeless", "rare"])
def test_a_useless_teacher_is_the_first_thing_that_the_page_says(
    confirmed: Callable[[str], Path], page: Callable[[str], str], name: str
) -> None:
    numbers, said = numbers_of(confirmed(name)), page(name)
    split, about = numbers["split"], numbers["contenders"]
    best = min((each for each in about if about[each]["rank"]), key=lambda each: about[each]["rank"])
    teacher, student, features = (
        about[each]["splits"][split]["score"]["mean"]
        for each in (f"{best}_teacher", best, "features_image_text")
    )
    first = said.split("\n## ")[0]
    is_useless = teacher < student or teacher < features
    assert ("little to teach" in first) == is_useless
    assert (
        is_useless or name != "rare"
    )  # after one epoch it is far below its features on labels that mean something
    assert ("# change teacher." in first) == is_useless


def test_the_page_of_a_dev_split_that_the_search_has_seen_says_so(page: Callable[[str], str]) -> None:
    assert "search has seen" in headline(page("rare"), "Score on dev")
    assert "too optimistic" in headline(page("rare"), "Expected on")
    head = next(line for line in page("rare").splitlines() if line.startswith("| `") and "| Head |" in line)
    assert "[" not in head  # a recall of one case

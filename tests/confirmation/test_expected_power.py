"""The power that is said before a confirmation, from what the search's trials answered."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distune.confirmation.expected_power import ExpectedPower, cases_to_evaluate, foresee
from distune.confirmation.statistics.inference.power import needs, power
from distune.confirmation.statistics.inference.significance import compare_scores, family_level
from distune.confirmation.statistics.scores.case_scores import overall, task_answers
from distune.data.table import Table, Task
from distune.training.files.prediction_files import read_split_predictions, write_predictions

TASK = Task("kind", ("a", "b", "c"))


def answered(folder: Path, rate: float, seed: int, *, cases: int = 60, rows: slice | None = None) -> Path:
    generator = np.random.default_rng(seed)
    count = 2 * cases
    labels = np.random.default_rng(0).integers(0, 3, (count, 1))
    chosen = np.where(generator.random(count) < rate, labels[:, 0], (labels[:, 0] + 1) % 3)
    table = Table(
        root=Path(),
        ids=tuple(map(str, range(count))),
        images=("",) * count,
        texts=("",) * count,
        labels=labels,
        groups=tuple(str(row // 2) for row in range(count)),
        splits=("dev",) * count,
        tasks=(TASK,),
    )
    folder.mkdir(parents=True)
    picked = np.arange(count)[rows or slice(None)]
    write_predictions(folder, "dev", table, picked, [np.eye(3)[chosen[picked]]])
    return folder


def test_more_cases_have_more_power_and_fewer_are_needed_for_a_larger_gain(tmp_path: Path) -> None:
    best, base = answered(tmp_path / "a", 0.85, 1), answered(tmp_path / "b", 0.8, 2)
    few, many = (foresee(best, base, None, (TASK,), cases=cases, gain=0.05) for cases in (60, 6000))
    assert few is not None and many is not None
    assert 0.02 < few.power < 0.5 < 0.9 < many.power
    assert few.cases_needed == pytest.approx(many.cases_needed, rel=0.02) and few.cases_needed > 300
    larger = foresee(best, base, None, (TASK,), cases=60, gain=0.1)
    assert (
        larger is not None and larger.cases_needed is not None and larger.cases_needed < few.cases_needed / 3
    )


def test_the_power_is_that_of_one_of_two_primary_questions_on_so_many_cases(tmp_path: Path) -> None:
    folders = answered(tmp_path / "a", 0.85, 1), answered(tmp_path / "b", 0.8, 2)
    found = foresee(*folders, None, (TASK,), cases=600, gain=0.05)
    scored = []
    for folder in folders:
        read = read_split_predictions(folder, "dev", (TASK,))
        assert read is not None
        score = overall(task_answers([read]))
        scored.append((folder.name, score.values, score.pseudovalues))
    errors = compare_scores(*scored, examples=120).errors.with_more(cases=10)
    wanted = needs(errors, 0.05, family_level(2), seeds=1, cases=600)["cases_needed"]
    assert found == ExpectedPower(power(errors, 0.05, family_level(2)), 0.05, 600, wanted)
    assert foresee(*folders, None, (TASK,), cases=1, gain=0.05) is None
    assert foresee(*folders, None, (TASK,), cases=2, gain=0.05) is not None
    assert foresee(folders[0], folders[0], None, (TASK,), cases=600, gain=0.05) is None, "nothing differs"


def test_folds_are_evaluated_together(tmp_path: Path) -> None:
    for name, rate, seed in (("a", 0.85, 1), ("b", 0.8, 2)):
        for number, part in enumerate((slice(0, 60), slice(60, 120)), 1):
            answered(tmp_path / name / f"fold_{number}", rate, seed, rows=part)
        answered(tmp_path / "whole" / name, rate, seed)
    by_folds = foresee(tmp_path / "a", tmp_path / "b", 2, (TASK,), cases=60, gain=0.05)
    whole = foresee(tmp_path / "whole" / "a", tmp_path / "whole" / "b", None, (TASK,), cases=60, gain=0.05)
    assert by_folds == whole


def test_without_the_same_predictions_of_both_nothing_is_said(tmp_path: Path) -> None:
    best, other = answered(tmp_path / "a", 0.85, 1), answered(tmp_path / "b", 0.8, 2, cases=50)
    assert foresee(best, None, None, (TASK,), cases=60, gain=0.01) is None
    assert foresee(best, tmp_path / "nowhere", None, (TASK,), cases=60, gain=0.01) is None
    assert foresee(best, other, None, (TASK,), cases=60, gain=0.01) is None
    single = answered(tmp_path / "c", 0.9, 1, cases=1), answered(tmp_path / "d", 0.1, 2, cases=1)
    assert foresee(*single, None, (TASK,), cases=60, gain=0.01) is None, "one case says nothing of others"
    renamed = tmp_path / "e"
    shutil.copytree(tmp_path / "a", renamed)
    file = renamed / "predictions_dev.csv"
    head, first, *others = file.read_text().splitlines(keepends=True)
    cells = first.split(",")
    for place, other in ((1, "another case"), (2, "b" if cells[2] == "a" else "a")):
        changed = ",".join([*cells[:place], other, *cells[place + 1 :]])
        file.write_text("".join([head, changed, *others]))
        assert foresee(best, renamed, None, (TASK,), cases=60, gain=0.01) is None


def test_the_cases_are_those_that_comparisons_will_be_made_on() -> None:
    splits = (*("train",) * 6, *("dev",) * 4, *("test",) * 2)
    table = Table(
        root=Path(),
        ids=tuple(map(str, range(12))),
        images=("",) * 12,
        texts=("",) * 12,
        labels=np.zeros((12, 1), np.int64),
        groups=tuple(str(row // 2) for row in range(12)),
        splits=splits,  # type: ignore[arg-type]
        tasks=(TASK,),
    )
    shut = replace(table, splits=(*splits[:10], "train", "train"))  # type: ignore[arg-type]
    found = {
        (name, folds): cases_to_evaluate(each, folds)
        for name, each in (("test", table), ("none", shut))
        for folds in (None, 5)
    }
    assert found == {("test", None): 1, ("test", 5): 1, ("none", None): 2, ("none", 5): 6}


def test_the_cases_that_it_would_take_are_said_only_where_they_are_too_few() -> None:
    few, enough = str(ExpectedPower(0.79, 0.02, 120, 1234)), str(ExpectedPower(0.8, 0.02, 120, 110))
    assert "120 cases" in few and " 0.02 " in few and "79%" in few and "1,234 cases" in few
    assert "80%" in enough and "110" not in enough
    assert "would take" not in str(ExpectedPower(0.79, 0.02, 120, None)), "no number is enough"

"""What is read of the folder of a confirmation: as what was asked, seed by seed and split by split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.confirmation.statistics import numbers
from distune.confirmation.statistics.files import MARKER, baseline_folder, run_folder
from distune.confirmation.statistics.scores.answers import read_baseline, read_contender
from distune.confirmation.statistics.scores.subgroups import read_subgroups, write_subgroups
from distune.data.table import MISSING, Table, Task
from distune.errors import UserError
from distune.training.files.prediction_files import write_predictions
from distune.training.files.run_folder import seal

YES = Task("sign", ("no", "yes"))


def written(folder: Path, split: str, tasks: tuple[Task, ...], texts: Sequence[str], labels: Any) -> None:
    names = tuple(map(str, range(len(texts))))
    table = Table(
        Path(),
        names,
        names,
        tuple(texts),
        np.array(labels),
        names,
        ("dev",) * len(texts),
        tasks,
        may_lack=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    answers = [np.full((len(texts), len(task.classes)), 1 / len(task.classes)) for task in tasks]
    write_predictions(folder, split, table, table.rows("dev"), answers)


SIGNS = Task("signs", ("a", "b"), "multi_label", "auroc", 2.0)


def test_answers_are_read_as_what_was_asked(tmp_path: Path) -> None:
    for seed in (1, 2):
        for split in ("dev", "test"):
            written(
                tmp_path / f"x/seed_{seed}", split, (SIGNS,), ("t", "", "u"), [[0, 1], [1, 0], [1, MISSING]]
            )
    written(tmp_path / "baselines/m", "dev", (SIGNS,), ("t", "", "u"), [[0, 1], [1, 0], [1, MISSING]])
    plan: dict[str, Any] = {
        "seeds": [1, 2, 3], "contenders": [{"name": "x"}, {"name": "none"}], "may_lack": True,
        "baselines": [{"name": "m"}, {"name": "n"}], "asked": [SIGNS.as_plain()],
    }  # fmt: skip
    found = numbers._answers(tmp_path, plan)
    assert list(found) == ["x", "m"] and found["x"].seeds == (1, 2) and found["m"].seeds == (0,)
    for answers in found.values():
        one = answers.by_split["dev"][0]
        assert one.tasks == (SIGNS,) and one.labels.tolist() == [[0, 1], [1, 0], [1, MISSING]]
        assert {name: kind.tolist() for name, kind in one.kinds.items()} == {
            "complete": [True, False, True], "without_text": [False, True, False],
        }  # fmt: skip
    older = numbers._answers(tmp_path, {**plan, "asked": None, "may_lack": False})["x"].by_split["dev"][0]
    assert [task.name for task in older.tasks] == ["signs: a", "signs: b"] and older.kinds == {}
    with pytest.raises(UserError, match="no run finished"):
        numbers._answers(tmp_path, {**plan, "contenders": [{"name": "none"}]})
    written(tmp_path / "baselines/m", "dev", (SIGNS,), ("t", "", "u"), [[1, 1], [1, 0], [1, 0]])
    with pytest.raises(UserError, match="different dev examples"):
        numbers._answers(tmp_path, plan)


def test_a_seed_counts_with_all_splits_and_a_condition_with_all_seeds(tmp_path: Path) -> None:
    tasks, labels = (YES,), [[0], [1]]
    for seed in (1, 2, 3):
        written(tmp_path / f"x/seed_{seed}", "dev", tasks, ("t", "u"), labels)
    for seed in (1, 3):
        written(tmp_path / f"x/seed_{seed}", "test", tasks, ("t", "u"), labels)
        written(tmp_path / f"x/seed_{seed}", "test_other_text", tasks, ("t", "u"), labels)
    written(tmp_path / "x/seed_1", "test_without_image", tasks, ("t", "u"), labels)
    found = read_contender(tmp_path, "x", (3, 2, 1), tasks)
    assert found is not None and found.seeds == (3, 1)
    assert {split: len(each) for split, each in found.by_split.items()} == {"dev": 2, "test": 2}
    assert {place: len(each) for place, each in found.by_condition.items()} == {("test", "other_text"): 2}
    assert read_contender(tmp_path, "y", (1,), tasks) is read_baseline(tmp_path, "m", tasks) is None
    written(tmp_path / "x/seed_1", "test_without_image", tasks, ("t", "u"), [[0], [0]])
    with pytest.raises(UserError, match="test_without_image"):
        read_contender(tmp_path, "x", (1, 3), tasks)


@pytest.mark.parametrize("name", ["predictions_test.csv", "predictions_dev_without_text.csv"])
def test_predictions_that_were_deleted_are_named(name: str, tmp_path: Path) -> None:
    run = run_folder(tmp_path, "base", 1)
    run.mkdir(parents=True)
    (run / name).write_text("id\n")
    seal(run / MARKER, {"splits": ["dev", "test"]})
    (run / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        read_contender(tmp_path, "base", [0, 1])
    baseline = baseline_folder(tmp_path, "majority")
    baseline.parent.mkdir()
    run.rename(baseline)
    with pytest.raises(UserError, match=rf"{name} is missing"):
        read_baseline(tmp_path, "majority")


def test_subgroups_are_kept_as_far_as_they_are_known(tmp_path: Path) -> None:
    names = ("1", "2")
    table = Table(Path(), names, names, names, np.zeros((2, 1)), names, ("dev", "dev"), (YES,))  # type: ignore[arg-type]
    write_subgroups(replace(table, subgroups={"sex": ("f", ""), "site, or scanner": ("", "a\nb")}), tmp_path)
    assert read_subgroups(tmp_path) == {"sex": {"1": "f"}, "site, or scanner": {"2": "a\nb"}}
    write_subgroups(table, tmp_path)
    assert read_subgroups(tmp_path) == {} and not list(tmp_path.iterdir())

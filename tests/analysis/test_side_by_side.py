"""Studies and runs in one table, read from what they record."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import optuna
import pytest

from distune.analysis.records.sources import read_study
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.side_by_side import (
    Contestant,
    _counted,
    are_counted_differently,
    on_different_data,
    side_by_side,
)
from distune.config import TaskConfig
from distune.confirmation.statistics.files import NUMBERS
from distune.errors import UserError
from distune.training.files.run_folder import write_results
from distune.utils.files.sealed_files import write_sealed
from tests.reporting.confirmed_numbers import CONFIRMATION, of_the_study

TRIALS = (
    TrialRecord(0, "complete", 0.5, baseline=True),
    TrialRecord(1, "complete", 0.75),
    TrialRecord(2, "pruned"),
    TrialRecord(3, "failed"),
    TrialRecord(4, "running"),
)


def run(folder: Path, score: float, data: Any = "x", **others: Any) -> str:
    folder.mkdir()
    place = {"macro_f1": 0.9, "score": {"name": "quadratic_kappa", "value": 0.5}}
    tasks = {"kind": {"macro_f1": score}, "place": place}
    splits = {"dev": {"score": score, "tasks": tasks}, **others}
    write_results(folder, {"score": score, "splits": splits, "data_fingerprint": data})
    return str(folder)


def test_what_is_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = f"sqlite:///{tmp_path}/s.db"
    for name in ("s", "t"):
        optuna.create_study(study_name=name, storage=storage, direction="maximize")
    (tmp_path / "s").mkdir()
    low = run(tmp_path / "low", 0.25)
    (tmp_path / "linked").symlink_to(low)
    sources = ["s", "s.db", str(tmp_path / "s"), low, "low", "linked", read_study("s", storage)]
    assert [(one.name, one.kind) for one in side_by_side(sources[:-1])] == [("low", "run"), ("s", "study")]
    assert len(side_by_side([sources[-1], sources[-1]])) == 1
    assert len(side_by_side([read_study(name, storage) for name in ("s", "t")])) == 2, "one file, two studies"


@pytest.fixture
def study(tmp_path: Path) -> StudyRecord:
    (tmp_path / "s").mkdir()
    return StudyRecord(
        "s", "maximize", TRIALS, {}, "study", folder=tmp_path / "s", data_fingerprint="x", folds=3
    )


def confirmed(study: StudyRecord, **changed: Any) -> float | None:
    """What is said of a study with these numbers of its confirmation."""
    assert study.folder is not None
    write_sealed(study.folder / NUMBERS, of_the_study({**CONFIRMATION, **changed}, study))
    return side_by_side([study])[0].confirmed


def test_the_best_on_dev_come_first_and_what_has_no_score_last(study: StudyRecord, tmp_path: Path) -> None:
    none = replace(study, name="none", trials=TRIALS[2:], folder=None)
    found = side_by_side([none, run(tmp_path / "low", 0.25), study, run(tmp_path / "high", 0.875)])
    assert [one.name for one in found] == ["high", "s", "low", "none"]
    assert found[1] == Contestant("s", "study", 0.75, base=0.5, trials=3, data="x", folds=3)
    assert found[3] == Contestant("none", "study", None, trials=1, data="x", folds=3)
    tasks = {"kind": ("macro F1", 0.25), "place": ("quadratic kappa", 0.5)}
    assert found[2] == Contestant("low", "run", 0.25, tasks=tasks, data="x")
    assert side_by_side([run(tmp_path / "opened", 0.5, test={"score": 0.125})])[0].test == 0.125


def test_a_study_is_named_by_its_name_and_not_by_where_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/renamed.db"
    optuna.create_study(study_name="its name", storage=url, direction="maximize")
    assert [one.name for one in side_by_side([str(tmp_path / "renamed.db")])] == ["its name"]


def test_a_base_that_was_not_evaluated_has_no_score(study: StudyRecord) -> None:
    pruned = replace(TRIALS[0], state="pruned", value=None)
    assert side_by_side([replace(study, trials=(pruned, *TRIALS[1:]))])[0].base is None
    again = TrialRecord(5, "complete", 0.25, baseline=True)
    assert side_by_side([replace(study, trials=(pruned, *TRIALS[1:], again))])[0].base == 0.25


def test_a_confirmed_score_is_of_the_recommended_config_while_the_confirmed_trial_is_the_best(
    study: StudyRecord, caplog: pytest.LogCaptureFixture
) -> None:
    assert side_by_side([study])[0].confirmed is None and not caplog.records
    assert confirmed(study) == 0.74 and side_by_side([study])[0].confirmed_on == "test"
    of_base = {**CONFIRMATION["recommendation"], "contender": "base"}
    assert (
        confirmed(study, recommendation=of_base)
        == CONFIRMATION["contenders"]["base"]["splits"]["test"]["score"]["mean"]
    )
    assert confirmed(study, split="dev") == 0.76 and side_by_side([study])[0].confirmed_on == "dev"
    assert not caplog.records
    later = replace(study, trials=(*TRIALS, TrialRecord(5, "complete", 0.9)))
    assert confirmed(later) is None, "another trial is the best by now"
    assert confirmed(study, version=1) is None and "version" in caplog.text


def test_only_what_is_known_to_be_other_data_is(study: StudyRecord, tmp_path: Path) -> None:
    same, unknown = run(tmp_path / "same", 0.5), run(tmp_path / "unknown", 0.5, data=None)
    other = run(tmp_path / "other", 0.5, data="y")
    assert not on_different_data(side_by_side([study, same, unknown]))
    assert on_different_data(side_by_side([study, other]))
    alike = side_by_side([same])[0]
    weighted = replace(alike, data="z", asked={"kind": TaskConfig(weight=2)})
    assert on_different_data([weighted, replace(weighted, data="y")])
    assert on_different_data([weighted, replace(weighted, data="y", asked=None)])
    assert not on_different_data([replace(alike, asked={}), weighted]), (
        "a fingerprint is of what tasks count with, too"
    )
    assert not on_different_data([])


def test_other_scores_or_weights_of_the_same_data_are_told_from_other_data(
    study: StudyRecord, tmp_path: Path
) -> None:
    def counted(name: str, tasks: str) -> str:
        source = run(tmp_path / name, 0.5)
        (Path(source) / "config.yaml").write_text(f"name: x\ndata: {{root: r, tasks: {tasks}}}\n")
        return source

    plain, weighted = counted("plain", "{}"), counted("weighted", "{kind: {weight: 2}}")
    area, spelt = counted("area", "{kind: {score: auroc}}"), counted("spelt", "{kind: {score: macro_f1}}")
    of_area = replace(
        study,
        base_config={"data": {"tasks": {"kind": {"score": "auroc"}}, "label_columns": ["kind", "place"]}},
    )
    # Of readers such as medpix, which know their tasks without the config.
    default, of_reader, same = (
        replace(study, base_config={"data": {"tasks": tasks, "label_columns": None}})
        for tasks in ({}, {"kind": {"score": "auroc"}}, {"kind": {"score": "macro_f1"}})
    )
    both = counted("both", "{kind: {weight: 2}, place: {weight: 2}}")
    large = counted("large", "{kind: {weight: 6}, place: {weight: 3}}")
    broken = counted("broken", "[kind]")
    for pair, differ in (
        ([plain, weighted], True),
        ([plain, area], True),
        ([plain, spelt], False),
        ([area, of_area], False),
        ([plain, of_area], True),
        ([area, study], False),  # the study does not say
        ([plain, study], False),
        ([default, of_reader], True),
        ([default, same], False),
        ([area, of_reader], False),
        ([plain, of_reader], True),
        ([plain, both], False),
        ([weighted, large], False),
        ([large, both], True),
        ([area, broken], False),
        ([plain, broken], False),
    ):
        assert are_counted_differently(side_by_side(pair)) is differ, [
            one.counted for one in side_by_side(pair)
        ]
    for order in permutations(side_by_side([area, study, plain])):
        assert are_counted_differently(order), "also with one between them of which nothing is known"


@pytest.mark.parametrize(
    "changed",
    [
        {"splits": None},
        {"splits": {}},
        {"splits": {"dev": {"tasks": [1]}}},
        {"splits": {"dev": {"tasks": {"kind": {}}}}},
        {"splits": {"dev": {"tasks": {"kind": {"macro_f1": "high"}}}}},
        {"splits": {"dev": {"tasks": {}}, "test": {}}},
        {"score": None},
    ],
    ids=str,
)
def test_results_that_are_no_run_s_are_named(changed: dict[str, Any], tmp_path: Path) -> None:
    tasks = {"kind": {"macro_f1": 0.5}}
    write_results(tmp_path, {"score": 0.5, "splits": {"dev": {"tasks": tasks}}} | changed)
    with pytest.raises(UserError, match=r"results\.json is not the result of a run"):
        side_by_side([str(tmp_path)])


@pytest.mark.parametrize(
    ("asked", "tasks", "expected"),
    [
        (None, ["a"], None),
        ({}, None, {}),
        ({"a": TaskConfig()}, None, None),  # which others there are is not known
        ({}, ["a", "b"], {}),
        ({"a": TaskConfig(weight=2)}, ["a"], {}),
        ({"a": TaskConfig(weight=3)}, ["a", "b"], {"a": ("macro_f1", 0.75), "b": ("macro_f1", 0.25)}),
        ({"a": TaskConfig(score="auroc")}, ["a"], {"a": ("auroc", 1.0)}),
    ],
)
def test_what_tasks_count_with_is_known_where_the_tasks_are(asked: Any, tasks: Any, expected: Any) -> None:
    assert _counted(asked, tasks) == expected

"""How large the student is that a report recommends, and how long its encoders take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import findings, numbers, study

from distune.analysis.records.study_record import TrialRecord
from distune.models.encoders.catalogue import MILLISECONDS
from distune.reporting import first_screen
from distune.reporting.model_size import StudentSize, size_of

DEIT, BERT = (round(float(MILLISECONDS[name]), 1) for name in ("deit-tiny", "bert-mini"))


def run_folder(path: Path, parameters: Any, **student: Any) -> Path:
    path.mkdir()
    (path / "results.json").write_text(json.dumps({"parameters": parameters}))
    (path / "config.yaml").write_text(yaml.safe_dump({"student": student}))
    return path


def of_search(place: Path | None) -> StudentSize | None:
    """Of a search whose best trial has a run folder."""
    trials = TrialRecord(0, "complete", 0.5), TrialRecord(1, "complete", 0.6, folder=place)
    return size_of(findings(study(*trials)), None)


@pytest.mark.parametrize(
    ("student", "milliseconds", "encoders"),
    [
        ({"vision": {"name": "deit-tiny"}, "text": {"name": "bert-mini"}}, DEIT + BERT, 2),
        ({"vision": {"name": "deit-tiny"}, "text": {"name": "none"}}, DEIT, 1),
        ({"vision": {"name": "deit-tiny"}, "text": {"name": "own/model"}}, None, 2),
        ({"vision": {"name": "own/model"}}, None, 1),
        ({}, None, 0),
    ],
)
def test_the_best_trial_s_student_is_measured_by_its_run_folder(
    tmp_path: Path, student: dict[str, Any], milliseconds: float | None, encoders: int
) -> None:
    found = of_search(run_folder(tmp_path / "run", {"total": 1234, "trained": 34}, **student))
    assert found == StudentSize(1234, None if milliseconds is None else round(milliseconds, 1), encoders)


@pytest.mark.parametrize("parameters", [None, [], {}, {"total": "many"}])
def test_a_size_that_is_not_recorded_is_not_known(tmp_path: Path, parameters: Any) -> None:
    assert of_search(run_folder(tmp_path / "run", parameters, vision={"name": "deit-tiny"})) is None
    assert of_search(None) is None and of_search(tmp_path / "nowhere") is None
    assert size_of(findings(study(TrialRecord(0, "failed"))), None) is None


def test_a_confirmation_has_the_size_of_what_it_recommends(tmp_path: Path) -> None:
    base = {"kind": "base", "is_base": True, "parameters": {"total": 7}, "splits": {}}
    chosen = {"kind": "trial", "trial": 1, "is_base": False, "parameters": {"total": 99}, "splits": {}}
    found = findings(numbers=numbers(contenders={"base": base, "trial_0001": chosen}))
    (tmp_path / "best.yaml").write_text("student: {vision: {name: deit-tiny}}\n")
    assert size_of(found, tmp_path / "best.yaml") == StudentSize(99, DEIT, 1)
    assert size_of(found, None) == StudentSize(99, None, 0)
    for unreadable in ("student: [\n", "- student\n"):
        (tmp_path / "best.yaml").write_text(unreadable)
        assert size_of(found, tmp_path / "best.yaml") == StudentSize(99, None, 0)
    as_it_was = {"contender": "base", "config": "base_config.yaml", "searched": 2}
    kept = numbers(contenders={"trial_0001": chosen, "base": base}, recommendation=as_it_was)
    assert size_of(findings(numbers=kept), None) == StudentSize(7, None, 0)


def test_the_first_screen_of_a_confirmation_has_the_size_of_the_config_to_use(tmp_path: Path) -> None:
    chosen = {"kind": "trial", "trial": 1, "is_base": False, "parameters": {"total": 99}, "splits": {}}
    (tmp_path / "recommended.yaml").write_text("student: {vision: {name: deit-tiny}}\n")
    recommendation = {"contender": "trial_0001", "config": "recommended.yaml", "searched": 2, "reason": "x"}
    held = numbers(contenders={"trial_0001": chosen}, recommendation=recommendation, optimistic=False)
    shown = first_screen.headlines(findings(study(folder=tmp_path), numbers=held))
    (size,) = (one for one in shown if "size" in one.label)
    assert size.value == "99 parameters" and f"{DEIT:.0f} ms" in size.remark


@pytest.mark.parametrize(
    ("student", "tokens", "absent"),
    [
        ({"vision": {"name": "deit-tiny"}}, ("93 ms", "encoder"), "fusion"),
        ({"vision": {"name": "deit-tiny"}, "text": {"name": "bert-mini"}}, (f"{DEIT + BERT:.0f} ms", "fusion"), "?"),
        ({"vision": {"name": "own/model"}}, (), "ms"),
    ],
)  # fmt: skip
def test_the_first_screen_says_how_large_the_student_is(
    tmp_path: Path, student: dict[str, Any], tokens: tuple[str, ...], absent: str
) -> None:
    place = run_folder(tmp_path / "run", {"total": 65303}, **student)
    found = findings(study(TrialRecord(0, "complete", 0.5), TrialRecord(1, "complete", 0.6, folder=place)))
    (shown,) = (one for one in first_screen.headlines(found) if "size" in one.label)
    assert shown.value == "65,303 parameters" and absent not in shown.remark
    assert all(token in shown.remark for token in tokens)

"""What an attribute of a study and of a trial may be."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial
from study_helpers import settings_of

from distune.analysis.records.from_optuna import from_optuna
from distune.errors import UserError
from distune.tuning.status import status_of
from distune.tuning.study.attributes import OF_STUDY, OF_TRIAL, check_study, check_trials, is_foreign
from distune.tuning.study.open_study import write_settings

GOOD_AND_BAD: dict[str, tuple[list[Any], list[Any]]] = {
    "a mapping": ([{}, {"a": 1}], [[], "a", None]),
    "a mapping to text": ([{}, {"a": "b"}], [{"a": "b", "c": 1}, ["a"], None]),
    "a mapping to search parameters": (
        [{}, {"lr": {"key": "student.lr"}}],
        [{"lr": {}}, {"a": {"key": 1}}, {"a": 1}, []],
    ),
    "a mapping to teachers": (
        [{}, {"base": {"overrides": {}}}],
        [{"a": {}}, {"a": {"overrides": []}}, {"a": 1}, []],
    ),
    "text": (["tpe", ""], [1, None, []]),
    "a whole number": ([0, 7], [0.5, "7", None, True]),
    "a whole number, or null": ([5, None], [0.5, "5"]),
    "a number": ([0, 1.5], ["1.5", None, True, float("nan")]),
    "a number, or null": ([0.5, None], ["0.5", [0.5]]),
    "a mapping to numbers": ([{}, {"teacher": 1.5}], [{"teacher": "1.5"}, [1.5], {"a": 1.0, "b": None}]),
    "a list of numbers, or null": ([[], [0.5, 1], None], [0.5, [0.5, "1"], {"a": 0.5}]),
    "a name": (["worker-0", 3], [0.5, None, []]),
    "a time": (["2026-01-01T10:00:00+01:00"], ["soon", 12, None]),
    "text, or null": (["me", None], [3]),
}


def test_each_attribute_is_of_the_kind_that_it_is_computed_with() -> None:
    assert {key: rule[0] for key, rule in OF_STUDY.items()} == {
        "base_config": "a mapping", "search_space": "a mapping to search parameters",
        "teachers": "a mapping to teachers",
        **dict.fromkeys(("encoder_commits", "encoder_files", "plugin_sources"), "a mapping to text"),
        **dict.fromkeys(("sampler", "pruner", "strategy", "data_fingerprint"), "text"),
        "seed": "a whole number", "folds": "a whole number, or null",
    }  # fmt: skip
    assert {key: rule[0] for key, rule in OF_TRIAL.items()} == {
        **dict.fromkeys(("seconds", "peak_memory_mb", "peak_device_mb", "disk_mb"), "a number"),
        **dict.fromkeys(("teacher_score", "regression_score"), "a number, or null"),
        **dict.fromkeys(("overrides", "fixed_params"), "a mapping"),
        **dict.fromkeys(("stage_seconds", "teacher_scores"), "a mapping to numbers"),
        **dict.fromkeys(("device", "worker", "failure_kind"), "a name"),
        "fold_scores": "a list of numbers, or null", "attempts": "a whole number", "folder": "text",
        "started": "a time", "coordinator": "text, or null",
    }  # fmt: skip


@pytest.mark.parametrize("key", [*OF_STUDY, *OF_TRIAL])
def test_what_another_program_wrote_is_named_with_its_place(key: str) -> None:
    rules = OF_STUDY if key in OF_STUDY else OF_TRIAL
    good, bad = GOOD_AND_BAD[rules[key][0]]

    def check(value: Any) -> None:
        if key in OF_STUDY:
            check_study("s", {key: value, "seconds": "of no study"})
        else:
            trials = [create_trial(state=TrialState.RUNNING, user_attrs=held)
                      for held in ({"seed": "of no trial"}, {key: value})]  # fmt: skip
            for number, trial in enumerate(trials):
                trial.number = number
            check_trials("s", trials)

    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(UserError) as refused:
            check(value)
        where = "study s: " if key in OF_STUDY else "study s, trial 1: "
        assert str(refused.value).startswith(where) and f" {key} is {value!r}" in str(refused.value)


def test_of_a_value_that_does_not_end_the_beginning_is_named() -> None:
    with pytest.raises(UserError) as refused:
        check_study("s", {"seed": "x" * 10_000})
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("state", "attributes", "foreign"),
    [
        (TrialState.RUNNING, {}, False),  # a coordinator asked for it just now
        (TrialState.WAITING, {}, False),
        (TrialState.FAIL, {}, True),
        (TrialState.FAIL, {"failure_kind": "surplus"}, False),  # it was never drawn
        (TrialState.FAIL, {"overrides": {}}, False),
        (TrialState.PRUNED, {"seconds": 1.0}, True),
    ],
)
def test_what_nothing_says_what_it_ran_is_another_program_s(
    state: TrialState, attributes: dict[str, Any], foreign: bool
) -> None:
    assert is_foreign(create_trial(state=state, user_attrs=attributes)) is foreign


@pytest.mark.parametrize("numbers", [[1], [0, 0], [0, 2]])
def test_a_trial_that_is_missing_or_there_twice_is_named(numbers: list[int]) -> None:
    trials = [create_trial(state=TrialState.RUNNING) for _ in numbers]
    for number, trial in zip(numbers, trials, strict=True):
        trial.number = number
    with pytest.raises(UserError, match="missing or there twice"):
        check_trials("s", trials)


HUGE = 10**400
"""No float can hold it."""


def test_of_several_the_first_rule_that_is_broken_is_named() -> None:
    held = dict.fromkeys(reversed(OF_STUDY), 1.5)
    with pytest.raises(UserError, match=f"attribute {next(iter(OF_STUDY))} is"):
        check_study("s", held)


STRANGE = [True, 1.5, "x", [], ["x"], {}, {"x": []}, None, float("nan"), HUGE, [HUGE], {"x": HUGE}]


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "foreign"])
@pytest.mark.parametrize("strange", STRANGE, ids=lambda strange: repr(strange)[:12])
def test_an_attribute_of_another_kind_is_named(strange, is_ours) -> None:
    """Whoever computes with one of ours finds what `tune` writes; another program's may be anything."""
    for rules, of_trial in ((OF_STUDY, False), (OF_TRIAL, True)):
        for key, (_, holds) in rules.items():
            study = optuna.create_study(storage=InMemoryStorage(), study_name="s", direction="maximize")
            if is_ours:
                write_settings(study, settings_of())
            own = {"overrides": {}, key: strange} if of_trial else {}
            study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=own))
            if not of_trial:
                study.set_user_attr(key, strange)
            where = "study s, trial 0" if of_trial else "study s"
            is_named = is_ours and not holds(strange)
            for read in (from_optuna, lambda study: status_of(study, "", datetime.now().astimezone())):
                with (
                    pytest.raises(UserError, match=f"{where}: the attribute {key} ")
                    if is_named
                    else nullcontext()
                ):
                    read(study)

"""Small rules of the analysis, each by values that are written out here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

from distune.analysis.parameters.bounds import _place
from distune.analysis.parameters.importance import _varies
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.from_csv import _observed
from distune.analysis.records.from_optuna import _run_folder, run_folder_of
from distune.analysis.records.schemas import ConfirmationForm
from distune.analysis.records.sources import name_and_url, read_study
from distune.analysis.records.study_record import TrialRecord
from distune.errors import UserError
from distune.utils.forms import fault
from tests.reporting.confirmed_numbers import CONFIRMATION

DIM = Parameter("dim", "categorical", choices=(256, 384, 512))


@pytest.mark.parametrize(
    ("parameter", "value", "place"),
    [
        (DIM, 256, 0.0),
        (DIM, 384, 0.5),
        (DIM, 512, 1.0),
        (DIM, 300, None),
        (Parameter("dim", "categorical", choices=(512, 256, 384)), 384, 0.5),
        (Parameter("dim", "categorical", choices=(256, 384, "all")), 384, None),
        (Parameter("dim", "categorical", choices=(256, 512)), 256, None),
        (Parameter("layers", "int", 1, 2), 1, None),
        (Parameter("layers", "int", 1, 5), 2, 0.25),
        (Parameter("x", "float", 0.5, 0.5), 0.5, None),
        (Parameter("lr", "float", 1e-4, 1e-2, log=True), 1e-3, pytest.approx(0.5)),
    ],
)
def test_where_a_value_lies_between_the_ends(parameter: Parameter, value: Any, place: Any) -> None:
    assert _place(parameter, value) == place


@pytest.mark.parametrize(
    ("parameter", "levels"),
    [
        (DIM, [256, 384, 512]),
        (Parameter("layers", "int", 1, 3), [1, 2, 3]),
        (Parameter("layers", "int", 2, 7, step=2), [2, 4, 6]),
        (Parameter("n", "int", 0, 19), list(range(20))),
        (Parameter("n", "int", 0, 20), None),
        (Parameter("n", "int", 0, 190, step=10), list(range(0, 191, 10))),
        (Parameter("x", "float", 0.0, 0.3, step=0.1), pytest.approx([0.0, 0.1, 0.2, 0.3])),
        (Parameter("x", "float", 0.0, 0.3), None),
        (Parameter("x", "float", None, 0.3, step=0.1), None),
    ],
)
def test_the_levels_of_a_parameter(parameter: Parameter, levels: Any) -> None:
    assert parameter.levels == levels


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2], True), ([1, 1], False), ([1, True], True), ([1, 1.0], True), ([1, None], False)],
)
def test_a_parameter_varies_where_every_trial_has_it_and_not_the_same(
    values: list[Any], expected: bool
) -> None:
    trials = [TrialRecord(n, "complete", 0.5, {} if v is None else {"x": v}) for n, v in enumerate(values)]
    assert _varies("x", trials) == expected


def test_what_a_column_shows_of_a_parameter() -> None:
    for column, expected in (
        ([0.5, None, 0.001], Parameter("x", "float", low=0.001, high=0.5)),
        ([0.005, 0.001], Parameter("x", "float", low=0.001, high=0.005, log=True)),
        ([0.01, 0.001], Parameter("x", "float", low=0.001, high=0.01)),
        ([0.0, 0.001], Parameter("x", "float", low=0.0, high=0.001)),
        ([3, 1, 2, None], Parameter("x", "int", low=1, high=3)),
        ([4, 8], Parameter("x", "categorical", choices=(4, 8))),
        ([4], Parameter("x", "categorical", choices=(4,))),
        ([*range(0, 24, 2)], Parameter("x", "categorical", choices=tuple(range(0, 24, 2)))),
        ([*range(0, 26, 2)], Parameter("x", "int", low=0, high=24)),
        ([True, False], Parameter("x", "categorical", choices=(False, True))),
        ([4, "b", "a"], Parameter("x", "categorical", choices=(4, "a", "b"))),
        ([None], Parameter("x", "categorical", choices=())),
    ):
        assert _observed("x", column) == expected, column


def test_a_run_folder_is_among_the_studies_or_where_its_study_was_moved_to(tmp_path: Path) -> None:
    inside = "logs/optuna/s/trials/trial_0000"
    assert _run_folder(inside, None) == Path(inside)
    assert _run_folder(str(Path.cwd() / inside), None) == Path.cwd() / inside
    for outside in ("/elsewhere/trial_0000", "logs/optuna/../trial_0000"):
        assert _run_folder(outside, None) is None
    assert [_run_folder(nothing, None) for nothing in (None, "", 3)] == [None] * 3
    study = tmp_path / "s"
    assert _run_folder("/elsewhere/trial_0000", study) is None
    (study / "trials/trial_0000").mkdir(parents=True)
    assert _run_folder("/elsewhere/trial_0000", study) == study / "trials/trial_0000"
    (study / "trial_0000").mkdir()
    assert _run_folder("/elsewhere/trial_0000", study) == study / "trial_0000"
    assert _run_folder(str(tmp_path / "t/trial_0001"), study) == tmp_path / "t/trial_0001"
    # A fork's copy of a trial 0 of t is no trial 0 of the fork.
    copied = partial(_run_folder, study_folder=study, is_copy=True)
    assert copied(str(tmp_path / "t/trials/trial_0000")) == tmp_path / "t/trials/trial_0000"
    (tmp_path / "t/trials/trial_0000").mkdir(parents=True)
    assert copied("/before/it/moved/t/trials/trial_0000") == tmp_path / "t/trials/trial_0000"
    assert copied("/before/it/moved/u/trials/trial_0000") is None and copied("/trial_0000") is None
    about = {"folder": str(tmp_path / "t/trials/trial_0000")}
    for more, folder in (({}, study / "trial_0000"), ({"copied_from": 0}, tmp_path / "t/trials/trial_0000")):
        trial = optuna.trial.create_trial(value=0.5, user_attrs=about | more)
        assert run_folder_of(trial, study) == folder


@pytest.mark.slow
def test_a_file_with_a_single_study_is_that_study_whatever_it_is_called(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/renamed.db"
    for name in ("a", "b"):
        optuna.create_study(study_name=name, storage=storage)
        if name == "a":
            assert read_study(tmp_path / "renamed.db").name == "a"
    with pytest.raises(UserError, match="a, b"):
        read_study(tmp_path / "renamed.db")
    assert read_study("b", storage).name == "b"
    optuna.delete_study(study_name="b", storage=storage)
    assert name_and_url(tmp_path / "renamed.db") == ("a", storage)


def _other(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda numbers: numbers["recommendation"].update({key: value})


@pytest.mark.parametrize(
    ("damage", "token"),
    [
        (_other("contender", "no_such"), "recommended"),
        (
            _other("candidates", {"no_such": CONFIRMATION["recommendation"]["candidates"]["base"]}),
            "candidate",
        ),
        (lambda numbers: numbers["contenders"].update({"../x": numbers["contenders"]["base"]}), "folder"),
        (lambda numbers: numbers.update(split="folds"), "split"),
        (lambda numbers: [about.update(rank=None) for about in numbers["contenders"].values()], "rank"),
    ],
)
def test_the_names_of_a_confirmation_belong_together(
    damage: Callable[[dict[str, Any]], None], token: str
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    assert fault(numbers, ConfirmationForm) is None
    students = {
        name: numbers["contenders"][name] | {"rank": 1} for name in numbers["recommendation"]["candidates"]
    }
    assert fault(numbers | {"contenders": students}, ConfirmationForm) is None
    damage(numbers)
    assert token in str(fault(numbers, ConfirmationForm))

"""An argument of a wrong type is named by the function that got it, before any work."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import distune
import distune.edge
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.api.confirmations import Confirmation
from distune.api.settings import public
from distune.api.students import Run
from distune.config import parse_config
from distune.data.audit.findings import AuditReport
from distune.data.table import Table
from distune.errors import UserError
from distune.prediction.answers import Answers
from distune.setup.check import Checked
from distune.setup.init import Prepared

CONFIG = distune.Config()
STRANGE = [3, 1.5, True, b"x", [], object()]
NO_NUMBERS = [float("nan"), float("inf"), -float("inf"), 10**400]
PATHS = ["", "\0", "x" * 300, "x/" * 3000, "a\ud800"]
NO_FLAGS = [None, 1, "no"]
LABELS = [None, "kind", 3, [1], ["a", None], [" "]]
CALLS: dict[str, tuple[str, Callable[[Any], object], list[Any]]] = {
    "train": ("config", lambda given: distune.train(given), [None, *STRANGE]),
    "train out": ("out", lambda given: distune.train(CONFIG, out=given), [*STRANGE, *PATHS]),
    "train data": ("data", lambda given: distune.train(CONFIG, data=given), STRANGE),
    "train test": ("test", lambda given: distune.train(CONFIG, test=given), NO_FLAGS),
    "train overwrite": ("overwrite", lambda given: distune.train(CONFIG, overwrite=given), NO_FLAGS),
    "train callback": ("callback", lambda given: distune.train(CONFIG, callback=given), ["x", *STRANGE]),
    "tune": ("config", lambda given: distune.tune(given), [None, *STRANGE]),
    "tune fork": ("fork", lambda given: distune.tune(CONFIG, fork=given), STRANGE),
    "confirm": ("study", lambda given: distune.confirm(given), [None, *STRANGE, *PATHS]),
    "confirm top": ("top", lambda given: distune.confirm("s", top=given), [None, *STRANGE[1:]]),
    "confirm seeds": ("seeds", lambda given: distune.confirm("s", seeds=given), [None, *STRANGE[1:]]),
    "confirm top below one": ("top", lambda given: distune.confirm("s", top=given), [0, -1]),
    "confirm seeds below one or beyond any wait": (
        "seeds",
        lambda given: distune.confirm("s", seeds=given),
        [0, -3, 2**31, 10**30],
    ),
    "confirm again": ("again", lambda given: distune.confirm("s", again=given), [None, 1, "no"]),
    "confirm data_root": (
        "data_root",
        lambda given: distune.confirm("s", data_root=given),
        [*STRANGE, *PATHS],
    ),
    "tune n_trials as text": ("n_trials", lambda given: distune.tune(CONFIG, given), ["1", 1.0]),
    "tune workers": ("workers", lambda given: distune.tune(CONFIG, 1, workers=given), ["1", 2.0]),
    "tune n_trials": ("study settings", lambda given: distune.tune(CONFIG, given), [0, 10**30, "x", True]),
    "confirm workers": (
        "workers",
        lambda given: distune.confirm("s", workers=given),
        [None, "two", 0, *STRANGE[1:]],
    ),
    "confirm new_cases": (
        "new_cases",
        lambda given: distune.confirm("s", new_cases=given),
        ["x", 0, 10**30, *STRANGE[1:]],
    ),
    "confirm relevant_gain": (
        "relevant_gain",
        lambda given: distune.confirm("s", relevant_gain=given),
        [None, "x", True, 0, 2, *NO_NUMBERS],
    ),
    "confirm gpus_per_trial": (
        "gpus_per_trial",
        lambda given: distune.confirm("s", gpus_per_trial=given),
        [None, "x", True, -1, 2, *NO_NUMBERS],
    ),
    "confirm devices": ("devices", lambda given: distune.confirm("s", devices=given), [None, "cpu", (1,), 3]),
    "load": ("source", lambda given: distune.load(given), [None, *STRANGE, *PATHS]),
    "load device": ("device", lambda given: distune.load("s", device=given), ["", " ", *STRANGE]),
    "edge load": ("folder", distune.edge.load, [None, 5, [1]]),
    "load storage": ("storage", lambda given: distune.load("s", storage=given), STRANGE),
    "evaluate": ("source", lambda given: distune.evaluate(given, "x"), [None, *STRANGE, *PATHS]),
    "export": ("source", lambda given: distune.export(given), [None, *STRANGE, *PATHS]),
    "export out": ("out", lambda given: distune.export("s", given), [*STRANGE, *PATHS]),
    "export max_score_drop": (
        "max_score_drop",
        lambda given: distune.export("s", quantize="int8", max_score_drop=given),
        ["x", True, -1, *NO_NUMBERS],
    ),
    "mistakes most": ("most", lambda given: distune.mistakes("s", most=given), [None, "x", True, 1.5, 0, -1]),
    "mistakes": ("source", lambda given: distune.mistakes(given), [None, *STRANGE, *PATHS]),
    "mistakes split": ("split", lambda given: distune.mistakes("s", split=given), [None, "", *STRANGE]),
    "mistakes overwrite": ("overwrite", lambda given: distune.mistakes("s", overwrite=given), NO_FLAGS),
    "mistakes data_root": (
        "data_root",
        lambda given: distune.mistakes("s", data_root=given),
        [*STRANGE, *PATHS],
    ),
    "read_table": ("config", lambda given: distune.read_table(given), [None, "x", *STRANGE]),
    "read_table known": (
        "known",
        lambda given: distune.read_table(CONFIG.data, known=given),
        [None, "x", {"kind": "abc"}, {"kind": [5]}, *STRANGE],
    ),
    "load_config": ("path", lambda given: distune.load_config(given), [None, *STRANGE, *PATHS]),
    "load_config overrides": (
        "overrides",
        lambda given: distune.load_config("c.yaml", given),
        ["x", *STRANGE],
    ),
    "load_config twice": (
        "overrides",
        lambda given: parse_config({}, overrides=given),
        [
            {3: 0.1},
            {"student": {3: 0.1}},
            {"student": {"lr": 0.1}, "student.lr": 0.2},
            {"student.lr": 0.2, "student": {"lr": 0.1}},
        ],
    ),
    "check": ("config", lambda given: distune.check(given), [None, "x", *STRANGE]),
    "check estimate": ("estimate", lambda given: distune.check(CONFIG, estimate=given), [None, 1, "yes"]),
    "compare": ("sources", lambda given: distune.compare(given), [None, "run", *STRANGE[:4]]),
    "init": ("metadata", lambda given: distune.init(given), [None, *STRANGE, *PATHS]),
    "init out": ("out", lambda given: distune.init("m", given), [*STRANGE, *PATHS]),
    "init seed": ("seed", lambda given: distune.init("m", seed=given), [None, "1", *STRANGE[1:]]),
    "init labels": ("labels", lambda given: distune.init("m", labels=given), LABELS),
    "audit": ("data", lambda given: distune.audit(given), [None, "x", *STRANGE]),
    "split": (
        "metadata",
        lambda given: distune.split(given, "o", labels=["a"]),
        [None, *STRANGE, *PATHS],
    ),
    "split labels": ("labels", lambda given: distune.split("m", "o", labels=given), LABELS),
    "split group": (
        "group",
        lambda given: distune.split("m", "o", labels=["a"], group=given),
        ["", " ", *STRANGE],
    ),
    "split fractions": (
        "fractions",
        lambda given: distune.split("m", "o", labels=["a"], fractions=given),
        [None, 1, [], "abc", (0.5, 0.5), (0.5, 0.4, "x")],
    ),
    "split seed": ("seed", lambda given: distune.split("m", "o", labels=["a"], seed=given), [None, 1.5, "1"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_argument_is_named(call: str) -> None:
    name, function, values = CALLS[call]
    for value in values:
        with pytest.raises(UserError, match=f"^{name}: ") as caught:
            function(value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("call", [distune.train, distune.tune, distune.check, distune.audit])
def test_where_a_config_is_wanted_a_path_is_told_how_to_become_one(call: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r"^(config|data): .*load_config"):
        call("c.yaml")


def test_a_study_is_opened_from_a_path_and_its_report_takes_no_flag_that_is_none() -> None:
    study = distune.Study("s", Path("s"), "finished")
    for name in ("examples", "overwrite"):
        for value in NO_FLAGS:
            with pytest.raises(UserError, match=f"^{name}: "):
                study.report(**{name: value})
    for value in [*STRANGE, *PATHS]:
        with pytest.raises(UserError, match=r"^source: "):
            distune.Study.open(value)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^checklist: "):
        study.report(checklist=3)  # type: ignore[arg-type]


def test_public_names_are_completed_before_they_are_imported() -> None:
    assert {*distune.__all__, "__version__", "edge"} <= {*dir(distune)}


def test_every_public_function_is_among_them() -> None:
    functions = {name for name in distune.__all__ if inspect.isfunction(getattr(distune, name))}
    assert functions == {call.partition(" ")[0] for call in CALLS} - {"edge"}


@pytest.mark.parametrize("numbers", [{}, {"recommendation": {}}])
def test_a_report_is_written_again_where_a_confirmation_has_numbers(
    numbers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed: list[Any] = []
    ended = SimpleNamespace(study="s", folder=tmp_path, reason="finished", numbers=numbers)
    monkeypatch.setattr("distune.confirmation.confirm.confirm", lambda request: ended)
    monkeypatch.setattr("distune.api.confirmations.refresh_report", refreshed.append)
    assert distune.confirm("s", storage="sqlite:///s.db").numbers == numbers
    assert [(study.folder, study.storage) for study in refreshed] == [(tmp_path, "sqlite:///s.db")] * bool(
        numbers
    )


def test_scalars_of_numpy_are_as_good_as_python_s() -> None:
    @public
    def given(*values: object, **named: object) -> list[object]:
        return [*values, *named.values()]

    scalars = [np.int64(3), np.float32(0.5), np.bool_(True), np.str_("a")]
    found = given(*scalars[:2], a=scalars[2], b=scalars[3])
    assert found == [3, 0.5, True, "a"] and [type(each) for each in found] == [int, float, bool, str]
    rows = np.arange(3)
    assert given(rows)[0] is rows
    with pytest.raises(UserError, match="no such study"):
        distune.confirm("nowhere", top=np.int64(1))


RESULTS = [
    Table, Run, Confirmation, Checked, Prepared, AuditReport, Answers,
    StudyRecord, TrialRecord,
]  # fmt: skip


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_a_result_of_any_size_is_shown_in_a_few_lines(kind: type) -> None:
    long = {f"key {number}": ["x" * 500] * 500 for number in range(500)}
    shown = object.__new__(kind)
    for each in fields(kind):
        object.__setattr__(shown, each.name, long)
    assert repr(shown).startswith(f"{kind.__name__}({fields(kind)[0].name}={{") and len(repr(shown)) < 10_000

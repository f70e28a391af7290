"""Where a study is looked for, and what must be beside it to be read: its teachers, its confirmation, its audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from distune.analysis.parameters.space import Parameter
from distune.analysis.ranking import rank
from distune.analysis.records.schemas import ConfirmationForm, _Point
from distune.analysis.records.sources import database_file, name_and_url, read_study
from distune.analysis.records.study_files import (
    ConfirmationRecord,
    _confirms_trials_of,
    _exchanged_runs,
    read_audit,
    read_confirmation,
)
from distune.analysis.records.unknown import Unknown
from distune.config import Config, save_config, with_values
from distune.confirmation.statistics.files import FOLDER, NUMBERS, run_folder
from distune.errors import UserError
from distune.training.files.run_folder import CONFIG
from distune.tuning.study_dataset import AUDIT_NAME
from distune.utils.files.sealed_files import write_sealed
from distune.utils.forms import fault
from tests.analysis.written_records import complete, study_of
from tests.reporting.confirmed_numbers import CONFIRMATION


def test_a_study_is_looked_for_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside its folder, then under logs/optuna; in a database its folder is the one of its name there."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "logs/optuna"
    (place / "s").mkdir(parents=True)
    url = f"sqlite:///{place}/s.db"
    for name in ("other", "s"):
        optuna.create_study(study_name=name, storage=url)
    for source in ("s", place / "s", place / "s.db"):
        assert database_file(Path(source)).resolve() == (place / "s.db").resolve()
    assert name_and_url("x", url) == ("x", url) and name_and_url(place / "s.db")[0] == "s"
    record = read_study("s", url)
    assert record.folder is not None and record.folder.resolve() == (place / "s").resolve()
    (tmp_path / "lonely/trials").mkdir(parents=True)
    (tmp_path / "bundle").mkdir()
    for given, said in (
        (" ", "names no study"),
        ("lonely", "its database is not beside"),
        ("bundle", "no study; of an exported bundle"),
        ("no", "no such study"),
    ):
        with pytest.raises(UserError, match=said):
            database_file(given)
    monkeypatch.chdir(place / "s")
    assert database_file(".").resolve() == (place / "s.db").resolve()


def test_the_name_of_a_study_may_have_a_dot_and_what_is_nearer_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "logs/optuna"
    (place / "v1.2").mkdir(parents=True)
    (place / "v1.db").touch()
    optuna.create_study(study_name="v1.2", storage=f"sqlite:///{place}/v1.2.db")
    for source in ("v1.2", place / "v1.2", place / "v1.2.db"):
        assert database_file(source).resolve() == (place / "v1.2.db").resolve()
    record = read_study("v1.2")
    assert record.name == "v1.2" and record.folder is not None and record.folder.name == "v1.2"
    for nearer in ("v1.2.db", "v1.2"):
        (tmp_path / nearer).touch()
        assert database_file("v1.2").resolve() == (tmp_path / nearer).resolve()


def test_a_study_of_teachers_is_read_with_that_of_the_students(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    for name in ("s", "s-teachers"):
        optuna.create_study(study_name=name, storage=url).set_user_attr("seed", len(name))
    study = optuna.load_study(study_name="s", storage=url)
    assert read_study("s", url).teacher_record is None
    study.set_user_attr("teacher_study", {"name": "s-teachers"})
    found = read_study("s", url).teacher_record
    assert found is not None and (found.name, found.seed) == ("s-teachers", 10)
    study.set_user_attr("teacher_study", {"name": "gone"})
    assert read_study("s", url).teacher_record is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"version": 1}, "is of version 1"),
        ({"version": 99}, "is of version 99"),
        ({"split": 3}, "cannot be read"),
    ],
)
def test_a_confirmation_of_another_version_is_not_read(
    tmp_path: Path, changed: dict[str, Any], said: str | None
) -> None:
    about = CONFIRMATION["contenders"].values()
    scores = {each["trial"]: each["search_score"] for each in about if each["trial"] is not None}
    study = study_of(*(complete(number, score) for number, score in scores.items()), folder=tmp_path)
    ranking = rank(study_of())
    assert isinstance(read_confirmation(study_of(), ranking), Unknown)
    assert isinstance(read_confirmation(study, ranking), Unknown)
    write_sealed(tmp_path / NUMBERS, {**CONFIRMATION, **changed})
    found = read_confirmation(study, ranking)
    if said is None:
        assert isinstance(found, ConfirmationRecord) and not found.is_current
        best = CONFIRMATION["contenders"][found.best]["trial"]
        now = read_confirmation(study, rank(study_of(complete(best))))
        other = read_confirmation(study, rank(study_of(complete(best + 1))))
        assert isinstance(now, ConfirmationRecord) and now.is_current
        assert isinstance(other, ConfirmationRecord) and not other.is_current
    else:
        assert isinstance(found, Unknown) and said in found.reason
    unversioned = {name: value for name, value in CONFIRMATION.items() if name != "version"}
    write_sealed(tmp_path / NUMBERS, unversioned)
    assert isinstance(read_confirmation(study, ranking), Unknown)
    (tmp_path / NUMBERS).write_text("{")
    assert isinstance(read_confirmation(study, ranking), Unknown)


def test_a_confirmation_that_was_copied_from_another_study_is_none_of_this_one(tmp_path: Path) -> None:
    """A study keeps its own by whatever name: that is known by the scores and parameters of the confirmed trials."""
    about = CONFIRMATION["contenders"]
    scores = {each["trial"]: each["search_score"] for each in about.values() if each["trial"] is not None}
    assert len(scores) > 1
    lr = Parameter("lr", "float", 0.0, 1.0, key="student.lr")

    def of(trials: dict[int, float | None], lr_of_trials: float = 0.01, data: str = "x") -> str | None:
        made = [complete(number, score, params={"lr": lr_of_trials}) for number, score in trials.items()]
        known: Any = {"space": {"lr": lr}, "folder": tmp_path, "data_fingerprint": data}
        study = study_of(*made, **known)
        found = read_confirmation(study, rank(study))
        return found.reason if isinstance(found, Unknown) else None

    first, second = about["trial_0001"]["seeds"][:2]
    run = run_folder(tmp_path / FOLDER, "trial_0001", first)
    run.mkdir(parents=True)
    save_config(with_values(Config(), {"student.lr": 0.01, "seed": first}), run / CONFIG)
    few = dict(list(scores.items())[1:])
    for name in ("s", "z"):
        write_sealed(tmp_path / NUMBERS, {**CONFIRMATION, "study": name, "data_fingerprint": "x"})
        assert of(scores) is None is of({**scores, 1: None}), (
            "a base config that did not complete has no score"
        )
        for said in (
            of(scores, data="other"),
            of(few),
            of({**scores, 1: 0.123}),
            of(scores, lr_of_trials=0.02),
        ):
            assert said is not None and "distune confirm" in said
            assert ("made for study z, not for s" in said) is (name == "z")
    save_config(with_values(Config(), {"student.lr": 0.01, "seed": second}), run / CONFIG)
    assert f"holds the run of seed {second}" in str(of(scores)), "two runs of a confirmation were exchanged"


def test_every_confirmed_trial_and_every_run_is_looked_at(tmp_path: Path) -> None:
    study = study_of(complete(1, 0.5), complete(2, 0.4), folder=tmp_path)

    def held(**scores: tuple[int | None, float]) -> dict[str, Any]:
        return {
            name: {"trial": at, "search_score": score, "seeds": [5]} for name, (at, score) in scores.items()
        }

    for last, own in (((2, 0.4), True), ((2, 0.5), False), ((3, 0.4), False)):
        assert _confirms_trials_of(study, held(teacher=(None, 0.9), first=(1, 0.5), last=last)) is own
    every = held(gone=(1, 0.5), there=(2, 0.4))
    for seed, said in ((5, False), (6, True)):
        run = run_folder(tmp_path / FOLDER, "there", 5)
        run.mkdir(parents=True, exist_ok=True)
        save_config(with_values(Config(), {"seed": seed}), run / CONFIG)
        assert ("of seed 6" in str(_exchanged_runs(study, every))) is said


@pytest.mark.parametrize(
    ("absent", "whole"),
    [((), True), (("thresholds", "first_seed"), True), (("thresholds",), False), (("first_seed",), False)],
)
def test_thresholds_come_with_what_the_first_seed_finds_at_them(absent: tuple[str, ...], whole: bool) -> None:
    found = {"sensitivity": None, "specificity": None}
    point = {"wanted": 0.9, "thresholds": [0.4], "first_seed": found, **found, **dict.fromkeys(absent)}
    assert (fault(point, _Point) is None) is whole


@pytest.mark.parametrize(
    ("changed", "whole"),
    [
        ({}, True), ({"searched": None}, False), ({"searched": None, "candidates": {}}, True),
        ({"searched": None, "candidates": {}, "reason": "base_is_best"}, False),
    ],
)  # fmt: skip
def test_a_recommendation_says_of_how_many_it_is(changed: dict[str, Any], whole: bool) -> None:
    numbers = {**CONFIRMATION, "recommendation": {**CONFIRMATION["recommendation"], **changed}}
    assert (fault(numbers, ConfirmationForm) is None) is whole


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        (None, "holds no"), ({"findings": [], "sections": []}, None), ({"findings": []}, "cannot be read"),
        ({"findings": [{"severity": 3}], "sections": []}, "cannot be read"), ("{", "cannot be read"),
    ],
)  # fmt: skip
def test_an_audit_is_read_as_it_was_written_or_not_at_all(
    tmp_path: Path, audit: Any, said: str | None
) -> None:
    if isinstance(audit, str):
        (tmp_path / AUDIT_NAME).write_text(audit)
    elif audit is not None:
        write_sealed(tmp_path / AUDIT_NAME, audit)
    found = read_audit(tmp_path)
    if said is None:
        assert not isinstance(found, Unknown) and found["findings"] == []
    else:
        assert isinstance(found, Unknown) and said in found.reason
    assert isinstance(read_audit(None), Unknown)

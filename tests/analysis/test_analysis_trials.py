"""Reading studies: an Optuna study, a table of trials."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from distune.analysis.ranking import rank
from distune.analysis.records.from_optuna import from_csv, from_optuna
from distune.analysis.records.sources import read_study
from distune.analysis.records.study_record import State, StudyRecord, TrialRecord
from distune.errors import UserError

START = datetime(2025, 12, 16, 20, 31, 4)
SPACE = {
    "teacher_lr": FloatDistribution(5e-6, 1e-4, log=True),
    "layers": IntDistribution(1, 3),
    "dim": CategoricalDistribution((256, 384)),
}
PARAMS = {"teacher_lr": 1e-5, "layers": 2, "dim": 384}


def study_of(*trials: optuna.trial.FrozenTrial, **attrs: object) -> optuna.Study:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trials(trials)
    for name, value in attrs.items():
        study.set_user_attr(name, value)
    return study


def test_states_values_and_attributes() -> None:
    record = from_optuna(
        study_of(
            create_trial(
                value=0.9,
                params=PARAMS,
                distributions=SPACE,
                intermediate_values={1: 0.5, 2: float("nan"), 3: 0.9},
                user_attrs={
                    "seconds": 61.5,
                    "stage_seconds": {"student": 50.0, "note": "x"},
                    "baseline": True,
                },
            ),
            create_trial(
                state=TrialState.PRUNED, params=PARAMS, distributions=SPACE, intermediate_values={1: 0.4}
            ),
            create_trial(
                state=TrialState.FAIL, user_attrs={"failure_kind": "crash", "failure_message": "boom"}
            ),
            create_trial(state=TrialState.RUNNING),
            create_trial(state=TrialState.FAIL, user_attrs={"failure_kind": "surplus"}),
        )
    )
    assert [trial.state for trial in record.trials] == ["complete", "pruned", "failed", "running"]
    assert record.surplus == 1
    first = record.trials[0]
    assert (first.value, first.seconds, first.baseline) == (0.9, 61.5, True)
    assert first.intermediate == {1: 0.5, 3: 0.9}
    assert first.stage_seconds == {"student": 50.0}
    assert record.trials[1].value is None
    assert record.trials[2].failure_kind == "crash"


def test_times_come_from_the_clock_where_none_was_measured() -> None:
    trial = create_trial(value=0.5)
    trial.datetime_start, trial.datetime_complete = START, START + timedelta(minutes=12)
    assert from_optuna(study_of(trial)).trials[0].seconds == 720.0


def test_space_is_the_recorded_one_else_that_of_the_trials() -> None:
    trial = create_trial(value=0.9, params=PARAMS, distributions=SPACE)
    foreign = from_optuna(study_of(trial))
    assert foreign.space_source == "distributions"
    assert foreign.space["teacher_lr"].log and foreign.space["dim"].choices == (256, 384)
    recorded = {
        "teacher_lr": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True},
        "T": {"type": "float", "low": 2.0, "high": 6.0, "when": {"loss": ["vanilla", "combined"]}},
        "broken": {"type": "float"},
    }
    own = from_optuna(study_of(trial, search_space=recorded))
    assert own.space_source == "study" and list(own.space) == ["teacher_lr", "T"]
    assert own.space["teacher_lr"].low == 1e-6
    assert own.space["T"].when == {"loss": ("vanilla", "combined")}


def test_base_values_outside_the_space_are_known() -> None:
    trial = create_trial(value=0.9, user_attrs={"baseline": True, "fixed_params": {"dim": 32}})
    record = from_optuna(study_of(trial, base_config={"teacher": {"lr": 1e-5}}, search_space={
        "teacher_lr": {"type": "float", "low": 1e-6, "high": 1e-3}, "dim": {"type": "categorical", "choices": [1]},
    }))  # fmt: skip
    assert record.base_value("dim") == 32
    assert record.base_value("teacher_lr") == 1e-5
    assert record.base_value("unheard_of") is None


def test_attributes_of_a_wrong_kind_count_as_absent() -> None:
    trial = create_trial(value=0.9, user_attrs={"seconds": "long", "stage_seconds": [1], "device": 3.5})
    record = from_optuna(study_of(trial, sessions="yesterday", seed=[1], base_config="x"))
    assert (record.sessions, record.seed, record.base_config) == (None, None, None)
    assert record.trials[0].stage_seconds is None and record.trials[0].device is None


def test_what_a_foreign_study_lacks_is_named() -> None:
    record = from_optuna(study_of(create_trial(value=0.9)))
    assert any("attribute seed" in said for said in record.missing)
    assert any("1 of 1 " in said for said in record.missing)


def test_several_objectives_are_refused() -> None:
    with pytest.raises(UserError, match="2 objectives"):
        from_optuna(optuna.create_study(directions=["maximize", "minimize"]))


def test_table_with_pandas_durations_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text(
        ",number,value,datetime_start,datetime_complete,duration,params_lr,params_dim,params_loss,state\n"
        "0,0,0.9,2025-12-16 20:31:04.5,2025-12-16 20:43:04.5,0 days 00:12:00,1e-4,384.0,kd,COMPLETE\n"
        "1,1,,2025-12-16 20:43:05,,,2e-4,,kd,RUNNING\n"
        "2,2,0.4,2025-12-16 20:43:05,2025-12-17 20:43:06,1 days 00:00:01,2e-4,256.0,,TrialState.PRUNED\n",
        encoding="utf-8",
    )
    record = from_csv(path)
    assert [trial.state for trial in record.trials] == ["complete", "running", "pruned"]
    assert [trial.seconds for trial in record.trials] == [720.0, None, 86401.0]
    assert record.trials[0].params == {"lr": 1e-4, "dim": 384, "loss": "kd"}
    assert record.trials[1].params == {"lr": 2e-4, "loss": "kd"}
    assert record.trials[2].value is None
    assert record.space["dim"].choices == (256, 384)


def test_states_follow_the_values_where_the_table_has_none(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("value,params_x\n0.5,1\n,2\n", encoding="utf-8")
    record = from_csv(path)
    assert [(trial.number, trial.state) for trial in record.trials] == [(0, "complete"), (1, "failed")]
    assert any("numbered by" in said for said in record.missing)


@pytest.mark.slow
def test_studies_are_found_by_folder_file_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "logs" / "optuna" / "mine"
    folder.mkdir(parents=True)
    study = optuna.create_study(storage=f"sqlite:///{folder}.db", study_name="mine", direction="maximize")
    study.add_trial(create_trial(value=0.25))
    monkeypatch.chdir(tmp_path)
    for source in (folder, folder.with_suffix(".db"), "mine"):
        record = read_study(source)
        assert record.name == "mine" and record.complete[0].value == 0.25
        assert record.folder is not None and record.folder.samefile(folder)
    with pytest.raises(UserError, match="no such study"):
        read_study("other")
    assert not (tmp_path / "other.db").exists()


def test_a_kind_of_failure_names_the_values_that_no_finished_trial_had() -> None:
    def trial(number: int, state: State, lr: float, dim: int) -> TrialRecord:
        kind = "not_finite" if state == "failed" else None
        return TrialRecord(number, state, None, {"lr": lr, "dim": dim, "loss": "crd"}, failure_kind=kind)

    finished = [trial(n, "pruned", 0.1 * n, 64) for n in range(4)]
    failed = [trial(7, "failed", 50.0, 64), trial(8, "failed", 9.0, 128)]
    study = StudyRecord("s", "maximize", (*finished, *failed), {}, "observed")
    assert rank(study).failures[0].apart == {"lr": (9.0, 50.0)}
    alone = StudyRecord("s", "maximize", (*finished, failed[0]), {}, "observed")
    assert rank(alone).failures[0].apart == {}


@pytest.mark.parametrize(
    ("failed", "finished", "ends"),
    [
        ([8.0, 9.0], [1.0, 7.0], (8.0, 9.0)),
        ([1.0, 2.0], [3.0, 9.0], (1.0, 2.0)),
        ([1.0, 5.0], [3.0, 9.0], None),
        ([1.0], [3.0, 9.0], None),  # one failure has no pattern
    ],
)
def test_failures_lie_apart_at_either_end(
    failed: list[float], finished: list[float], ends: tuple[float, float] | None
) -> None:
    trials = [TrialRecord(n, "complete", 0.5, {"x": value}) for n, value in enumerate(finished)]
    trials += [
        TrialRecord(10 + n, "failed", None, {"x": value}, failure_kind="crash")
        for n, value in enumerate(failed)
    ]
    (found,) = rank(StudyRecord("s", "maximize", tuple(trials), {}, "study")).failures
    assert found.apart == ({} if ends is None else {"x": ends})


@pytest.mark.parametrize("recorded", ["a" * 300, "a\0/b", "\ud800", "../" * 3000 + "b"])
def test_a_run_folder_that_no_file_system_can_hold_is_none(tmp_path: Path, recorded: str) -> None:
    record = from_optuna(study_of(create_trial(value=0.9, user_attrs={"folder": recorded})), tmp_path)
    assert record.trials[0].folder is None


def test_ranges_are_read_as_they_were_searched() -> None:
    distributions: dict[str, Any] = {
        "dim": IntDistribution(1, 64, log=True),
        "layers": IntDistribution(1, 9, step=2),
        "lr": FloatDistribution(1e-5, 1e-3, log=True),
        "dropout": FloatDistribution(0.0, 0.4, step=0.1),
        "fusion": CategoricalDistribution(["a", None, 0.5, True]),
    }
    params = {"dim": 8, "layers": 3, "lr": 1e-4, "dropout": 0.1, "fusion": None}
    record = from_optuna(study_of(create_trial(value=0.9, params=params, distributions=distributions)))
    found = {
        each.name: (each.kind, each.low, each.high, each.log, each.step) for each in record.space.values()
    }
    assert found == {
        "dim": ("int", 1, 64, True, None),
        "layers": ("int", 1, 9, False, 2),
        "lr": ("float", 1e-5, 1e-3, True, None),
        "dropout": ("float", 0.0, 0.4, False, 0.1),
        "fusion": ("categorical", None, None, False, None),
    }
    choices = record.space["fusion"].choices
    assert choices == ("a", "None", 0.5, True) and record.trials[0].params["fusion"] in choices

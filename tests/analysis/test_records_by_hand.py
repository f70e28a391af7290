"""What is read of attributes, search spaces, tables and studies of any origin, by values that are written out."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from distune.analysis.parameters.ranges import as_entries
from distune.analysis.parameters.space import Parameter
from distune.analysis.records import attributes
from distune.analysis.records.from_csv import from_csv
from distune.analysis.records.from_optuna import _left_out, _trial, from_optuna
from distune.analysis.records.study_record import Session, StudyRecord, TrialRecord, value_in
from distune.errors import UserError
from tests.analysis.written_records import complete, study_of

START = datetime(2026, 1, 2, 8, 0)


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (attributes.number, 3, 3.0),
        (attributes.number, 0, 0.0),
        (attributes.number, True, None),
        (attributes.number, "3", None),
        (attributes.number, float("inf"), None),
        (attributes.number, 1e301, None),
        (attributes.number, -1e300, -1e300),
        (attributes.whole, 3.0, 3),
        (attributes.whole, 0, 0),
        (attributes.whole, 2.5, None),
        (attributes.whole, True, None),
        (attributes.text, 7, "7"),
        (attributes.text, 0, "0"),
        (attributes.text, True, None),
        (attributes.text, " ", None),
        (attributes.text, "x", "x"),
        (attributes.text, None, None),
        (attributes.text, 1.5, None),
        (attributes.mapping, {}, None),
        (attributes.mapping, [1], None),
        (attributes.mapping, {"a": 1}, {"a": 1}),
        (attributes.numbers, {"a": 1, "b": "x", "c": True, "d": float("nan"), "e": 0}, {"a": 1.0, "e": 0.0}),
        (attributes.numbers, {"a": "x"}, None),
        (attributes.numbers, 3, None),
        (attributes.moment, "2026-01-02T08:00", START),
        (attributes.moment, "yesterday", None),
        (attributes.moment, 3, None),
        (attributes.plain, 3, 3),
        (attributes.plain, "a", "a"),
        (attributes.plain, False, False),
        (attributes.plain, None, "None"),
        (attributes.plain, [1], "[1]"),
        (attributes.plain, float("nan"), "nan"),
        (attributes.first_text, ["a", "b"], "a"),
        (attributes.first_text, [], None),
        (attributes.sessions, [], None),
        (attributes.sessions, "x", None),
        (attributes.sessions, ["x"], ()),
    ],
)
def test_an_attribute_is_what_it_should_be_or_nothing(
    read: Callable[[Any], Any], given: Any, expected: Any
) -> None:
    found = read(given)
    assert found == expected and type(found) is type(expected)


def test_a_session_is_read_as_far_as_it_is_recorded() -> None:
    (first, second) = attributes.sessions(
        [{"started": "2026-01-02T08:00", "workers": 2, "devices": ["cpu", 0], "reason": "finished"}, {}, 3]
    ) or ()  # fmt: skip
    assert first == Session(START, None, 2, ("cpu", "0"), "finished")
    assert second == Session(None, None, None, (), None)


@pytest.mark.parametrize(
    ("entry", "known"),
    [
        ({"type": "float", "low": 0.0, "high": 1.0}, True),
        ({"type": "float", "low": 1.0, "high": 1.0}, True),
        ({"type": "float", "low": 1.0, "high": 0.5}, False),
        ({"type": "float", "low": 0.0, "high": 1.0, "log": True}, False),
        ({"type": "float", "low": 0.1, "high": 1.0, "log": True}, True),
        ({"type": "int", "low": 1, "high": 9, "step": 2}, True),
        ({"type": "int", "low": 1, "high": 9, "step": 0}, False),
        ({"type": "int", "low": 1, "high": 9, "step": "x"}, False),
        ({"type": "int", "low": 1}, False),
        ({"type": "other", "low": 1, "high": 2}, False),
        ({"type": "categorical", "choices": []}, False),
        ({"type": "categorical", "choices": [1, None]}, True),
        ({"type": "categorical", "choices": "ab"}, False),
        ("float", False),
    ],
)
def test_an_entry_of_a_search_space_is_a_range_or_choices(entry: Any, known: bool) -> None:
    assert ("x" in attributes.space({"x": entry})) is known


def test_a_search_space_comes_back_as_it_was_recorded() -> None:
    recorded = {
        "lr": {"type": "float", "low": 1e-5, "high": 1e-3, "log": True, "key": "student.lr"},
        "p": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
        "layers": {"type": "int", "low": 1, "high": 5, "step": 2, "when": {"student.fusion": ["gated"]}},
        "dim": {"type": "categorical", "choices": [8, 16]},
    }
    assert as_entries(attributes.space({"odd": {"type": "complex"}, "none": None, **recorded})) == recorded
    assert attributes.space(recorded)["lr"].config_key == "student.lr"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("teacher_fusion_dim", "teacher.fusion_dim"), ("student_lr", "student.lr"), ("alpha", "distillation.alpha"),
        ("T", "distillation.T"), ("loss", "distillation.loss"), ("teacher", "teacher"), ("other_lr", "other_lr"),
    ],
)  # fmt: skip
def test_the_key_that_a_parameter_writes_to(name: str, key: str) -> None:
    assert Parameter(name, "float").config_key == key
    assert Parameter(name, "float", key="student.dropout").config_key == "student.dropout"


@pytest.mark.parametrize(
    ("parameter", "value", "place", "holds"),
    [
        (Parameter("x", "float", 2.0, 4.0), 3.0, 0.5, True),
        (Parameter("x", "float", 2.0, 4.0), 5.0, 1.5, False),
        (Parameter("x", "float", 2.0, 4.0), 1.0, -0.5, False),
        (Parameter("x", "float", 2.0, 4.0), "3", None, False),
        (Parameter("x", "float", 2.0, 2.0), 2.0, 0.5, True),
        (Parameter("x", "float", 1.0, 100.0, log=True), 10.0, 0.5, True),
        (Parameter("x", "float", 4.0, 16.0, log=True), 8.0, 0.5, True),
        (Parameter("x", "float", 1.0, 100.0, log=True), 0.0, None, False),
        (Parameter("x", "int", 1, 3), True, None, False),
        (Parameter("x", "categorical", choices=(1, 2)), 1, None, True),
        (Parameter("x", "categorical", choices=(1, 2)), True, None, False),
        (Parameter("x", "categorical", choices=(1, 2)), 1.0, None, False),
    ],
)
def test_where_a_value_lies_on_a_scale(parameter: Parameter, value: Any, place: Any, holds: bool) -> None:
    found = parameter.position(value)
    assert found == (None if place is None else pytest.approx(place)) and parameter.holds(value) is holds
    if place is not None and 0 <= place <= 1 and parameter.low != parameter.high:
        assert parameter.at(place) == pytest.approx(value)


def test_a_position_between_two_whole_numbers_is_the_nearer_one() -> None:
    assert [Parameter("x", "int", 1, 5).at(place) for place in (0.0, 0.2, 0.9, 1.0)] == [1, 2, 5, 5]


def test_a_table_may_lack_trials_and_a_study_may_not() -> None:
    trials = [complete(n) for n in (1, 4)]
    assert study_of(*trials, space_source="observed").absent == (0, 2, 3)
    assert study_of(*trials).absent == study_of(space_source="observed").absent == ()
    table, folded = study_of(space_source="observed"), study_of(folds=3)
    assert (table.scored_on, table.on_what) == (None, "")
    assert (study_of().scored_on, study_of().on_what) == ("dev", " on dev")
    assert folded.on_what == " on 3 folds of train and dev"
    assert (table.called, study_of(says_what_ran=False).called, folded.called) == ("table", "study", "study")
    assert [one.is_foreign for one in (table, study_of(says_what_ran=False), folded)] == [True, True, False]
    stages = [study_of(strategy=each).scored_stage for each in ("joint", "staged", "teacher")]
    assert stages == ["student", "student", "teacher"]
    assert (study_of().sign, study_of(direction="minimize").sign) == (1.0, -1.0)
    assert study_of(complete(0, None), complete(1), TrialRecord(2, "pruned", 0.5)).complete == [complete(1)]


def test_a_value_of_the_base_config_is_a_name_where_it_is_a_section() -> None:
    one = study_of(base_config={"student": {"vision": {"name": "tiny-cnn", "layers": 2}, "lr": 1e-3}})
    assert [one.config_value(key) for key in ("student.vision", "student.vision.layers", "student.lr")] == [
        "tiny-cnn", 2, 1e-3,
    ]  # fmt: skip
    assert [one.config_value(key) for key in ("student.lr.x", "teacher.lr", "student.text")] == [None] * 3
    assert study_of().config_value("student.lr") is None


def test_trials_of_another_program_are_left_out_of_a_study_of_ours_alone() -> None:
    def made(ready: bool) -> StudyRecord:
        study = optuna.create_study(direction="minimize")
        study.add_trials(
            [
                create_trial(value=0.5, user_attrs={"overrides": {}, "seconds": 0.0}),
                create_trial(value=0.6),
                create_trial(state=TrialState.PRUNED),
                create_trial(state=TrialState.FAIL),
                create_trial(state=TrialState.FAIL, user_attrs={"failure_kind": "surplus"}),
            ]
        )
        if ready:
            study.set_user_attr("ready", True)
            study.set_user_attr("config_path", "my.yaml")
        return from_optuna(study)

    ours, foreign = made(True), made(False)
    assert [trial.number for trial in ours.trials] == [0] and ours.surplus == 1
    assert [trial.number for trial in foreign.trials] == [0, 1, 2, 3] and foreign.surplus == 1
    assert _left_out(0) == () and "1 trial that" in _left_out(1)[0]
    assert ours.direction == "minimize" and (ours.config_path, foreign.config_path) == (Path("my.yaml"), None)
    assert any("3 trials that another program added" in said for said in ours.missing)
    assert not any("another program" in said for said in foreign.missing)
    assert any(
        "2 of 3 complete and pruned trials without measured seconds" in said for said in foreign.missing
    )


def test_what_a_trial_was_given_lies_over_what_was_fixed() -> None:
    distributions = {"lr": optuna.distributions.FloatDistribution(0.0, 1.0)}
    study = optuna.create_study()
    trial = create_trial(
        value=float("inf"), params={"lr": 0.5}, distributions=distributions,
        user_attrs={
            "fixed_params": {"lr": 0.25, "dim": 8, "odd": [1]}, "seconds": 7.0, "cache_hits": 2, "cache_note": "x",
            "fold_scores": [0.5, "x", 0.0, 0.25], "worker": 3, "teacher_score": 0.5,
        },
    )  # fmt: skip
    trial.datetime_start, trial.datetime_complete = START, START + timedelta(hours=1)
    study.add_trial(trial)
    found = from_optuna(study).trials[0]
    assert found.params == {"lr": 0.5, "dim": 8, "odd": "[1]"}
    assert (found.value, found.seconds, found.cache) == (None, 7.0, {"hits": 2.0})
    assert (found.fold_scores, found.worker) == ((0.5, 0.0, 0.25), "3")
    assert (found.teacher_score, found.started, found.finished) == (0.5, START, START + timedelta(hours=1))


def table(folder: Path, text: str, **options: Any) -> StudyRecord:
    (folder / "t.csv").write_text(text)
    return from_csv(folder / "t.csv", **options)


def test_cells_of_a_table(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "number,value,state,duration,datetime_start,datetime_complete,user_attrs_baseline,params_b,params_student_lr,params_c,"
        "user_attrs_peak_memory_mb,user_attrs_peak_device_mb,user_attrs_device,user_attrs_failure_kind,user_attrs_failure_message\n"
        "7,0.5,COMPLETE,90.5,,,True,1,1e-3,True,500,2000.5,H100,,\n"
        "3,0.25,PRUNED,2 days 01:00:01.5,,,False,2,,False,,,,,\n"
        "4,NaN,FAIL,NaT,2026-01-02 08:00,2026-01-02 08:02,,,0.002,,,,,crash,no bytes left\n"
        "5,0.75,complete,,2026-01-02 08:00,2026-01-02 08:00,,3,,True,,,,,\n",
        direction="minimize",
    )
    assert found.source == str(tmp_path / "t.csv")
    assert [trial.number for trial in found.trials] == [3, 4, 5, 7]
    assert [trial.state for trial in found.trials] == ["pruned", "failed", "complete", "complete"]
    assert [trial.value for trial in found.trials] == [None, None, 0.75, 0.5]
    assert [trial.seconds for trial in found.trials] == [2 * 86400 + 3601.5, 120.0, None, 90.5]
    assert [trial.baseline for trial in found.trials] == [False, False, False, True]
    _, failed, _, best = found.trials
    assert (failed.started, failed.finished) == (START, START + timedelta(minutes=2))
    assert (best.memory_mb, best.device_memory_mb, best.device) == (500.0, 2000.5, "H100")
    assert (failed.device, failed.failure_kind, failed.failure_message) == (None, "crash", "no bytes left")
    assert list(found.space) == ["student_lr", "b", "c"], "in the order in which a study of ours names them"
    assert found.trials[0].params == {"b": 2, "c": False} and found.trials[3].params["c"] is True
    assert found.direction == "minimize" and any("smaller ones" in said for said in found.missing)


def test_what_cannot_be_used_of_a_table_is_named_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        table(
            tmp_path,
            "number,value,state,duration\n0,inf,COMPLETE,1\n0,x,DONE,soon\n"
            "-1,0.5,COMPLETE,-5 days\n1000000,0.5,COMPLETE,-1\ninf,0.5,COMPLETE,1\n"
            f"7,0.5,COMPLETE,{'9' * 400} days 00:00:01.5\n",
        )
    said = str(refused.value)
    for part in (
        "row 2: value is 'inf'", "row 3: value is 'x'", "row 3: state is 'DONE'", "row 3: duration is 'soon'",
        "row 4: number is '-1'", "row 5: number is '1000000'", "row 6: number is 'inf'", "number 0 occurs 2 times",
        "row 4: duration is '-5 days'", "row 5: duration is '-1'", "row 7: duration is '999",
    ):  # fmt: skip
        assert part in said
    for text, token in (
        ("value,value\n1,2\n", "stand twice"), ("value,params_x\n1\n", "row 2 has fewer cells"),
        ("value\n1,2\n", "row 2 has more cells"), ("value\n", "no table of trials"),
        ("values_0,values_1,params_x\n1,2,3\n", "several objectives"), ("a\n1\n", "no table of trials"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=token):
            table(tmp_path, text)
    with pytest.raises(UserError, match="no such file"):
        from_csv(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="nowhere"):
        (tmp_path / "nowhere.csv").symlink_to("nowhere.csv")
        from_csv(tmp_path / "nowhere.csv")
    assert table(tmp_path, "\ufeffvalue,params_x\n0.5,1\n").trials[0].value == 0.5, "as Excel saves it"


def test_durations_are_what_pandas_writes_and_none_took_no_time(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    for cell, seconds in (
        ("0 days", None),
        ("2 days", 172800.0),
        ("1 days 02:03:04.5", 93784.5),
        ("0:01:30", 90.0),
        ("7.5", 7.5),
    ):
        table.write_text(f"number,value,state,duration\n0,0.5,COMPLETE,{cell}\n")
        assert from_csv(table).trials[0].seconds == seconds, cell
    ends = "2026-01-01 10:00:00,2026-01-01 10:00:09"
    back = "2026-01-01 10:00:09,2026-01-01 10:00:00"
    for cell, times, seconds in (("7.5", ends, 7.5), ("", ends, 9.0), ("", back, None)):
        table.write_text(f"value,duration,datetime_start,datetime_complete\n0.5,{cell},{times}\n")
        assert from_csv(table).trials[0].seconds == seconds, (
            "a duration leaves out the times that it was not trained"
        )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1", "2"), [1, 2]), (("1.0", "2"), [1, 2]), (("1e3", "2"), [1000.0, 2.0]), (("1.5", "2"), [1.5, 2.0]),
        (("0.0", "0.5"), [0.0, 0.5]),
        (("True", "False"), [True, False]), (("True", "x"), ["True", "x"]), (("1", "inf"), [1, None]),
        (("1", "nan"), [1, None]), (("a", "NaN"), ["a", None]), (("0.5", "NA"), [0.5, None]),
        (("True", "-"), [True, None]), (("true", "False"), ["true", "False"]),
        (("a", "none"), ["a", "none"]), (("none", "none"), ["none", "none"]), (("1", "auto"), ["1", "auto"]),
    ],
)  # fmt: skip
def test_a_column_is_of_the_first_kind_that_all_its_cells_are(
    tmp_path: Path, cells: tuple[str, str], expected: list[Any]
) -> None:
    found = table(tmp_path, "value,params_x\n" + "".join(f"0.5,{cell}\n" for cell in cells))
    values = [trial.params.get("x") for trial in found.trials]
    assert values == expected and list(map(type, values)) == list(map(type, expected))


@pytest.mark.parametrize("cell", ["0,002", "-0,5", "+0,5", ".5x", "1e400", "1_000", "0.002x", "\uff11"])
def test_a_cell_that_begins_as_a_number_among_numbers_is_named(tmp_path: Path, cell: str) -> None:
    with pytest.raises(UserError, match="row 3"):
        table(tmp_path, f'value,params_x\n0.5,0.001\n0.5,"{cell}"\n')


@pytest.mark.parametrize(
    ("header", "cells", "said"),
    [("params_x", "1,NA", "'NA'"), ("params_x", "1,auto", "'auto'"), ("params_x", '"0,1","0,2"', "'0,1'"),
     ("x,params_y", "1,2", "'x'")],
)  # fmt: skip
def test_how_cells_were_understood_and_which_columns_are_not_read_is_said(
    tmp_path: Path, header: str, cells: str, said: str
) -> None:
    rows = next(csv.reader([cells]))
    lines = [f'0.5,"{cell}"' + (",1" if "," in header else "") for cell in rows]
    found = table(tmp_path, "\n".join([f"value,{header}", *lines]) + "\n")
    assert any(said in sentence for sentence in found.missing)


def test_of_a_table_nothing_is_said_to_be_lacking_that_it_holds(tmp_path: Path) -> None:
    whole = table(tmp_path, "number,value,values_0,state,params_x,params_y\n0,0.5,1,COMPLETE,a,1\n")
    assert not re.search("Not read|choices and no numbers|States are taken", " ".join(whole.missing))
    bare = table(tmp_path, "params_x\n1\n2\n")
    assert [trial.params for trial in bare.trials] == [{"x": 1}, {"x": 2}] and not bare.complete
    assert any("States are taken" in said for said in bare.missing)


def test_a_pruned_trial_has_no_score_and_a_range_is_the_first_that_was_searched() -> None:
    study = optuna.create_study()
    for high, state in ((1.0, TrialState.COMPLETE), (2.0, TrialState.PRUNED)):
        study.add_trial(
            create_trial(
                state=state, value=0.5, params={"x": 0.5},
                distributions={"x": optuna.distributions.FloatDistribution(0.0, high)},
                intermediate_values={2: 0.25, 1: 0.75, 3: float("inf")},
            )
        )  # fmt: skip
    found = from_optuna(study)
    assert [trial.value for trial in found.trials] == [0.5, None] and found.space["x"].high == 1.0
    assert list(found.trials[1].intermediate.items()) == [(1, 0.75), (2, 0.25)]
    for said, is_base in ((True, True), (False, False), ("yes", False)):
        frozen = study.get_trials()[0]
        frozen.user_attrs = {"peak_memory_mb": 5.0, "peak_device_mb": 7.0, "baseline": said}
        read = _trial(frozen, None)
        assert (read.memory_mb, read.device_memory_mb, read.baseline) == (5.0, 7.0, is_base)
    frozen = study.get_trials()[0]
    frozen.user_attrs = {"fold_scores": [], "fixed_params": {"x": 9, "y": 1}}
    for lasted, seconds in ((timedelta(), None), (timedelta(minutes=1), 60.0)):
        frozen.datetime_start, frozen.datetime_complete = START, START + lasted
        read = _trial(frozen, None)
        assert (read.seconds, read.started, read.finished) == (seconds, START, START + lasted)
        assert read.fold_scores is None and read.params == {"x": 0.5, "y": 1}, "what was drawn is what ran"


@pytest.mark.parametrize(("recorded", "said"), [(True, True), (False, False), (None, False), ("yes", False)])
def test_a_teacher_could_be_pruned_where_the_study_says_so(recorded: Any, said: bool) -> None:
    study = optuna.create_study()
    if recorded is not None:
        study.set_user_attr("prune_teacher", recorded)
    assert from_optuna(study).prune_teacher is said


def test_a_study_whose_leases_are_gone_has_the_sessions_that_were_written() -> None:
    study = optuna.create_study()
    assert from_optuna(study).sessions is None
    study.set_user_attr("sessions", [{"started": "2026-01-02T08:00"}])
    assert from_optuna(study).sessions == (Session(START, None, None, (), None),)


def test_a_condition_is_on_one_value_or_several() -> None:
    entry = {"type": "int", "low": 1, "high": 2}
    for given, expected in (("ab", ("ab",)), (["a", "b"], ("a", "b")), (("a", "b"), ("a", "b"))):
        assert attributes.space({"x": {**entry, "when": {"loss": given}}})["x"].when == {"loss": expected}


def test_a_value_of_a_config_that_is_nothing_is_known_too() -> None:
    config = {"a": {"no": False, "zero": 0.0, "empty": "", "encoder": {"name": "bert"}, "none": None}, "b": 1}
    keys = ("a.no", "a.zero", "a.empty", "a.encoder", "a.none", "b", "c", "a.c", "b.c")
    assert [value_in(config, key) for key in keys] == [False, 0.0, "", "bert", None, 1, None, None, None]

"""Reports of staged searches, and of trials that ended before their student had a score."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from pages import section, text_of
from studies import strategy_study, teachers_of

from distune.analysis.baseline import changes
from distune.analysis.expected_time import Pace, pace
from distune.analysis.findings import analyse
from distune.analysis.parameters.ranges import as_search_space
from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import Session
from distune.reporting import markdown
from distune.reporting.contents import Written, build
from distune.reporting.figures.cost import draw as draw_cost
from distune.reporting.figures.style import look


def test_trials_pruned_before_their_student_trained_are_counted_and_cost_what_they_took() -> None:
    study = strategy_study("joint", {6, 9}, prune_teacher=True)
    text = text_of(study)
    assert "| Pruned | 2 | 17 % |" in text
    assert "stopped before its student trained." in text
    saving = analyse(from_optuna(study)).phases[-1].cost.saving
    assert saving.saved == 2 * (60.0 - 20.0)


def test_a_study_whose_trials_were_all_pruned_without_a_score_has_a_report() -> None:
    assert "No trial is complete" in text_of(strategy_study("joint", set(range(12)), prune_teacher=True))


def test_a_staged_study_says_so_and_shows_what_its_best_teacher_is() -> None:
    chosen = {"number": 3, "score": 0.8, "params": {"teacher_lr": 4e-5, "teacher_fusion_dim": 384}}
    teachers = {"teacher 3": chosen, "base": {"number": 0, "score": 0.7, "params": {"teacher_lr": 1e-5}}}
    first = {"name": "s_teacher", "finished": 10, "complete": 6, "pruned": 4, "failed": 0}
    findings = analyse(from_optuna(strategy_study("staged", {6}, teachers=teachers, teacher_study=first)))
    text = markdown.render(build(findings, {}, Written()), "figures")
    assert "Strategy: staged: " in text
    assert "| Teacher trials (first stage) | 10: 6 completed, 4 pruned, in `s_teacher` |" in text
    assert findings.ranking.best.params["teacher"] == "teacher 3"
    changed = {
        change.parameter: (change.best, change.base)
        for change in changes(findings.study, findings.ranking.best)
    }
    assert changed["teacher"] == ("teacher 3", "base")
    assert (changed["teacher_lr"], changed["teacher_fusion_dim"]) == ((4e-5, 1e-5), (384, 512))
    best = text.split("## Best hyperparameters", 1)[1]
    assert "**4.00e-05**" in best and "1.00e-05" in best and "↑ 4.0×" in best
    assert set(as_search_space(findings.ranges)) == {"T"}  # a choice of teachers means nothing elsewhere


@pytest.mark.slow
def test_the_cost_of_a_staged_search_is_that_of_its_teachers_too() -> None:
    first = {"name": "s_teacher", "finished": 5, "complete": 4, "pruned": 1, "failed": 0, "seconds": 220.0}
    record = teachers_of(strategy_study("staged", {6}, teacher_study=first), with_record=True)
    text = text_of(record)
    for row in (
        "| Teacher trials (first stage) | 5: 4 completed, 1 pruned, in `s_teacher` |",
        "| Teachers, complete | 4 | 50 s | 3.3 min |",
        "| Students, complete | 11 | 60 s | 11 min |",
        "Pruning saved **70 s**",
        "| as long as the mean complete trial | 30 s | 12 % |",
        "| the rest of its teacher epochs at its own pace | 10 s | 4 % |",
        # 12 students found or trained their teacher in 20 s each; 4 × 30 s and 10 s more are of the teachers' trials
        "| teacher | 6.2 min | ",
        "| student | 7.3 min | ",
        "| results found in the store | 15 |",
        "| Devices | cuda:7 (5 of 17 trials) |",
        "| Peak memory of a worker | 5.0 GB |",
    ):
        assert row in text, row
    with look():
        drawn = draw_cost(analyse(record))
    assert drawn is not None and "trial of the teachers" in drawn.svg


def test_expected_times_of_a_staged_search_count_the_trials_that_its_command_counts() -> None:
    """12 trials of students in an hour, and 5 of teachers in another."""
    record = teachers_of(strategy_study("staged", {6}), with_record=True)
    assert record.teacher_record is not None
    teachers = replace(record.teacher_record, sessions=(hour(10),))
    measured = pace(analyse(replace(record, teacher_record=teachers, sessions=(hour(12),))).phases, (2, 5))
    assert isinstance(measured, Pace) and measured.per_trial == 7200 / 17


def hour(start: int) -> Session:
    """A run of the tuning command of one hour."""
    return Session(datetime(2026, 1, 1, start), datetime(2026, 1, 1, start + 1), 1, ("cpu",), "finished")


def test_pruning_that_cost_time_by_one_estimate_is_not_said_to_have_saved_any() -> None:
    study = from_optuna(strategy_study("joint", {6, 9}, prune_teacher=True))
    slow = [replace(trial, seconds=90.0) if trial.state == "pruned" else trial for trial in study.trials]
    said = section(text_of(replace(study, trials=slow)), "Computational efficiency")
    assert "unclear" in said and "−60 s" in said and "Pruning saved" not in said


def test_teachers_whose_study_is_not_read_are_named_with_what_they_took() -> None:
    first = {"name": "s_teacher", "finished": 5, "complete": 4, "pruned": 1, "failed": 0, "seconds": 220.0}
    text = text_of(teachers_of(strategy_study("staged", {6}, teacher_study=first), with_record=False))
    assert "s_teacher, 3.7 min in all. That study could not be read" in text
    assert "| Complete | 11 | 60 s | 11 min |" in text


def test_trials_without_a_time_are_told() -> None:
    study = from_optuna(strategy_study("joint", {6}))
    first, *others = study.trials
    said = section(
        text_of(replace(study, trials=(replace(first, seconds=None), *others))), "Computational efficiency"
    )
    assert "| Complete | 10 of 11 | 60 s | 10 min |" in said
    assert "| Complete | 11 | 60 s | 11 min |" in section(text_of(study), "Computational efficiency")

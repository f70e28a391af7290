"""What a report advises and what a study ran on, from a few numbers."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from by_hand import findings, folder, made, numbers, study, text

from distune import reporting
from distune.analysis.expected_time import CONTENDERS, SEEDS, Pace
from distune.analysis.mistakes import Mistake, TaskMistakes
from distune.analysis.parameters.bounds import AtBound
from distune.analysis.parameters.ranges import Ranges
from distune.analysis.parameters.space import Parameter
from distune.analysis.ranking import FailureKind
from distune.analysis.recommendations import Recommendations
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import Confusion, RunRecord
from distune.analysis.scored_run import ScoredRun
from distune.config import Config
from distune.data.audit.participant_flow import FLOW, NAMES
from distune.errors import UserError
from distune.reporting import html, mistakes
from distune.reporting.document import Line, text_of
from distune.reporting.sections import (
    overview,
    recommendations,
    resources,
    results,
    starting_values,
    tasks,
    usage,
)

PACE = Pace(per_trial=60.0, per_training=240.0, quick_trial=6.0)
OPEN = "not significantly different"


def said(found: Line) -> str:
    return text_of(found)


def test_how_long_what_comes_next_takes_at_the_pace_of_the_study() -> None:
    plain = findings(study(teacher_epochs=9, student_epochs=9))
    trainings = CONTENDERS * SEEDS
    assert f"At most {trainings} trainings" in said(recommendations._production(plain, PACE))
    assert f"{trainings * 4 / 60:.1f} h" in said(recommendations._production(plain, PACE))
    quick = said(recommendations._quick(plain.study, PACE))
    assert "20 trials with 2 teacher and 5 student epochs" in quick and "2 min" in quick, "20 of 6 seconds"
    for pace in (None, Pace(60.0, 240.0, None)):
        assert "expected" not in said(recommendations._quick(plain.study, pace))
    assert "30 min" in said(recommendations._edge(plain, PACE)), "30 of a minute"
    assert "30 min" in said(recommendations._other_data(plain, PACE))
    for advice in (recommendations._edge, recommendations._other_data, recommendations._production):
        assert "expected" not in said(advice(plain, None))
    confirmed = findings(numbers=numbers(made("tuning_gain")))
    again = said(recommendations._production(confirmed, PACE))
    assert "evaluate trial 1" in again and "same 3 seeds takes about 12 min" in again
    assert "Training it again" not in said(recommendations._production(confirmed, None))


def test_advice_of_a_table_names_no_study_of_the_reader_s() -> None:
    table = findings(study(space_source="observed"))
    for advice in (recommendations._production, recommendations._edge, recommendations._other_data):
        assert "distune export" not in said(advice(table, None)) and " s " not in said(advice(table, None))
    assert "mydata/config.yaml --n-trials 20" in said(recommendations._quick(table.study, None))
    assert "distune export s --out bundle --quantize int8" in said(recommendations._edge(findings(), None))
    assert "from the recommended config in its search_space, then" in said(
        recommendations._other_data(replace(table, ranges=Unknown("few")), None)
    )


def test_where_advice_starts_from(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", "best_config.yaml")
    own = findings(study(folder=place))
    assert f"--config {place}/best_config.yaml --n-trials 30" in said(recommendations._edge(own, None))
    assert "--config mydata/config.yaml --n-trials 30" in said(recommendations._edge(findings(), None))
    known = replace(own, ranges=Ranges({"alpha": ALPHA}, (), 4))
    assert "from the starting values above, then" in said(recommendations._other_data(known, None))
    unknown = replace(own, ranges=Unknown("few"))
    assert "from the recommended config, then" in said(recommendations._other_data(unknown, None))


def test_that_no_times_are_known_is_said_where_it_is_so() -> None:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    about = {"started": start, "finished": start + timedelta(seconds=60), "seconds": 60.0, "worker": "w"}
    timed = [TrialRecord(n, "complete", 0.5, **about) for n in range(2)]
    for trials, is_said in ((timed, False), ((TrialRecord(0, "complete", 0.5),), True)):
        shown = text(recommendations.section(findings(study(*trials))))
        assert ("records no durations" in shown) is is_said and "\n1. " in shown


@pytest.mark.parametrize(
    ("count", "about", "title", "said"),
    [
        (1, {}, "The one complete trial", "best of 1 complete trial, by"),
        (2, {}, "Top 2 trials", "best of 2 complete trials, by"),
        (12, {"space_source": "observed"}, "Top 10 trials", "best of 12 complete trials in the table, by"),
    ],
)
def test_the_trials_at_the_top(count: int, about: dict[str, Any], title: str, said: str) -> None:
    found = results._top(findings(study(*(TrialRecord(n, "complete", 0.5) for n in range(count)), **about)))
    assert found.title == title and said in text(found)
    assert "No trial is complete" in text(results._top(findings(study(TrialRecord(0, "failed")))))


def test_where_commands_are_typed_and_where_the_data_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def shown(folder: Path, root: str) -> str:
        return "".join(map(text, usage._where(study(folder=folder, base_config={"data": {"root": root}}))))

    assert "the folder that holds `logs`." in shown(tmp_path / "logs/optuna/s", "/data")
    assert shown(Path("/elsewhere/s"), "/data") == shown(Path("/elsewhere/s"), "~/data") == ""
    below = shown(Path("/elsewhere/s"), "my/data")
    assert "`my/data` below where they are typed" in below and "holds" not in below


def test_a_piece_of_advice_begins_with_its_purpose() -> None:
    assert said(recommendations._for_purpose("Widen:", "a ", "b")) == "Widen: a b"
    assert [recommendations._takes(each) for each in (None, 0.0, 90.0)] == [
        "", "; expected time: about 0.0 s", "; expected time: about 1.5 min",
    ]  # fmt: skip


def failing(*failures: FailureKind, many: bool = True, ranges: Any = None) -> str:
    ranking = SimpleNamespace(failures=failures)
    advice = Recommendations("flat", (), many)
    found: Any = SimpleNamespace(recommendations=advice, ranking=ranking, ranges=ranges or Unknown("few"))
    return " ".join(map(said, recommendations._failures(found)))


def test_what_failed_at_which_values_and_what_to_do() -> None:
    memory = FailureKind("out_of_memory", (1, 2), "m", {"batch": (32.0, 64.0)})
    nan = FailureKind("not_finite", (3,), "n", {"student_lr": (0.1, 0.5), "T": (1.0, 2.0)})
    crash = FailureKind("crash", (4,), "c")
    assert failing(memory, many=False) == ""
    assert all(f"{name} " in recommendations._where(nan) for name in nan.apart)
    shown = failing(memory, nan, crash)
    assert "2 × out of memory, all with batch 32 to 64" in shown and "training.batch_size" in shown
    assert "the upper end of student_lr;" in shown, "of the parameters apart, the learning rates"
    assert "1 × crash of the worker: the log" in shown and shown.endswith(
        "Narrow search_space before more trials."
    )
    alone = failing(crash, FailureKind("not_finite", (3,), "n"))
    assert "Narrow" not in alone and "upper end of the learning rates" in alone
    narrowed = {"T": Parameter("T", "float", 2.0, 3.0, log=True)}
    advised = failing(nan, ranges=Ranges(narrowed, (), 9))
    assert "(recommended: T [2.0, 3.0])" in advised
    assert "recommended" not in failing(memory, ranges=Ranges(narrowed, (), 9))
    assert "32 to 64, which no finished trial had" in shown
    many = [FailureKind(f"kind{n}", (n,), "m") for n in range(results.MOST_KINDS + 1)]
    assert failing(*many).count("1 ×") == results.MOST_KINDS


@pytest.mark.parametrize("more", recommendations.MORE)
def test_whether_more_trials_would_help(more: Any) -> None:
    advice = Recommendations(more, (), False)
    found = said(recommendations._this_study(findings(recommendations=advice)))
    assert recommendations.MORE[more] in found and "--tune-fusion" in found
    table = said(
        recommendations._this_study(findings(study(space_source="observed"), recommendations=advice))
    )
    assert recommendations.MORE[more] in table and "--tune-fusion" not in table
    some = study(TrialRecord(3, "complete", 0.5), TrialRecord(7, "complete", 0.6), space_source="observed")
    selected = said(recommendations._this_study(findings(some, recommendations=advice)))
    assert "only the best" in selected and recommendations.MORE[more] not in selected


def test_a_range_whose_end_is_the_best_is_worth_widening() -> None:
    advice = Recommendations("flat", (AtBound("alpha", "high"),), False)
    (found,) = recommendations._widen(findings(recommendations=advice))
    assert "high end of alpha" in said(found)


def shown_resources(*trials: TrialRecord) -> str:
    return text(resources.section(findings(study(*trials))))


def test_one_device_of_all_trials_and_one_of_some() -> None:
    on, off = TrialRecord(0, "complete", 0.5, device="GPU"), TrialRecord(1, "complete", 0.6)
    assert "| Devices | GPU |" in shown_resources(on, TrialRecord(1, "complete", 0.6, device="GPU"))
    assert "| Devices | GPU (1 of 2 trials) |" in shown_resources(on, off)
    unused = TrialRecord(0, "complete", 0.5, device_memory_mb=0.0)
    assert "memory of the device" not in shown_resources(unused), "of a CPU there is none"


ALPHA = Parameter("alpha", "float", 0.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "end"),
    [
        (0.0, 0.89, "low"),
        (0.0, 0.91, None),  # nearly all of it
        (0.11, 1.0, "high"),
        (0.09, 1.0, None),
        (0.1, 0.9, None),
        (0.0, 1.0, None),
    ],
)
def test_the_end_of_a_range_at_which_the_best_lie(low: float, high: float, end: str | None) -> None:
    assert starting_values._end(Parameter("alpha", "float", low, high), ALPHA) == end
    choices = Parameter("alpha", "categorical", choices=(1, 2))
    assert starting_values._end(choices, choices) is None


def test_a_value_at_an_end_lies_in_a_range() -> None:
    range_ = Parameter("alpha", "float", 0.25, 0.75)
    inside = [starting_values._lies_in(value, range_) for value in (0.25, 0.75, 0.2, 0.8, True, "x")]
    assert inside == [True, True, False, False, False, False]
    beside = [starting_values._beside_base(range_, base) for base in (0.5, 0.2, 0.8, "x", None)]
    assert [said.partition(" the base")[0] for said in beside] == [
        "includes",
        "above",
        "below",
        "without",
        "without",
    ]
    choice = Parameter("loss", "categorical", choices=("a", 0.5))
    assert starting_values._beside_base(choice, 0.25).startswith("without")
    assert [starting_values._lies_in(value, choice) for value in ("a", 0.5, "b")] == [True, True, False]


def test_the_ranges_of_a_staged_search_are_those_of_both_stages() -> None:
    def best(name: str, low: float) -> Ranges:
        return Ranges({name: Parameter(name, "float", low, 0.6)}, (), 4)

    rate = Parameter("teacher_lr", "float", 0.0, 1.0)
    trials = [
        TrialRecord(n, "complete", 0.5, params={"teacher_lr": 0.1 * n, "alpha": 0.1 * n}) for n in range(9)
    ]
    first = study(*trials, space={"teacher_lr": rate}, strategy="teacher")
    whole = study(*trials, space={"alpha": ALPHA}, teacher_record=first)
    found = findings(whole, ranges=best("alpha", 0.4), teacher_ranges=best("teacher_lr", 0.5))
    shown = text(starting_values.section(found, Path("s.yaml")))
    assert shown.index("`teacher_lr`") < shown.index("`alpha`") and "`--space s.yaml`" in shown
    lost = findings(whole, ranges=best("alpha", 0.4), teacher_ranges=Unknown("too few teachers"))
    assert "too few teachers" in text(starting_values.section(lost, None))
    assert "`teacher_lr`" not in text(starting_values.section(lost, None))


def evaluated(split: str) -> dict[str, Any]:
    score = {"mean": 0.8, "low": 0.7, "high": 0.9, "seeds": 3}
    held = dict.fromkeys(("macro_f1", "accuracy", "auc", "calibration_error_scaled"), score)
    return {split: {"score": score, "tasks": {"type": held}}}


@pytest.mark.parametrize(("split", "flatters"), [("dev", True), ("test", False)])
def test_the_tasks_of_the_recommended_model(split: str, flatters: bool) -> None:
    chosen = {"kind": "trial", "trial": 1, "is_base": False, "splits": evaluated(split)}
    (section,) = tasks.parts(findings(numbers=numbers(contenders={"trial_0001": chosen}, split=split)), {})
    shown = text(section)
    row = "0.8000 [0.7000, 0.9000]"
    assert f"| type | {row} | {row} | {row} | {row} |" in shown and ("flatters" in shown) is flatters
    assert "counts with" not in shown
    held = chosen["splits"][split]["tasks"]  # type: ignore[index]
    held["site"] = {**held["type"], "score": {**held["type"]["auc"], "name": "auroc"}}
    both = text(tasks._tasks(held))
    assert "| What the task counts with |" in both and "ROC curve 0.8000 [0.7000, 0.9000] |" in both
    assert tasks.parts(findings(study(space_source="observed")), {}) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_table_s_ranges_are_entered_by_hand(is_known: bool) -> None:
    ranges: Any = Ranges({"alpha": ALPHA}, (), 4) if is_known else Unknown("few")
    table = findings(study(space_source="observed"), ranges=ranges)
    assert ("first enter the starting values" in text(usage._elsewhere(table, None))) is is_known
    own = findings(study(), ranges=ranges)
    assert "first enter" not in text(usage._elsewhere(own, Path("s.yaml")))


def test_what_was_tried_are_values_of_trials_that_ended_well() -> None:
    trials = (
        TrialRecord(0, "complete", 0.5, {"a": 1}),
        TrialRecord(1, "pruned", None, {"a": 2}),
        TrialRecord(2, "failed", None, {"a": 3}),
        TrialRecord(3, "complete", 0.5, {"b": 4}),
    )
    assert starting_values._tried("a", replace(study(), trials=trials)) == [1, 2]


def test_ranges_narrow_only_a_search_that_starts_inside_them(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", "best_config.yaml")
    whole = text(usage._elsewhere(findings(study(folder=place)), tmp_path / "my r.yaml"))
    assert f"--start-from {place}/best_config.yaml --space '{tmp_path}/my r.yaml'" in whole
    assert "--space" not in text(usage._elsewhere(findings(study()), tmp_path / "r.yaml"))
    spaced = folder(tmp_path / "my s", "best_config.yaml")
    alone = text(usage._elsewhere(findings(study(folder=spaced)), None))
    assert f"--start-from '{spaced}/best_config.yaml'" in alone and "--space" not in alone


def audited(kinds: tuple[str, ...], **about: Any) -> Any:
    rows = [{"step": NAMES["train"], "examples": 60, "cases": 40}, {"step": NAMES["unused"], "examples": 3, "cases": 2},
            {"step": NAMES["unlabelled"], "examples": 9, "cases": 8}]  # fmt: skip
    found = [{"kind": kind, "severity": "warning", "title": kind} for kind in kinds]
    audit = {"sections": [{"title": FLOW, "rows": rows}], "findings": found}
    return findings(study(base_config={"student": about.pop("student", {})}), audit=audit, **about)


def test_the_sets_that_a_study_used() -> None:
    assert overview._sizes(audited(())) == (
        "train: 60 examples of 40 cases; unlabelled in training: 9 examples of 8 cases"
    ), "what a fold leaves out is no set of its own"
    of_test = {"train": {"examples": 61, "cases": 41}, "test": {"examples": 5, "cases": 4}}
    assert text_of(overview._data_set(audited(()))).startswith("train: 60 examples"), "it has no name"
    assert text_of(overview._data_set(findings())) == overview.UNRECORDED
    assert text_of(overview._data_set(findings(study(base_config={"name": "own"})))) == "own"
    both = overview._sizes(audited((), numbers=numbers(examples=of_test)))
    assert both.startswith("train: 61 examples of 41 cases; unlabelled") and both.endswith(
        "test: 5 examples of 4 cases"
    )


def test_a_model_of_words_alone_is_no_rival_of_a_student_of_images() -> None:
    image, both = {"vision": {"name": "deit"}}, {"vision": {"name": "deit"}, "text": {"name": "bert"}}
    token = "does not read the texts"
    assert token in text(overview._audit(audited(("words_alone",), student=image)))
    assert token not in text(overview._audit(audited(("words_alone",), student=both)))
    assert token not in text(overview._audit(audited(("small",), student=image)))
    confirmed = audited(("words_alone",), student=image, numbers=numbers())
    assert token not in text(overview._audit(confirmed)), "its baselines say more"


@pytest.mark.parametrize(
    ("absent", "report_is_there", "page_is_there"),
    [((), True, True), (("matplotlib",), False, True), (("jinja2",), False, False)],
)
def test_a_report_needs_both_packages_and_a_page_one_of_them(
    absent: tuple[str, ...], report_is_there: bool, page_is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else found(name))
    assert reporting.installed() is report_is_there
    for require, is_there in ((reporting.require, report_is_there), (html.require, page_is_there)):
        if is_there:
            require()
        else:
            with pytest.raises(UserError, match="pip install"):
                require()


def test_the_tasks_of_a_study_with_their_numbers_of_classes() -> None:
    def shown(*confusions: Confusion) -> Any:
        run = RunRecord(Path("r"), Unknown("x"), confusions or Unknown("x"), Unknown("x"))
        return overview._tasks(replace(findings(), scored_run=ScoredRun(run, "trial 1", "dev", False)))

    one, two = Confusion("type", ("a",), np.eye(1)), Confusion("site", ("a", "b"), np.eye(2))
    assert shown(one) == [("Tasks", "type (1 class)")]
    assert shown(one, two) == [("Tasks", "type (1 class), site (2 classes)")] and shown() == []
    many = [replace(two, task=f"t{number}") for number in range(overview.MOST + 2)]
    assert shown(*many)[0][1].endswith(" and 2 more")


def test_a_page_without_mistakes_misses_no_pictures() -> None:
    def page(*held: Mistake) -> str:
        tasks = {"type": held, "site": ()}
        found = [TaskMistakes(name, 20, len(wrong), 1.0, wrong) for name, wrong in tasks.items()]
        return mistakes.mistakes_page("run", "dev", Config(), found)

    wrong = Mistake("x1", "g", "a", "b", (("b", 0.87), ("a", 0.13)), "", "a text")
    assert "x1" in page(wrong) and 'class="note missing"' in page(wrong)
    assert 'class="note missing"' not in page(), "there is nothing to show"

"""The appendix of a report from a few numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from by_hand import findings, made, numbers, study, text
from PIL import Image

from distune.analysis.cost import Saving
from distune.analysis.mistakes import Mistake, TaskMistakes
from distune.analysis.records.study_record import Session, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.scored_run import ScoredRun
from distune.analysis.search_phases import Phase
from distune.config import Config
from distune.errors import UserError
from distune.reporting.appendix import (
    audit,
    comparisons,
    confirmation,
    contenders,
    mistakes,
    recommended,
    subgroups,
    time,
)
from distune.reporting.document import Note, Paragraph, Picture
from tests.stand_ins import refusing_as


def compared(**about: Any) -> dict[str, Any]:
    held = {
        "family_low": 0.01,
        "family_high": 0.2,
        "adjusted_p": 0.0004,
        "seeds_needed": None,
        "cases_needed": None,
    }
    return made("tuning_gain", **{**held, "power": 0.9, **about})


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"power": 0.8, "seeds_needed": 9}, "—"),
        ({"power": 0.79, "seeds_needed": 9, "cases_needed": 1234}, "about 9 seeds or about 1,200 cases"),
        ({"power": 0.1, "cases_needed": 400}, "about 400 cases"),
        ({"power": 0.1}, comparisons.MORE_OF_BOTH),
    ],
)
def test_what_a_power_of_80_percent_would_take(about: dict[str, Any], said: str) -> None:
    assert comparisons.needed(compared(**about)) == said


def test_all_comparisons_with_their_family_and_those_that_were_left_out() -> None:
    missing = {"kind": "teacher_gap", "first": "t", "second": "b", "reason": "no teacher"}
    found = numbers(compared(), comparisons_missing=[missing])
    shown = text(comparisons.comparisons(found))
    assert (
        "| Tuning: recommended trial | `trial_0001` − `base` | +0.1000 | [+0.0500, +0.1500] | [+0.0100, +0.2000] |"
        in shown
    )
    assert " 0.001 | **better** | 90 % |" in shown and comparisons.NEEDED not in shown
    assert "Not compared: `t` − `b`: no teacher." in shown
    more = text(comparisons.comparisons(numbers(compared(power=0.3, cases_needed=400))))
    assert "| 80 % would take |" in more.replace("  ", " ") and "about 400 cases |" in more
    both = text(comparisons.comparisons(numbers(compared(power=0.3))))
    assert comparisons.NEEDED not in both, "a column of nothing but more of both says nothing"
    assert text(comparisons.comparisons(numbers())) == "# All comparisons"
    wide = {"family_low": -0.6, "family_high": 0.5}
    assert comparisons._family(compared(**wide, case_error=0.2, seed_error=0.1)) == "too few cases"
    assert comparisons._family(compared(**wide, case_error=0.1, seed_error=0.2)) == "too few seeds"


SCORE = {"mean": 0.8, "low": 0.7, "high": 0.9, "seeds": 3}


def trained(kind: str = "trial", **about: Any) -> dict[str, Any]:
    task = {"macro_f1": SCORE, "accuracy": {**SCORE, "mean": 0.6}, "auc": None, "calibration_error": SCORE,
            "calibration_error_scaled": SCORE, "temperature": {**SCORE, "mean": 1.5}, "log_loss": SCORE,
            "log_loss_scaled": SCORE, "classes": {"a": {"support": 7, "recall": SCORE}}}  # fmt: skip
    test = {
        "score": SCORE,
        "tasks": {"type": task},
        "conditions": {"full": {"score": SCORE, "change": SCORE}},
    }
    splits = {"dev": None, "test": {**test, **about.pop("on_test", {})}}
    return {"kind": kind, "trial": 1, "is_base": kind == "base", "rank": None, "seeds": [1, 2], "search_score": 0.85,
            "splits": splits, **about}  # fmt: skip


def confirmed(**others: Any) -> dict[str, Any]:
    held = {"trial_0001": trained(), "base": trained("base"), "other": trained(trial=3),
            "majority": trained("baseline", settings={"type": {"C": 0.5, "n": 3}}), **others}  # fmt: skip
    return numbers(contenders=held, examples={"test": {"examples": 20, "cases": 10}})


def test_contenders_and_baselines_have_a_column_for_each_split() -> None:
    shown = text(contenders.contenders(confirmed(), None))
    assert "| `trial_0001` | trial 1 | 2 | 0.8500 | — | 0.8000 [0.7000, 0.9000] |" in shown
    assert "`majority` |" not in shown.split("Each task")[0] and "Dev score in the study" in shown
    assert "| `other` | type | 0.8000 [0.7000, 0.9000] | 0.6000 [0.7000, 0.9000] | — |" in shown
    assert "Each task on dev" not in shown, "it holds no numbers of dev"
    assert "Mean over 3 folds in the study" in text(contenders.contenders(confirmed(), 3))
    base = text(contenders.baselines(confirmed()))
    (table,) = contenders.baselines(confirmed()).blocks  # type: ignore[union-attr]
    numeric = [title for column, title in enumerate(table.header) if column in table.numeric]  # type: ignore[union-attr]
    assert numeric == ["Score on dev", "Score on test"]
    assert (
        "always naming the most frequent class" in base
        and "type: C = 0.5, n = 3 |" in base
        and "trial 1" not in base
    )
    assert contenders.baselines(numbers()) is None
    dev = {**confirmed(), "split": "dev"}
    assert contenders._columns(dev) == ["dev"] and contenders._columns(confirmed()) == ["dev", "test"]


def test_complete_examples_are_scored_apart_from_those_that_lack_an_input() -> None:
    assert contenders.apart(confirmed()) is None
    apart = {"complete": {"examples": 15, "score": SCORE}, "without_text": {"examples": 5, "score": None}}
    shown = text(contenders.apart(confirmed(trial_0001=trained(on_test={"apart": apart}))))
    assert "| `trial_0001` | with image and text | 15 | 0.8000 [0.7000, 0.9000] |" in shown
    assert "| `trial_0001` | without a text | 5 | not defined |" in shown


def test_classes_calibration_and_missing_inputs_are_of_the_recommended_and_the_base_config() -> None:
    found = confirmed()
    classes, calibrated = text(recommended.classes(found)), text(recommended.calibration(found))
    assert "| `trial_0001` | type | a | 7 | 0.8000 [0.7000, 0.9000] |" in classes
    for shown in (classes, calibrated):
        assert "`base`" in shown and "`other`" not in shown and "`majority`" not in shown
    without = {**trained("base"), "splits": {"test": None}}
    first = {"base": without, "trial_0001": found["contenders"]["trial_0001"]}
    assert "`trial_0001`" in text(recommended.classes({**found, "contenders": first})), (
        "the base has no score"
    )
    (table,) = recommended.calibration(found).blocks  # type: ignore[union-attr]
    assert table.numeric == {column for column, title in enumerate(table.header)  # type: ignore[union-attr]
                             if title not in ("Contender", "Task")}  # fmt: skip
    assert "fitted on dev" in calibrated and "| 1.5000 [" in calibrated
    assert "these very examples" in text(recommended.calibration({**found, "split": "dev", "contenders": {
        "trial_0001": {**trained(), "splits": {"dev": trained()["splits"]["test"]}}}}))  # fmt: skip
    assert recommended.conditions(found) is None, "a student of one input is nothing without it"
    values = {"score": SCORE, "change": {**SCORE, "mean": -0.1, "low": None}}
    both = {"without_text": values, "own": values}
    shown = text(recommended.conditions(confirmed(base=trained("base", on_test={"conditions": both}))))
    assert "| `base` | without the text | 0.8000 [0.7000, 0.9000] | −0.1000 |" in shown and "| own |" in shown


def test_subgroups_are_read_as_what_they_can_show() -> None:
    def group(name: str, **about: Any) -> dict[str, Any]:
        return {"name": name, "examples": 9, "cases": 5, "score": SCORE, "accuracy": SCORE, "difference": None,
                "small": False, **about}  # fmt: skip

    groups = [
        group("f", difference={**SCORE, "mean": -0.2, "verdict": "worse"}),
        group("m", small=True),
        group("x"),
    ]
    columns = {
        "sex": {"groups": groups, "values": 3, "unknown": 1},
        "id": {"groups": [], "values": 99, "unknown": 0},
        "age": {"groups": [], "values": 0, "unknown": 0},
    }
    shown = text(subgroups.section(findings(numbers={**confirmed(), "subgroups": columns})))
    assert "| −0.2000 [+0.7000, +0.9000] | worse |" in shown and "small: nothing can be said" in shown
    assert "the others are too few |" in shown and "1 example has no value" in shown
    assert "99 different values are too many" in shown and "No values." in shown
    assert subgroups.section(findings()) is None
    assert subgroups.section(findings(numbers=confirmed())) is None


def test_the_audit_is_shown_the_worst_first_and_without_the_texts_of_patients() -> None:
    found = [
        {"title": title, "severity": severity, "detail": "why",
         "rows": [{"id": n, "text": "a patient's", "share": 0.123456} for n in range(7)]}
        for title, severity in (("note", "info"), ("leak", "severe"), ("shift", "warning"))
    ]  # fmt: skip
    sections = [{"title": "Table", "rows": [{"a": None, "b": 1}]}, {"title": "Empty", "rows": []}]
    whole = findings(audit={"findings": found, "sections": sections})
    shown = text(audit.section(whole))
    assert shown.index("Severe findings") < shown.index("Warnings") < shown.index("Notes")
    assert "patient's" not in shown and "The first 5 of 7 rows." in shown and "| 4 | 0.1235 |" in shown
    assert "| 5 |" not in shown and "| — | 1 |" in shown and "Empty" not in shown
    assert "a patient's" in text(audit.section(whole, examples=True))
    assert audit.section(findings()) is None


def test_where_the_time_went() -> None:
    stages = {"teacher": 30.0, "student": 50.0}
    held = {"hits": 3, "seconds_saved": 9.0}
    trials = [
        TrialRecord(0, "complete", 0.5, seconds=100.0, stage_seconds=stages, cache=held),
        TrialRecord(1, "complete", 0.6, seconds=50.0),
    ]
    shown = "".join(map(text, time._stages(findings(study(*trials)), {})))
    assert "| teacher | 30 s | 30 % |" in shown and "| between stages | 20 s | 20 % |" in shown
    assert "is recorded of 1 of 2 trials" in shown
    exact = study(replace(trials[0], seconds=80.0))
    whole = "".join(map(text, time._stages(findings(exact), {})))
    assert "between" not in whole and "is recorded of" not in whole
    assert "do not record" in "".join(map(text, time._stages(findings(), {})))
    stored = "".join(map(text, time._store(findings(study(*trials)))))
    assert "| results found in the store | 3 |" in stored and "seconds saved" not in stored
    assert "do not record" in "".join(map(text, time._store(findings())))


def test_what_pruning_saved_by_each_yardstick() -> None:
    times: Any = {"complete": SimpleNamespace(median=40.0)}

    def phase(title: str, saving: Any, *trials: TrialRecord, **about: Any) -> Phase:
        return Phase(title, study(*trials, **about), SimpleNamespace(saving=saving, times=times))  # type: ignore[arg-type]

    saving = Saving(75.0, 25.0, 5.0, 15.0, 2)
    rows = time._yardsticks(phase("", saving), saving)
    assert [row[1:] for row in rows] == [("25 s", "25 %"), ("5.0 s", "6 %"), ("15 s", "17 %")]
    assert "median complete trial, 40 s" in str(rows[1][0]) and "student epochs" in str(rows[2][0])
    assert "folds" in str(time._yardsticks(phase("", saving, folds=3), saving)[2][0])
    assert "teacher epochs" in str(time._yardsticks(phase("", saving, strategy="teacher"), saving)[2][0])
    assert len(time._yardsticks(phase("", saving), replace(saving, by_steps=Unknown("x")))) == 2
    shown = "".join(map(text, time._pruning(phase("teachers", saving))))
    assert "A pruned trial of the teachers would have taken" in shown and "left out: 2." in shown
    last = TrialRecord(3, "complete", 0.5)
    for trial, source, kind in ((replace(last, state="pruned"), "study", Note), (last, "observed", Note),
                                (last, "study", Paragraph)):  # fmt: skip
        (none,) = time._pruning(phase("teachers", Unknown("not known"), trial, space_source=source))
        assert isinstance(none, kind) and "Teachers: not known" in text(none)


def test_when_the_tuning_command_ran() -> None:
    start, end = (datetime(2026, 1, 2, hour, 30, tzinfo=UTC) for hour in (10, 11))
    runs = (
        Session(start, end, 2, ("cuda:0", "cuda:0", "auto"), "timeout"),
        Session(start, None, None, (), None),
        Session(start, end, None, (), None),
    )
    shown = "".join(map(text, time._runs(findings(study(sessions=runs)))))
    assert "started 2026-01-02 10:30; ended 2026-01-02 11:30; 2 workers; cuda:0; reason: timeout." in shown
    assert "started 2026-01-02 10:30; left no end." in shown
    assert "started 2026-01-02 10:30; last seen 2026-01-02 11:30." in shown, "one that was killed"


@pytest.mark.parametrize(("is_confirmed", "split"), [(True, "test"), (False, "dev")])
def test_the_mistakes_are_those_on_the_examples_that_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_confirmed: bool, split: str
) -> None:
    asked: list[Any] = []
    one = Mistake("x1", "g", "a", "b", (("b", 0.87), ("a", 0.13)), "", "a cut text")
    task = TaskMistakes("type", 20, 5, 1.0, (one,))
    monkeypatch.setattr(mistakes, "run_config", lambda place: Config())
    read = refusing_as(mistakes.read_mistakes, lambda *given: asked.append(given) or [task])
    monkeypatch.setattr(mistakes, "read_mistakes", read)
    scored = ScoredRun(SimpleNamespace(folder=tmp_path), "trial 1", "test", is_confirmed)  # type: ignore[arg-type]
    shown = text(mistakes.section(replace(findings(), scored_run=scored)))
    assert asked == [(tmp_path, split, mistakes.MOST)] and f"Of trial 1 on {split}." in shown
    assert "Wrong: 5 of 20 examples; here the most confident, 1." in shown
    assert "| — | x1 | a | b | 87 % | a cut text |" in shown
    assert "| Image | Example | Label | Predicted | Probability | Text |" in shown
    assert "no run" in text(
        mistakes.section(replace(findings(), scored_run=replace(scored, run=Unknown("no run"))))
    )
    monkeypatch.setattr(mistakes, "run_config", Refused())
    assert "no config" in text(mistakes.section(replace(findings(), scored_run=scored)))


class Refused:
    """A run folder that cannot be read."""

    def __call__(self, place: Path) -> None:
        raise UserError("no config")


def test_what_was_left_out_of_a_confirmation() -> None:
    failure = {"contender": "trial_0001", "seed": 7, "kind": "crash", "message": "boom"}
    section = confirmation._left_out(numbers(failures=[failure], notes=["one is enough"]))
    assert section is not None
    assert text(section).endswith("- `trial_0001`, seed 7: crash. boom\n- one is enough")
    assert "one is enough" in text(confirmation._left_out(numbers(notes=["one is enough"])))
    assert confirmation._left_out(numbers()) is None


def test_the_picture_of_a_mistake(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    one = Mistake("x1", "g", "a", "b", (("b", 0.87), ("a", 0.13)), "x.png", "")
    data = Config().data.model_copy(update={"root": tmp_path})
    config = Config().model_copy(update={"data": data})
    assert isinstance(mistakes._row(one, config)[0], Picture)
    assert mistakes._row(replace(one, image="gone.png"), config)[0] == "\u2014"

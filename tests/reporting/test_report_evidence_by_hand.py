"""Evidence behind a report, from a few numbers: operating points, importances, curves, provenance, the checklist."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from by_hand import findings, made, numbers, study, text

from distune.analysis.baseline import Baseline
from distune.analysis.dev_noise import DevNoise
from distune.analysis.mistakes import Mistake
from distune.analysis.parameters.importance import Importance, Share
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import RunRecord
from distune.analysis.scored_run import ScoredRun
from distune.config import Config
from distune.reporting import html, mistakes
from distune.reporting.appendix import (
    audit,
    confirmation,
    contenders,
    learning_curves,
    operating_points,
    parameters,
    provenance,
    recommended,
    subgroups,
    time,
)
from distune.reporting.checklist import Item, _without, tripod_ai
from distune.reporting.contents import Written, _known, build, subtitle
from distune.reporting.document import (
    Code,
    Document,
    Figure,
    Section,
    TableBlock,
    _figures,
    caution,
    line,
    missing,
    names,
    paragraph,
    text_of,
)
from distune.reporting.sections import conclusion, efficiency, improvement, methodology, tasks

SCORE = {"mean": 0.8, "low": 0.7, "high": 0.9, "seeds": 3}
FIGURE = Figure("reliability", "alt", "caption of the figure", "<svg/>", b"")


def task(**about: Any) -> dict[str, Any]:
    keys = ("macro_f1", "accuracy", "auc", "calibration_error", "calibration_error_scaled", "temperature",
            "log_loss", "log_loss_scaled")  # fmt: skip
    return {**dict.fromkeys(keys, SCORE), "classes": {"a": {"support": 7, "recall": SCORE}}, **about}


def contender(kind: str = "trial", split: str = "test", tasks: Any = None, **about: Any) -> dict[str, Any]:
    evaluated = {"score": SCORE, "tasks": tasks or {"type": task()}, "conditions": {}}
    return {"kind": kind, "trial": 1, "is_base": kind == "base", "rank": None, "seeds": [1, 2, 3],
            "search_score": 0.85, "splits": {"dev": None, split: evaluated}, **about}  # fmt: skip


def confirmed(split: str = "test", chosen: dict[str, Any] | None = None, **about: Any) -> dict[str, Any]:
    held = {"trial_0001": chosen or contender(split=split), "base": contender("base", split)}
    recommendation = {
        "contender": "trial_0001",
        "kind": "trial",
        "config": "r.yaml",
        "searched": 15,
        "reason": "x",
    }
    return numbers(
        *about.pop("comparisons", ()),
        contenders={**held, **about.pop("contenders", {})},
        recommendation={**recommendation, **about.pop("recommendation", {})},
        **{"split": split, "opening": None, "examples": {split: {"examples": 20, "cases": 10}},
           "optimistic": False, **about},
    )  # fmt: skip


def scored(is_confirmed: bool) -> ScoredRun:
    return ScoredRun(Unknown("its folder is gone"), "trial 1", "test", is_confirmed)


def test_answers_of_the_recommended_model_that_cannot_be_read_are_named() -> None:
    run = RunRecord(Path("run"), (), Unknown("predictions_test.csv was changed"), ())
    for is_confirmed in (True, False):
        of = replace(findings(), scored_run=ScoredRun(run, "trial 1", "test", is_confirmed))
        assert ("was changed" in "".join(map(text, tasks.parts(of, {})))) is is_confirmed
    lacking = replace(scored(False), lacking=(Path("seed_1/p.csv"), Path("seed_2/p.csv")))
    shown = text(tasks.parts(replace(findings(), scored_run=lacking), {})[0])
    assert "seed_1/p.csv, seed_2/p.csv" in shown and "its folder is gone" in shown


def test_the_candidates_of_a_recommendation_with_what_is_expected_of_them() -> None:
    candidates = {
        "trial_0001": {
            "observed_gain": 0.25,
            "expected_gain": 0.125,
            "probability_better": 0.9,
            "probability_best": 0.5,
        },
        "base": {"observed_gain": 0.0, "expected_gain": None, "probability_best": 0.999},
    }
    found = confirmed(recommendation={"candidates": candidates, "reason": "base_is_best"})
    shown = text(confirmation._recommendation(found))
    assert "| `trial_0001` | +0.2500 | +0.1250 | 90 % | 50 % |" in shown
    assert (
        "| `base` | +0.0000 | — | — | &gt; 99 % |" in shown and confirmation.REASONS["base_is_best"] in shown
    )
    assert "1 of 15 complete trials" in shown


def test_the_calibration_of_a_model_before_and_after_its_temperature() -> None:
    keys = ("calibration_error", "calibration_error_scaled", "temperature", "log_loss", "log_loss_scaled")
    held = task(**{key: over(number / 10) for number, key in enumerate(keys, 1)})
    found = confirmed(chosen=contender(tasks={"type": held}))
    shown = text(recommended.calibration(found))
    assert "| `trial_0001` | type | 0.1000 | 0.2000 | 0.3000 | 0.4000 | 0.5000 |" in shown


def test_a_model_without_a_score_on_the_split_is_left_out_of_its_tables() -> None:
    apart = {"complete": {"examples": 15, "score": SCORE}}
    found = confirmed()
    for name in ("trial_0001", "base"):
        found["contenders"][name]["splits"]["test"]["apart"] = apart
    found["contenders"]["base"]["splits"]["test"] = None
    shown = text(contenders.apart(found))
    assert "`trial_0001` | with image and text | 15 |" in shown and "`base`" not in shown
    assert "`base`" not in text(recommended.classes(found)) and "`base`" in text(
        contenders.contenders(found, None)
    )


def test_the_columns_of_a_subgroup() -> None:
    group = {"name": "f", "examples": 9, "cases": 5, "score": over(0.1), "accuracy": over(0.2), "difference": None,
             "small": False}  # fmt: skip
    columns = {"sex": {"groups": [group, {**group, "difference": {**over(-0.3), "verdict": "lower"}, "small": True}],
                       "values": 2, "unknown": 0}}  # fmt: skip
    shown = text(subgroups.section(findings(numbers={**confirmed(), "subgroups": columns})))
    assert (
        "| f | 9 | 5 | 0.1000 | 0.2000 | — |" in shown
        and "| f | 9 | 5 | 0.1000 | 0.2000 | −0.3000 | small" in shown
    )
    assert "no value" not in shown and "on test, with" in shown


def test_what_a_gain_is_said_of_before_and_after_it_is_confirmed() -> None:
    base = Baseline(TrialRecord(0, "complete", 0.5), TrialRecord(1, "complete", 0.75), 0.25)
    noise = DevNoise(1, 80, 20, 0.8, 0.7, 0.95, 1, 2)
    gain = made("tuning_gain", family_low=0.0, family_high=0.2)
    held = confirmed(comparisons=(gain,), optimism=None)
    before = text(improvement.section(findings(baseline=base, noise=noise), {}))
    after = text(improvement.section(findings(baseline=base, noise=noise, numbers=held), {}))
    assert "not confirmed" in before and "Confirmed gains" not in before
    assert "not confirmed" not in after and "# Confirmed gains" in after and "the config to use" in after
    assert before.count("80 dev examples") == after.count("80 dev examples") == 1
    assert "| trial 1 − the base config | +0.1000 | [+0.0500, +0.1500] | **significantly better** |" in after
    none = text(improvement.section(findings(baseline=base, numbers=confirmed(optimism=None)), {}))
    assert "compared nothing" in none
    assert "lost" in text(improvement.section(findings(baseline=Unknown("lost")), {}))


def test_why_it_is_not_known_what_could_move_the_score_of_a_search_is_said_but_of_confirmed_folds() -> None:
    unknown = Unknown("too few answers")
    assert "too few answers" in "".join(map(text, improvement._chance(findings(noise=unknown))))
    held = findings(noise=unknown, numbers=confirmed())
    assert "too few answers" in "".join(map(text, improvement._chance(held))), (
        "as where the answers are damaged"
    )
    assert list(improvement._chance(replace(held, study=replace(held.study, folds=3)))) == []


@pytest.mark.parametrize(("low", "high"), [(-0.02, 0.06), (0.0, 0.06), (-0.02, 0.02)])
def test_what_could_have_been_detected_where_an_interval_is_cut_off(low: float, high: float) -> None:
    about = {"difference": 0.02, "family_low": low, "family_high": high, "standard_error": 0.02}
    found = improvement._detectable(made("tuning_gain", power=0.5, **about))
    assert f"about +{0.04 + 0.8416 * 0.02:.4f}" in found


@pytest.mark.parametrize(("folds", "on"), [(None, "test"), (3, "new folds")])
def test_optimism_is_of_the_split_or_of_new_folds(folds: int | None, on: str) -> None:
    loss = {"on": "test", "mean": 0.1, "low": 0.05, "high": 0.2, "seeds": 5}
    base = Baseline(Unknown("x"), TrialRecord(1, "complete", 0.9), Unknown("x"))
    found = confirmed(optimism={"loss": loss, "search_score": 0.9})
    assert f"on {on} is" in "".join(
        map(text, improvement._optimism(findings(study(folds=folds)), base, found))
    )
    for lost in ("loss", "search_score"):
        less = {**found, "optimism": {**found["optimism"], lost: None}}
        assert list(improvement._optimism(findings(), base, less)) == []
    assert list(improvement._optimism(findings(), base, {**found, "optimism": None})) == []


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_the_reliability_of_a_model_stands_where_its_other_numbers_are(is_confirmed: bool) -> None:
    found = replace(findings(numbers=confirmed()), scored_run=scored(is_confirmed))
    figures = {"reliability": FIGURE}
    full, curves = confirmation.section(found, figures), learning_curves.section(found, figures)
    assert ("caption of the figure" in text(full)) is is_confirmed
    assert ("caption of the figure" in text(curves)) is not is_confirmed


def test_what_the_best_run_lacks_is_missed_where_the_page_shows_it() -> None:
    run = RunRecord(Path("r"), Unknown("no curves"), Unknown("no answers"), Unknown("no answers"))
    shown = text(learning_curves.section(replace(findings(), best_run=run, scored_run=scored(False)), {}))
    assert shown.count("no curves") == shown.count("no answers") == 1
    other = text(learning_curves.section(replace(findings(), best_run=run, scored_run=scored(True)), {}))
    assert "no curves" in other and "no answers" not in other, "the confirmation shows its own model's"
    gone = replace(findings(), best_run=Unknown("no folder"), scored_run=scored(False))
    assert "no folder" in text(learning_curves.section(gone, {}))


def folds(number: int, *scores: float) -> TrialRecord:
    return TrialRecord(number, "complete", sum(scores) / len(scores), fold_scores=scores)


def test_base_and_best_are_set_side_by_side_on_the_same_folds() -> None:
    def shown(base: Any, best: TrialRecord) -> str:
        found = Baseline(base, best, Unknown("x"))
        return "".join(map(text, learning_curves._fold_by_fold(found)))

    both = shown(folds(0, 0.5, 0.75), folds(1, 0.75, 0.5))
    assert "| 1 | 0.5000 | 0.7500 | +0.2500 |" in both and "| 2 | 0.7500 | 0.5000 | −0.2500 |" in both
    for base in (Unknown("none"), folds(0, 0.5), TrialRecord(0, "complete", 0.5), folds(1, 0.75, 0.5)):
        alone = shown(base, folds(1, 0.75, 0.5))
        assert "| 1 | 0.7500 |\n| 2 | 0.5000 |" in alone and "Difference" not in alone
    assert shown(folds(0, 0.5, 0.75), TrialRecord(1, "complete", 0.6)) == ""


def with_points(*points: dict[str, Any], split: str = "test") -> Section | None:
    held = {"type": task(operating_points=[{"positive": "b", "points": list(points)}])}
    found = confirmed(split, contender(split=split, tasks=held))
    return operating_points.section(findings(numbers=found))


def over(mean: float) -> dict[str, Any]:
    return {**SCORE, "mean": mean, "low": None}


def test_operating_points_are_of_the_model_that_predicts() -> None:
    first = {"sensitivity": over(0.5), "specificity": over(0.9)}
    point = {"wanted": 0.9, "thresholds": [0.4, 0.6], "first_seed": first, "sensitivity": over(0.6),
             "specificity": over(0.8)}  # fmt: skip
    less = {**point, "wanted": 0.95}
    bare = {"wanted": 0.5, "sensitivity": None, "specificity": None}
    section = with_points(point, less, bare)
    _, table = section.blocks  # type: ignore[union-attr]
    assert table.numeric == {2, 3, 4, 5, 7, 8}, "all but words"  # type: ignore[union-attr]
    rows = [line for line in text(section).splitlines() if line.startswith("| type")]
    assert rows == [
        "| type | b | 0.90 or more | 0.400000 | 0.5000 | 0.9000 | yes | 0.6000 | 0.8000 |",
        "| type | b | 0.95 or more | 0.400000 | 0.5000 | 0.9000 | no | 0.6000 | 0.8000 |",
        "| type | b | 0.50 or more | — | — | — | — | — | — |",
    ]
    assert with_points(point, split="dev") is None, "a threshold is chosen there"
    assert with_points() is None and operating_points.section(findings()) is None
    former = text(with_points({"wanted": 0.9, "threshold": over(0.4)}))
    assert "earlier version" in former and "| type" not in former


def test_the_importance_of_each_parameter_and_of_noise() -> None:
    shares = (Share("alpha", 0.7), Share("student_lr", 0.2), Share("T", 0.1))
    found = findings(importance=Importance(shares, 0.3, 20, 0.1, ("beta", "loss")))
    shown = text(parameters.section(found, {"importance": FIGURE}))
    rows = [line for line in shown.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[1:] for row in rows] == [
        ["70 %", "yes |"],
        ["20 %", "no |"],
        ["10 %", "no |"],
        ["30 %", " |"],
    ]
    assert "beta, loss" in shown and "20 complete trials" in shown and "caption of the figure" in shown
    whole = text(parameters.section(findings(importance=Importance(shares, 0.3, 20, 0.1, ())), {}))
    assert "Without an importance" not in whole and "caption" not in whole
    assert parameters.section(findings(importance=Unknown("few")), {}) is None


def test_where_the_numbers_come_from() -> None:
    about = {"sampler": "tpe", "seed": 7, "source": "a|b.db", "missing": ("It lacks x.",)}
    shown = text(provenance.section(findings(study(**about))))
    assert "| Sampler | tpe |" in shown and "| Seed | 7 |" in shown and "| Read from | `a\\|b.db` |" in shown
    assert "| Pruner | not recorded |" in shown and "- It lacks x." in shown
    assert "| Seed | 0 |" in text(provenance.section(findings(study(seed=0)))), "zero is a seed"
    table = text(provenance.section(findings(study(**about, space_source="observed"))))
    assert "| Sampler | tpe |" in table and "not recorded" not in table


def test_the_audit_s_rows_are_cut_and_its_numbers_flush_right() -> None:
    rows = [{"id": f"x{n}", "mixed": "a" if n else 1, "n": n} for n in range(3)]
    whole, cut = audit._table(rows, 3), audit._table(rows, 2)
    assert (whole.numeric, whole.caption, len(whole.rows)) == (frozenset({2}), None, 3)
    assert len(cut.rows) == 2 and cut.caption is not None and "2 of 3" in cut.caption
    assert audit._table([{"a": None, "b": 1.23456}], 5).rows == (("—", "1.235"),)
    assert len(audit._cell("x" * 5000)) == audit.LONGEST_CELL and audit._cell(0) == "0"


def test_a_base_config_that_is_recommended_may_have_no_distillation_gain() -> None:
    base = {"contender": "base", "kind": "base"}
    measured = made("distillation_gain", first="base", second="base_student_alone")
    other = made("distillation_gain", first="trial_0001", second="trial_0001_student_alone")
    for comparisons, chosen, is_said in (
        ((), base, True), ((other,), base, True), ((measured,), base, False), ((), {}, False),
    ):  # fmt: skip
        said = confirmation._unmeasured(confirmed(comparisons=comparisons, recommendation=chosen))
        assert bool(said) is is_said


def test_what_a_task_counts_with_has_a_column_where_one_counts_with_something_else() -> None:
    kappa = task(score={**SCORE, "name": "auroc", "mean": 0.25})
    own = contenders._tasks(confirmed(chosen=contender(tasks={"type": kappa, "site": task()})), "test")
    assert own.header[-1] == "What the task counts with"
    rows = {(str(row[0]), row[1]): str(row[-1]) for row in own.rows}
    assert any("0.2500" in shown for shown in rows.values()) and len(own.rows) == 3
    assert contenders._tasks(confirmed(), "test").header[-1] == "AUC"


def test_of_each_task_forty_classes_are_listed() -> None:
    many = {f"c{n:02}": {"support": 7, "recall": SCORE} for n in range(50)}
    shown = text(recommended.classes(confirmed(chosen=contender(tasks={"type": task(classes=many)}))))
    assert "| c39 |" in shown and "| c40 |" not in shown


def test_one_answer_that_is_given_and_one_that_is_open() -> None:
    open_ = "not significantly different"

    def said(gain: str | None, distilled: str | None) -> str:
        both = [
            None if verdict is None else made("tuning_gain", verdict=verdict) for verdict in (gain, distilled)
        ]
        return " ".join(conclusion._helped(both[0], both[1], " of trial 3"))

    assert said("better", open_).startswith("Tuning improved") and "did not" in said("better", open_)
    assert "Neither" in said(open_, open_) and "of trial 3" in said(open_, open_)
    assert "Neither" not in said(open_, "worse") and "made the score worse" in said(open_, "worse")
    assert "Distillation" not in said("worse", None) and said(None, None) == ""
    assert "Tuning" not in said(None, "better") and "of trial 3 improved" in said(None, "better")


def test_how_many_trials_ran_at_once_is_said_of_several_workers_alone() -> None:
    def shown(*workers: str) -> str:
        trials = [
            TrialRecord(n, "complete", 0.5, seconds=60.0, worker=name) for n, name in enumerate(workers)
        ]
        return text(efficiency.section(findings(study(*trials))))

    assert "at once" not in shown("w0", "w0")
    start = datetime(2026, 1, 2, tzinfo=UTC)
    end = start + timedelta(seconds=60)
    for second, is_said in (("w1", True), ("w0", False)):
        trials = [
            TrialRecord(n, "complete", 0.5, started=start, finished=end, seconds=60.0, worker=name)
            for n, name in enumerate(("w0", second))
        ]
        said = text(efficiency.section(findings(study(*trials))))
        assert ("On average 2.0 trials ran at once" in said) is is_said


def test_a_stage_that_took_no_time_has_a_row_all_the_same() -> None:
    staged = TrialRecord(0, "complete", 0.5, seconds=50.0, stage_seconds={"teacher": 0.0, "student": 50.0})
    shown = "".join(map(text, time._stages(findings(study(staged)), {})))
    assert (
        "| teacher | 0.0 s | 0 % |" in shown
        and "| student | 50 s | 100 % |" in shown
        and "between" not in shown
    )


def test_a_study_of_teachers_that_could_not_be_read_is_named() -> None:
    about: dict[str, Any] = {"teacher_study": {"name": "t_teacher", "seconds": 90.0}}
    said = "".join(map(text, efficiency._unread_teachers(findings(study(**about)))))
    assert "t_teacher" in said and "1.5 min" in said
    untimed = {"teacher_study": {"name": "t", "seconds": "long"}}
    assert "in all" not in "".join(map(text, efficiency._unread_teachers(findings(study(**untimed)))))
    read = study(**about, teacher_record=study(strategy="teacher"))
    assert list(efficiency._unread_teachers(findings(read))) == []
    assert list(efficiency._unread_teachers(findings())) == []


def test_the_base_config_comes_first_and_then_the_config_to_use() -> None:
    others = {
        "trial_0003": contender(trial=3),
        "base_student_alone": contender("student_alone"),
        "majority": contender("baseline"),
    }
    found = confirmed(contenders=others, comparisons=(made("tuning_gain", first="trial_0003"),))
    (table,) = improvement._beside(found)
    assert isinstance(table, TableBlock)
    assert [str(row[0]).partition(",")[0] for row in table.rows] == [
        "The base config",
        "Trial 1",
        "Trial 3",
        "The base config's student without a teacher",
    ]
    assert ["config to use" in str(row[0]) for row in table.rows] == [False, True, False, False]
    assert ["best of the search" in str(row[0]) for row in table.rows] == [False, False, True, False]


def test_the_next_best_trials_are_counted() -> None:
    assert [improvement._next_best(count) for count in (1, 2)] == [
        "the next best trial",
        "the 2 next best trials",
    ]


def test_base_and_best_of_a_search_side_by_side() -> None:
    def shown(base: Any, gain: Any, best: float = 0.75) -> str:
        found = Baseline(base, TrialRecord(1, "complete", best), gain)
        return "".join(map(text, improvement._searched(findings(), found)))

    base = TrialRecord(0, "complete", 0.5)
    assert "| one seed each, not confirmed | 0.5000 | 0.7500 | +0.2500 |" in shown(base, 0.25)
    assert "no baseline" in shown(base, Unknown("no baseline"))
    first = Baseline(TrialRecord(1, "complete", 0.5), TrialRecord(1, "complete", 0.5), 0.0)
    assert first.is_base_best and "|" not in "".join(map(text, improvement._searched(findings(), first)))


ALPHA = Parameter("alpha", "float", 0.1, 1.0, log=True)
GAMMA = Parameter("gamma", "float", 0.1, 1.0, when={"loss": ("combined", "crd"), "sampler": ("a",)})


def test_the_space_that_was_searched() -> None:
    whole = text(methodology._space(findings(study(space={"alpha": ALPHA, "gamma": GAMMA}))))
    assert "| `alpha` (label weight) | [0.1, 1.0] (log scale) | always |" in whole
    assert "`loss` is combined or crd, `sampler` is a |" in whole and "no record of its space" not in whole
    plain = text(methodology._space(findings(study(space={"alpha": ALPHA}))))
    assert "Searched when" not in plain and "(log scale) |" in plain
    table = text(methodology._space(findings(study(space={"alpha": ALPHA}, space_source="observed"))))
    assert "log scale" not in table and "Values in the table" in table and "smallest and largest" in table
    drawn = text(methodology._space(findings(study(space={"alpha": ALPHA}, space_source="distributions"))))
    assert "no record of its space" in drawn and "(log scale)" in drawn
    first = study(space={"teacher_lr": ALPHA}, strategy="teacher")
    both = text(methodology._space(findings(study(space={"alpha": ALPHA}, teacher_record=first))))
    assert "`teacher_lr`" in both and "`alpha`" in both
    assert "no search space" in text(methodology._space(findings()))


def test_the_checklist_counts_what_the_report_and_its_appendix_answer() -> None:
    page = Document("r", line("s"), (), (Section("Usage"),), appendix=(Section("Subgroups"),))
    checklist = tripod_ai(page)
    (table,) = checklist.sections[0].blocks
    assert isinstance(table, TableBlock)
    rows = {str(row[0]): str(row[2]) for row in table.rows}
    assert (rows["12g"], rows["14"], rows["23a"]) == ("Usage", "Subgroups", "Subgroups")
    answered = sum(given not in ("", "missing") for given in rows.values())
    assert answered == 4 and f"{answered} of {len(rows)} " in text(checklist.lead[0])


def test_a_page_shows_no_control_character_and_no_markup_of_others() -> None:
    hostile = "\x1b[31m<script>&"
    page = html.render(Document(hostile, line(hostile), (), (Section("s", (paragraph(hostile),)),)))
    long = "x" * 3000
    assert long in html.render(Document("r", line(Code(long)), (), ())).replace("<wbr>", "")
    assert "\x1b" not in page and "<script>&" not in page and page.count("[31m&lt;script&gt;&amp;") >= 3


@pytest.mark.parametrize(("truth", "shown"), [("c6", 6), ("c2", 5), ("gone", 5)])
def test_the_most_probable_classes_and_the_label_are_named(truth: str, shown: int) -> None:
    held = tuple((f"c{n}", 0.3 - n / 100) for n in range(8))
    one = mistakes._shown(Mistake("x", "g", truth, "c0", held, "", ""), Config())
    assert one.probabilities[:5] == held[:5] and len(one.probabilities) == shown
    assert one.picture is None and (truth != "c6" or one.probabilities[5] == held[6])


def test_what_is_missing_for_an_item_of_the_checklist() -> None:
    item = Item("1", "what", ("A", "B", "C"))
    assert _without(item, {"B"}) == "no section A, C"
    assert _without(replace(item, remedy="--x"), {"B"}) == "no section A, C; it comes with --x"


def test_what_a_document_is_made_of() -> None:
    assert text_of(subtitle("s")) == "Study s" and text_of(subtitle(None)) == "Study without a name"
    assert text_of(names(["a", "b", "c"])) == "a, b, c" and names([]) == ()
    for row in (("x",), ("x", "y", "z")):
        with pytest.raises(ValueError, match="2 headers"):
            TableBlock(("a", "b"), (("x", "y"), row))
    inner = replace(FIGURE, name="inner")
    assert _figures(Section("a", (FIGURE,), (Section("b", (inner,)),))) == [FIGURE, inner]
    page = Document("r", line("s"), (), (Section("a", (FIGURE,)),), appendix=(Section("b", (inner,)),))
    assert page.figures == [FIGURE, inner], "those of the appendix are files, too"


def test_of_a_table_what_it_lacks_is_left_out_and_what_is_wrong_with_it_stays() -> None:
    lacking, wrong = missing("no epochs"), caution("too few")
    inner = Section("inner", (lacking, wrong))
    sections = [
        Section("a", (lacking, wrong), (inner,)),
        Section("b", (lacking,), (Section("c", (lacking,)),)),
    ]
    assert list(_known(sections)) == [Section("a", (wrong,), (Section("inner", (wrong,)),))]


@pytest.mark.parametrize("source", ["sqlite:///s.db", None])
def test_a_report_ends_with_what_it_was_made_from(source: str | None) -> None:
    assert (source or "an open study") in text_of(build(findings(study(source=source)), {}, Written()).footer)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (("better",), ()),
        (("worse",), ("Simple baselines significantly better than",)),
        (("not significantly different",), ("Simple baselines not significantly different from",)),
        (("worse", "not significantly different"),
         ("Simple baselines significantly better than", "Not significantly different from")),
    ],
)  # fmt: skip
def test_baselines_that_are_not_beaten(verdicts: tuple[str, ...], said: tuple[str, ...]) -> None:
    names = ("majority", "tfidf")[: len(verdicts)]
    against = [
        made("against_baseline", second=name, verdict=verdict)
        for name, verdict in zip(names, verdicts, strict=True)
    ]
    others = {name: contender("baseline") for name in names}
    found = confirmed(comparisons=tuple(against), contenders=others)
    lines = list(conclusion._baselines(findings(numbers=found), found))
    assert [start for start, line in zip(said, lines, strict=False) if line.startswith(start)] == list(said)
    assert len(lines) == len(said) + bool(said)

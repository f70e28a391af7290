"""What the first screen, the cautions and the closing say of a few numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from by_hand import findings, folder, made, numbers, study, text

from distune.analysis.baseline import Baseline
from distune.analysis.cost import Saving
from distune.analysis.dev_noise import DevNoise
from distune.analysis.findings import Findings
from distune.analysis.ranking import FailureKind
from distune.analysis.recommendations import Recommendations
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import Phase
from distune.analysis.teacher import TeacherEvaluation
from distune.reporting import first_screen, notices
from distune.reporting.sections import conclusion, efficiency, improvement

OPEN = "not significantly different"
SCORE = {"mean": 0.8, "low": 0.7, "high": 0.9, "seeds": 3}


def contender(
    kind: str = "trial", mean: float = 0.8, dev: float | None = None, **about: Any
) -> dict[str, Any]:
    splits = {"test": {"score": {**SCORE, "mean": mean}, **about.pop("evaluated", {})}}
    if dev is not None:
        splits["dev"] = {"score": {**SCORE, "mean": dev}}
    return {"kind": kind, "trial": 1, "is_base": kind == "base", "rank": None, "search_score": 0.85,
            "splits": splits, **about}  # fmt: skip


def confirmed(*comparisons: dict[str, Any], reason: str = "highest", **about: Any) -> dict[str, Any]:
    held = {
        "trial_0001": contender(rank=1),
        "base": contender("base", 0.75, rank=2),
        **about.pop("contenders", {}),
    }
    recommendation = {
        "contender": "trial_0001", "config": "recommended.yaml", "searched": 15, "reason": reason,
        "candidates": about.pop("candidates", {}),
    }  # fmt: skip
    return numbers(
        *comparisons,
        contenders=held,
        recommendation={**recommendation, **about.pop("recommendation", {})},
        **{"optimistic": False, "optimism": None, "examples": {"test": {"cases": 60}}, **about},
    )


def screen(found: dict[str, Any], **values: Any) -> dict[str, tuple[str, str]]:
    """The answers by what they answer."""
    shown = first_screen.headlines(findings(numbers=found, **values))
    return {one.label: (one.value, one.remark) for one in shown}


def test_the_score_says_what_it_is_the_mean_of() -> None:
    label = "Score on test (held-out cases)"
    value, note = screen(confirmed())[label]
    assert (
        value == "0.8000"
        and "mean of 3 seeds; 95 % interval 0.7000 to 0.9000" in note
        and "uncertain" not in note
    )
    two = screen(confirmed(seeds=[1, 2]))[label][1]
    assert two.endswith("two seeds make it uncertain")
    few = contender(rank=1)
    few["splits"]["test"]["score"] |= {"low": None}
    assert "no interval: too few cases" in screen(confirmed(contenders={"trial_0001": few}))[label][1]
    apart = {"scores": [0.35, 0.96], "over_seeds": {"mean": 0.65, "low": None, "high": None}}
    few["splits"]["test"] |= apart
    assert "no interval: too few seeds" in screen(confirmed(contenders={"trial_0001": few}))[label][1]
    few["splits"]["test"] |= {"over_seeds": {"mean": 0.65, "low": 0.5, "high": 0.8}}
    assert "no interval: too few cases" in screen(confirmed(contenders={"trial_0001": few}))[label][1]
    loaded = {"trial_0001": contender(rank=1, evaluated={"scores": [0.77, 0.8, 0.83]})}
    assert "of the first seed: 0.7700" in screen(confirmed(contenders=loaded))[label][1]
    one = screen(confirmed(contenders=loaded, seeds=[1]))[label][1]
    assert "first seed" not in one and "uncertain" not in one
    scored_by = {"t": {"kind": "single_label", "score": "auroc", "weight": 1.0}}
    assert screen(confirmed(scored_by=scored_by))[label][1].startswith("mean over tasks of the area under")
    assert "Score on test (held-out cases; third look at test)" in screen(confirmed(opening={"number": 3}))
    assert "Score on test, which the search has seen" in screen(confirmed(optimistic=True))


def test_new_cases_are_forecast() -> None:
    forecast = {"cases": 60, "low": 0.6, "high": 0.95, "seeds": 3}
    held = {"trial_0001": contender(rank=1, evaluated={"forecast": forecast})}
    label = "Expected on 60 new cases of the same kind"
    assert screen(confirmed(contenders=held))[label] == ("0.6000 to 0.9500", "with 95 % probability")
    assert "too optimistic" in screen(confirmed(contenders=held, optimistic=True))[label][1]
    forecast["seeds"] = 1
    assert "by this one training" in screen(confirmed(contenders=held))[label][1]


LIKELY = {"probability_best": 0.84}
OTHERS = {"alone": contender("student_alone")} | {f"trial_000{n}": contender(trial=n) for n in (3, 4)}


@pytest.mark.parametrize(
    ("found", "tokens"),
    [
        (confirmed(reason="base_is_best"), ["none of 15"]),
        (confirmed(reason="one_case_decides"), ["highest mean", "single case"]),
        (confirmed(made("tuning_gain", verdict=OPEN)), ["highest", "not shown"]),
        (confirmed(made("tuning_gain", verdict=OPEN), reason="smallest_of_equals"), ["smallest", "not shown"]),
        (confirmed(made("tuning_gain", first="trial_0002", verdict=OPEN)), []),
        (confirmed(made("tuning_gain"), candidates={"trial_0001": LIKELY, "base": {}}),
         ["84 %", "1 trial and the base config"]),
        (confirmed(made("tuning_gain"), candidates={"trial_0001": LIKELY, "trial_0003": {}, "base": {}, "alone": {}},
                   contenders=OTHERS), ["84 %", "2 trials, the base config and a student"]),
        (confirmed(made("tuning_gain")), []),
    ],
)  # fmt: skip
def test_why_this_config(found: dict[str, Any], tokens: list[str]) -> None:
    why = first_screen._how_sure(found)
    assert bool(why) is bool(tokens) and all(token in why for token in tokens), why


@pytest.mark.parametrize(
    ("kind", "label"),
    [("tuning_gain", first_screen.TUNING), ("distillation_gain", first_screen.DISTILLATION)],
)
def test_what_was_planned_and_not_compared_says_why(kind: str, label: str) -> None:
    missing = [{"kind": kind, "first": "trial_0001", "second": "base", "reason": "a single case"}]
    assert screen(confirmed(comparisons_missing=missing))[label][1] == "a single case"
    assert screen(confirmed())[label][1] != "a single case"


def test_whether_tuning_helped() -> None:
    label = first_screen.TUNING
    value, note = screen(confirmed())[label]
    assert value == "Not known" and "was not compared" in note
    ahead = {"base": contender("base", rank=1)}
    assert screen(confirmed(contenders=ahead))[label][0] == "No gain found"
    measured = confirmed(made("tuning_gain", verdict="worse"), contenders=ahead)
    assert screen(measured)[label][0] == "No: +0.1000", "what was measured is said"
    value, note = screen(confirmed(made("tuning_gain")))[label]
    assert value == "Yes: +0.1000" and note.startswith("trial 1 over the base config; 95 % interval")
    assert "expect" not in note
    candidates = {"trial_0001": {"expected_gain": 0.04}}
    both = {"trial_0003": contender(trial=3)}
    shrunk = screen(confirmed(made("tuning_gain"), candidates=candidates, contenders=both))[label][1]
    assert re.search(r"\b2 of 15 .* \+0\.0400$", shrunk)
    other = confirmed(made("tuning_gain", first="trial_0003"), contenders=both,
                      candidates={"trial_0003": {"expected_gain": 0.04}})  # fmt: skip
    assert "expect" not in screen(other)[label][1], "it was not picked"
    alone = screen(confirmed(made("tuning_gain"), candidates=candidates))[label][1]
    assert "expect" not in alone, "one trial was not picked among several"


def test_whether_distillation_helped() -> None:
    label = first_screen.DISTILLATION
    assert screen(confirmed())[label][0] == "Not measured"
    own = screen(confirmed(made("distillation_gain", second="x", verdict="worse")))[label]
    assert own[0] == "No: +0.1000" and "not measured for" not in own[1]
    other = {"trial_0003": contender(trial=3)}
    found = confirmed(made("distillation_gain", first="trial_0003", second="x"), contenders=other)
    value, note = screen(found)[label]
    assert value == "Yes, for trial 3: +0.1000" and note.endswith("not measured for trial 1")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("better", None), ("worse", "significantly better than"), (OPEN, "not significantly different from")],
)  # fmt: skip
def test_a_baseline_that_is_not_beaten_is_on_the_first_screen(verdict: str, said: str | None) -> None:
    held = {"majority": contender("baseline", 0.77)}
    found = screen(confirmed(made("against_baseline", second="majority", verdict=verdict), contenders=held))
    label = "Strongest simple baseline"
    if said is None:
        assert label not in found
    else:
        assert found[label] == ("0.7700", f"always naming the most frequent class; {said} trial 1")


def test_the_answers_of_a_confirmed_study_and_their_order() -> None:
    forecast = {"cases": 60, "low": 0.6, "high": 0.95, "seeds": 3}
    held = {
        "trial_0001": contender(rank=1, parameters={"total": 7}, evaluated={"forecast": forecast}),
        "majority": contender("baseline", 0.77),
    }
    failing = study(TrialRecord(0, "complete", 0.5), TrialRecord(1, "failed", failure_kind="crash"))
    found = confirmed(made("against_baseline", second="majority", verdict=OPEN), contenders=held)
    shown = first_screen.headlines(findings(failing, numbers=found))
    assert [one.label for one in shown] == [
        first_screen.CONFIG, "Score on test (held-out cases)", "Expected on 60 new cases of the same kind",
        first_screen.TUNING, first_screen.DISTILLATION, "Strongest simple baseline", "Failed trials",
        "Student's size",
    ]  # fmt: skip
    assert [one.value for one in shown][-2:] == ["1 of 2", "7 parameters"]


def test_held_out_examples_that_are_elsewhere_too_are_said_beside_the_score() -> None:
    found = [
        {"kind": kind, "severity": severity, "title": f"{kind} shared", "detail": "3 of 60 (5 %)"}
        for kind, severity in (("images_across_splits", "warning"), ("groups_across_splits", "info"),
                               ("same_captions_across_splits", "warning"), ("small", "warning"))
    ]  # fmt: skip
    image = {"student": {"vision": {"name": "deit"}}}
    both = {"student": {"vision": {"name": "deit"}, "text": {"name": "bert"}}}
    said = [first_screen._shared_with_other_splits(findings(study(base_config=base), audit={"findings": found}))
            for base in (image, both)]  # fmt: skip
    assert said[0] == "; not all held out: images_across_splits shared, 3 of 60"
    assert said[1] == said[0] + "; not all held out: same_captions_across_splits shared, 3 of 60"
    assert first_screen._shared_with_other_splits(findings()) == ""


def test_before_a_confirmation() -> None:
    def shown(*trials: TrialRecord, **about: Any) -> dict[str, tuple[str, str]]:
        found = first_screen.headlines(findings(study(*trials, **about)))
        return {one.label: (one.value, one.remark) for one in found}

    assert shown(TrialRecord(0, "failed"))[first_screen.CONFIG][0] == "None yet"
    base, best = TrialRecord(0, "complete", 0.5, baseline=True), TrialRecord(1, "complete", 0.6)
    found = shown(base, best, metric="kappa")
    assert found[first_screen.CONFIG][0] == "trial 1" and found[first_screen.TUNING][0] == "Not confirmed"
    assert found[first_screen.TUNING][1].startswith("+0.1000 over the base config")
    assert found["Score on dev"][1].startswith("kappa; its interval is not known; too optimistic")
    first = shown(replace(base, value=0.7), best)
    assert first[first_screen.CONFIG][0] == "the base config" and first[first_screen.TUNING][0] == "No"
    assert shown(best, TrialRecord(2, "complete", 0.5))[first_screen.TUNING][0] == "Not known"
    assert shown(best)["Complete trials"][0] == "1" and "Complete trials" not in found
    two = shown(
        *(replace(best, number=n) for n in range(20)), TrialRecord(20, "failed", failure_kind="crash")
    )
    assert "Failed trials" not in two, "one of many is no reason to look"
    failing = shown(best, *(TrialRecord(number, "failed", failure_kind="crash") for number in (2, 3, 4)))
    assert failing["Failed trials"][0] == "3 of 4" and "Failed trials" not in found
    assert failing["Complete trials"][0] == "1"
    table = shown(base, best, space_source="observed")
    assert table[first_screen.DISTILLATION][0] == "Not known" and "Score" in table
    assert "no config file" in table[first_screen.CONFIG][1]
    assert "no config file" not in found[first_screen.CONFIG][1]


def test_beside_the_config_to_use_stand_its_file_and_why_as_far_as_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "best_config.yaml").touch()
    placed = findings(study(folder=tmp_path))
    said = [first_screen._file_and(*given) for given in ((placed, "why"), (placed, ""), (findings(), "why"))]
    assert said == ["best_config.yaml; why", "best_config.yaml", "why"]


def test_the_metric_of_another_program_is_shown_and_never_obeyed() -> None:
    assert (
        first_screen._metric(findings(study(metric="a\x1b[31m\nb"))) == "a\N{REPLACEMENT CHARACTER}[31m b; "
    )
    assert first_screen._metric(findings(study(metric=None))) == ""


def test_the_score_of_a_search_has_the_interval_that_its_examples_give() -> None:
    found = first_screen.headlines(findings(noise=NOISE))
    (remark,) = (one.remark for one in found if one.label.startswith("Score"))
    assert "0.7000 to 0.9500" in remark


def taught(
    score: float, student: float, regression: float | None = None, seeds: int = 3
) -> TeacherEvaluation:
    return TeacherEvaluation(score, student, regression, "test", seeds)


NOISE = DevNoise(1, 80, 20, 0.8, 0.7, 0.95, 1, 2)


@pytest.mark.parametrize(
    ("teacher", "noise", "said"),
    [
        (taught(0.9, 0.8), NOISE, None),
        (taught(0.75, 0.8), NOISE, "has little to teach"),
        (taught(0.75, 0.8, seeds=1), NOISE, None),  # within what the examples move its student
        (taught(0.69, 0.8, seeds=1), NOISE, "may have little to teach"),
        (taught(0.75, 0.8, seeds=1), Unknown("x"), "may have little to teach"),
        (taught(0.9, 0.8, 0.95), NOISE, "below logistic regression on frozen features"),
        (taught(0.7, 0.8, 0.95), NOISE, "below its student and logistic regression on frozen features"),
        (None, NOISE, None),
    ],
)
def test_a_teacher_with_nothing_to_teach_is_named_first(
    teacher: TeacherEvaluation | None, noise: Any, said: str | None
) -> None:
    shown = "".join(map(text, notices._cautions(findings(teacher=teacher, noise=noise))))
    assert said in shown if said else "teach" not in shown


def test_what_has_to_be_known_before_a_number_is_used(tmp_path: Path) -> None:
    def cautions(found: Findings) -> str:
        return "".join(map(text, notices._cautions(found)))

    audit = {"findings": [{"severity": one, "title": f"{one} title"} for one in ("severe", "warning")]}
    misled = cautions(findings(audit=audit))
    assert "1 severe finding: severe title." in misled and "warning" not in misled
    assert cautions(findings()) == cautions(findings(study(folder=tmp_path))) == ""
    damaged = findings(
        study(folder=folder(tmp_path / "s", "confirmation.json")), confirmation=Unknown("is damaged")
    )
    assert "is damaged" in cautions(damaged)
    former = findings(confirmation=ConfirmationRecord(confirmed(), is_current=False))
    assert "out of date" in cautions(former)
    assert cautions(findings(numbers=confirmed())) == ""
    assert "One seed" in cautions(findings(numbers=confirmed(seeds=[1])))
    assert cautions(findings(numbers=confirmed(seeds=[1, 2]))) == ""
    assert "Some runs" in cautions(findings(numbers=confirmed(complete=False)))
    trials = *(TrialRecord(number, "complete", 0.5) for number in range(4)), TrialRecord(4, "failed")
    for searched, token in ((3, "1 trial completed"), (1, "3 trials completed"), (4, "")):
        found = confirmed(recommendation={"searched": searched})
        said = cautions(findings(study(*trials), numbers=found))
        assert token in said and ("went on" in said) is bool(token), "a failed one was no candidate"
    then = confirmed()
    then["recommendation"] = {**then["recommendation"], "searched": 1}
    three = tuple(TrialRecord(n, "complete", value) for n, value in enumerate((0.5, 0.75, 0.25)))
    later = findings(study(*three), numbers=then)
    assert "2 trials completed after the confirmation" in cautions(later)


def commands(found: Findings) -> str:
    return "\n".join(notices._commands(found))


def test_the_next_command(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", "best_config.yaml", "recommended.yaml")
    searched = commands(findings(study(folder=place)))
    assert f"distune confirm {place}" in searched and searched.startswith("# train the best trials again")
    assert "distune status s" in commands(findings(study(TrialRecord(0, "failed"))))
    assert "distune init metadata.csv" in commands(findings(study(space_source="observed")))
    done = commands(findings(study(folder=place), numbers=confirmed(made("tuning_gain"))))
    assert f"distune evaluate {place}" in done and f"distune export {place} --out bundle" in done
    assert "confirm" not in done and done.startswith("# evaluate")
    weak = commands(findings(study(folder=place), teacher=taught(0.1, 0.8), noise=NOISE))
    assert f"distune tune --config {place}/best_config.yaml --n-trials 30 --study-name better_teacher" in weak
    assert "# or, if you accept this: train" in weak
    folded = commands(findings(study(folder=place, folds=3), teacher=taught(0.1, 0.8), noise=NOISE))
    assert "--study-name better_teacher --folds 3" in folded, "as this study searched"


@pytest.mark.parametrize("many", [True, False])
def test_values_at_which_many_trials_failed_are_said_before_more_of_them(many: bool) -> None:
    def shown(**apart: tuple[float, float]) -> str:
        found = findings(recommendations=Recommendations("flat", (), many))
        failure = FailureKind("crash", (3,), "m", apart)
        return "\n".join(notices._narrow(replace(found, ranking=replace(found.ranking, failures=(failure,)))))

    said = shown(student_lr=(0.1, 0.5), batch=(32.0, 64.0))
    assert ("student_lr 1.00e-01 to 5.00e-01 or batch 32 to 64" in said) is many and shown() == ""


@pytest.mark.parametrize(
    ("verdict", "seeds", "opening", "said"),
    [
        (OPEN, 3, {"number": 1, "openings": [{}]}, "--seeds 5 --again"),
        (OPEN, 3, None, "--seeds 5"),
        (OPEN, 5, None, None),
        ("better", 3, None, None),
        ("worse", 1, None, None),
    ],
)
def test_more_seeds_where_few_leave_the_answer_open(
    verdict: str, seeds: int, opening: Any, said: str | None
) -> None:
    found = confirmed(made("tuning_gain", verdict=verdict), seeds=list(range(seeds)), opening=opening)
    lines = notices._more_seeds(study(), found)
    assert bool(lines) is bool(said) and (said is None or lines[1] == f"distune confirm s {said}")
    assert ("second look" in "".join(lines)) is bool(opening)
    assert notices._more_seeds(study(), None) == [] == notices._more_seeds(study(), confirmed(seeds=[1]))


def test_a_simple_model_that_is_better_is_named_before_the_export() -> None:
    held = {"majority": contender("baseline", 0.9)}
    worse = confirmed(
        made("tuning_gain"), made("against_baseline", second="majority", verdict="worse"), contenders=held
    )
    assert "# where no input is available" in commands(findings(numbers=worse))
    first = confirmed(
        made("tuning_gain", verdict=OPEN),
        made("against_baseline", second="majority", verdict="worse"),
        contenders=held,
        opening=None,
    )
    assert "--seeds" in commands(findings(numbers=first)), "one step first"
    assert "# where" not in commands(findings(numbers=first))
    needs_text = {"text_tfidf": contender("baseline", 0.9)}
    of_words = confirmed(
        made("tuning_gain"),
        made("against_baseline", second="text_tfidf", verdict="worse"),
        contenders=needs_text,
    )
    reads = {"student": {"vision": {"name": "deit"}, "text": {"name": "bert"}}}
    assert "# where the text is available" in commands(findings(study(base_config=reads), numbers=of_words))
    equal = confirmed(
        made("tuning_gain"), made("against_baseline", second="majority", verdict=OPEN), contenders=held
    )
    assert "scores better" not in commands(findings(numbers=equal))


def closing(found: dict[str, Any], **values: Any) -> str:
    return " ".join(conclusion._sentences(findings(numbers=found, **values)))


def test_the_closing() -> None:
    assert "No trial is complete" in " ".join(
        conclusion._sentences(findings(study(TrialRecord(0, "failed"))))
    )
    assert "nothing about it is confirmed" in " ".join(conclusion._sentences(findings()))
    table = " ".join(conclusion._sentences(findings(study(space_source="observed"))))
    assert re.search(r"Trial 1 .*table\b", table)
    both = closing(confirmed(made("tuning_gain"), made("distillation_gain", second="x", verdict="worse")))
    assert re.match(r"Use trial 1\b.* Tuning improved .* Distillation made .* worse\b", both)
    assert "rests on 60 cases" in both
    neither = closing(
        confirmed(made("tuning_gain", verdict=OPEN), made("distillation_gain", second="x", verdict=OPEN))
    )
    assert "as the better bet" in neither and "Neither tuning nor distillation brought" in neither
    assert "as the better bet" in closing(confirmed()), "not compared is not shown either"
    other = {"trial_0003": contender(trial=3)}
    of_other = closing(confirmed(made("distillation_gain", first="trial_0003", second="x"), contenders=other))
    assert "Distillation of trial 3 improved" in of_other and "Tuning" not in of_other
    assert "found no trial above" in closing(confirmed(contenders={"base": contender("base", rank=1)}))
    assert "no test split" in closing(confirmed(optimistic=True)) and "rests" not in closing(
        confirmed(optimistic=True)
    )
    assert "(second look at test)" in closing(confirmed(opening={"number": 2}))


def test_the_closing_names_baselines_that_are_not_beaten() -> None:
    held = {name: contender("baseline", 0.7) for name in ("majority", "features_image", "own")}
    found = confirmed(
        made("against_baseline", second="majority", verdict="worse", difference=-0.1),
        made("against_baseline", second="features_image", verdict=OPEN, difference=-0.05),
        made("against_baseline", second="own"),
        contenders=held,
    )
    said = closing(found)
    assert "better than trial 1: always naming" in said
    assert "different from trial 1: logistic regression" in said
    assert "simpler and better" in said
    beaten = closing(confirmed(made("against_baseline", second="own"), contenders=held))
    assert "Simple baselines" not in beaten and "simpler" not in beaten


def test_optimism_is_what_the_interval_of_the_loss_shows() -> None:
    def said(low: float | None, mean: float, **about: Any) -> str:
        loss = {"on": "test", "mean": mean, "low": low, "high": 0.2, "seeds": 5}
        found = confirmed(optimism={"loss": loss, "search_score": 0.9}, **about)
        base = Baseline(Unknown("x"), TrialRecord(1, "complete", 0.9), Unknown("x"))
        return "".join(map(text, improvement._optimism(findings(), base, found)))

    assert "too optimistic about trial 1" in said(0.01, 0.1) and "0.1000" in said(0.01, 0.1)
    assert re.search(r"0\.8000 on test, not significantly", said(-0.01, 0.1))
    assert re.search(r"0\.9500 on test, no lower", said(-0.2, -0.05))
    assert "not significantly lower" in said(None, 0.1)
    base = Baseline(Unknown("x"), TrialRecord(1, "complete", 0.9), Unknown("x"))
    assert list(improvement._optimism(findings(), base, confirmed())) == []


def test_how_much_lower_all_models_score_where_nothing_was_picked() -> None:
    held = {"trial_0001": contender(mean=0.8, dev=0.85), "base": contender("base", 0.7, dev=0.72),
            "majority": contender("baseline", 0.5, dev=0.4)}  # fmt: skip
    assert "0.0200 to 0.0500 higher than on test" in improvement._from_dev_to_test(confirmed(contenders=held))
    held["base"] = contender("base", 0.7, dev=0.7)
    assert improvement._from_dev_to_test(confirmed(contenders=held)) == ""
    assert improvement._from_dev_to_test(confirmed()) == ""


@pytest.mark.parametrize(
    ("equal", "compared", "groups", "said"),
    [
        (0, 3, 20, r"80 .* 20 cases .* trial 1 is significantly better .* all of .* 3 "),
        (0, 1, None, r"80 dev examples alone, trial 1 is significantly better than the next best trial\."),
        (2, 3, 20, r"trial 1 is not significantly .* 2 of the 3 "),
        (1, 1, 20, r"trial 1 is not significantly better than the next best trial\."),
    ],
)
def test_which_trials_the_examples_tell_apart(
    equal: int, compared: int, groups: int | None, said: str
) -> None:
    found = improvement.distinguished(replace(NOISE, equal=equal, compared=compared, groups=groups))
    assert re.search(said, found), found


def test_what_open_answers_exclude_and_what_could_have_been_detected() -> None:
    found = confirmed()
    open_, closed = (
        made("tuning_gain", verdict=OPEN, high=0.03),
        made("distillation_gain", verdict=OPEN, high=0.01),
    )
    assert improvement._excluded(found, [open_, closed]).endswith(
        " excluded for distillation, not excluded for tuning."
    )
    assert improvement._excluded(found, [made("tuning_gain")]) == ""
    about = {"difference": 0.02, "family_low": -0.02, "family_high": 0.06, "standard_error": 0.02}
    assert "about +0.0568" in improvement._detectable(made("tuning_gain", power=0.5, **about))
    cut = {**about, "difference": 0.98, "family_low": 0.94, "family_high": 1.0}
    assert "about +0.0568" in improvement._detectable(made("tuning_gain", power=0.5, **cut))
    assert improvement._detectable(made("tuning_gain", power=0.8, **about)) == ""
    assert improvement._detectable(made("tuning_gain", power=0.5, **{**about, "standard_error": None})) == ""
    assert "none, however large" in improvement._detectable(
        made("tuning_gain", power=0.5, **{**about, "family_high": 2.0})
    )


def phase(title: str, saving: Saving | Unknown) -> Phase:
    cost: Any = SimpleNamespace(saving=saving, cache={}, times={}, wall=Unknown("x"))
    return Phase(title, study(), cost)


def test_what_pruning_saved_lies_between_the_estimates_of_all_phases() -> None:
    one, other = Saving(100.0, 10.0, 30.0, 20.0, 0), Saving(50.0, 5.0, 5.0, 40.0, 0)
    assert efficiency._saved_between([phase("", one)]) == (10.0, 30.0)
    assert efficiency._saved_between([phase("teachers", one), phase("students", other)]) == (15.0, 60.0)
    silent = replace(other, by_steps=Unknown("x"))
    assert efficiency._saved_between([phase("teachers", one), phase("students", silent)]) == (15.0, 35.0)
    low = [phase("teachers", replace(one, by_steps=1.0)), phase("students", silent)]
    assert efficiency._saved_between(low) == (15.0, 35.0), "a yardstick of one phase is none of both"
    assert efficiency._saved_between([phase("", Unknown("nothing was pruned"))]) is None
    said = "".join(map(text, efficiency._savings([phase("teachers", one), phase("students", Unknown("x"))])))
    assert "9 to 23 % of what the teachers' trials alone" in said
    lost = replace(one, saved=-5.0)
    assert "unclear" in "".join(map(text, efficiency._savings([phase("", lost)])))
    assert "nothing was pruned" in "".join(
        map(text, efficiency._savings([phase("", Unknown("nothing was pruned"))]))
    )


def test_trials_without_a_time_are_told() -> None:
    timed = [TrialRecord(number, "complete", 0.5, seconds=10.0 * (number + 1)) for number in range(2)]
    whole = text(efficiency.section(findings(study(*timed))))
    assert "| Complete | 2 | 15 s | 30 s |" in whole
    part = text(efficiency.section(findings(study(*timed, TrialRecord(2, "complete", 0.6)))))
    assert "| Complete | 2 of 3 | 15 s | 30 s |" in part
    assert "No trial of this study has a time" in text(efficiency.section(findings()))

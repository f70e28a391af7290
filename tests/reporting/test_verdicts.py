"""What a confirmation says, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import by_hand
import pytest
from by_hand import numbers

from distune.analysis.records.study_files import ConfirmationRecord
from distune.reporting import first_screen, verdicts

CONTENDERS = {
    "trial_0012": {"kind": "trial", "trial": 12, "is_base": False},
    "base": {"kind": "base", "trial": 0, "is_base": True},
    "trial_0012_teacher": {"kind": "teacher", "trial": None, "is_base": False},
    "trial_0012_student_alone": {"kind": "student_alone", "trial": None, "is_base": False},
    "base_student_alone": {"kind": "student_alone", "trial": None, "is_base": False},
    "base_image_alone": {"kind": "image_alone", "trial": None, "is_base": False},
    "alone": {"kind": "image_alone", "trial": None, "is_base": False},
    "text_tfidf": {"kind": "baseline", "trial": None, "is_base": False},
    "own": {"kind": "baseline", "trial": None, "is_base": False},
}


@pytest.mark.parametrize(
    ("contender", "said"),
    [
        ("trial_0012", "trial 12"),
        ("base", "the base config"),
        ("trial_0012_teacher", "trial 12's teacher"),
        ("trial_0012_student_alone", "trial 12's student without a teacher"),
        ("base_student_alone", "the base config's student without a teacher"),
        ("text_tfidf", "logistic regression on the words of the text"),
        ("base_image_alone", "the base config's student of the image alone"),
        ("own", "own"),
        ("alone", "alone"),
        ("unheard of", "unheard of"),
    ],
)
def test_contenders_are_named_in_words(contender: str, said: str) -> None:
    assert verdicts.named({"contenders": CONTENDERS}, contender) == said


def test_all_but_the_baselines_were_trained() -> None:
    assert [name for name, _ in verdicts.trained({"contenders": CONTENDERS})] == list(CONTENDERS)[:7]


def made(kind: str, first: str, second: str, difference: float = 0.1) -> dict[str, Any]:
    return {"kind": kind, "first": first, "second": second, "difference": difference}


GAIN, OWN = made("tuning_gain", "trial_0001", "base"), made("trial_gain", "trial_0012", "base")
STRONG, WEAK = (
    made("against_baseline", "trial_0001", "own", -0.1),
    made("against_baseline", "trial_0001", "majority"),
)


@pytest.mark.parametrize(
    ("chosen", "comparisons", "gain", "further"),
    [
        ("trial_0012", [GAIN, OWN, WEAK, STRONG], OWN, [GAIN, STRONG]),
        ("trial_0001", [GAIN, OWN], GAIN, []),
        ("base", [OWN, GAIN, WEAK], GAIN, [WEAK]),
        ("base", [], None, []),
    ],
)
def test_the_gain_is_that_of_the_recommended_config(
    chosen: str, comparisons: list[Any], gain: Any, further: list[Any]
) -> None:
    contenders = {"base": {"is_base": True}, "trial_0001": {}, "trial_0012": {}}
    numbers = {"recommendation": {"contender": chosen}, "contenders": contenders, "comparisons": comparisons}
    assert verdicts.gain_over_base(numbers) == gain
    assert verdicts.first_answers(numbers) == ([gain] if gain else [])
    assert verdicts.further_answers(numbers) == further
    distilled = made("distillation_gain", chosen, f"{chosen}_student_alone")
    numbers["comparisons"] = [distilled, *comparisons]  # type: ignore[assignment]
    assert verdicts.gain_over_base(numbers) == gain, "it is against the base config alone"
    assert verdicts.first_answers(numbers) == ([gain] if gain else []) + [distilled]
    gap = made("teacher_gap", f"{chosen}_teacher", chosen)
    numbers["comparisons"] = [distilled, *comparisons, gap]  # type: ignore[assignment]
    shown = verdicts.further_answers(numbers)
    assert gap in shown and [each for each in shown if each != gap] == further


@pytest.mark.parametrize(
    ("scores", "low", "why"),
    [
        ([0.3, 0.9], None, "too few seeds"),
        ([0.3, 0.9], 0.2, "too few cases"),
        ([0.5, 0.5], None, "too few cases"),
        ([0.5], None, "too few cases"),
        (None, None, "too few cases"),
    ],
)
def test_why_a_score_has_no_interval(scores: Any, low: float | None, why: str) -> None:
    assert verdicts.too_few({"scores": scores, "over_seeds": {"low": low}}) == why
    assert verdicts.too_few({"scores": scores}) == (
        "too few seeds" if scores == [0.3, 0.9] else "too few cases"
    )


def test_the_kind_of_a_verdict_and_its_answer() -> None:
    better, worse, open_ = (
        {"verdict": word, "difference": 0.0702, "low": 0.01, "high": 0.13}
        for word in ("better", "worse", "not significantly different")
    )
    assert [verdicts.answer(each) for each in (better, worse, open_)] == [
        "Yes: +0.0702", "No: +0.0702", "Not shown: +0.0702",
    ]  # fmt: skip
    assert verdicts.answer(better, of="trial 9") == "Yes, for trial 9: +0.0702"
    assert [verdicts.verdict(each) for each in (better, worse, open_)] == [
        "significantly better", "significantly worse", "not significantly different",
    ]  # fmt: skip
    assert "+0.0100 to +0.1300" in verdicts.judged(better) and "significantly better" in verdicts.judged(
        better
    )


@pytest.mark.parametrize(
    ("opening", "said"), [(None, ""), (1, ""), (2, "second look at test"), (11, "11. look at test")]
)
def test_which_look_it_is(opening: int | None, said: str) -> None:
    assert verdicts.look({"opening": opening and {"number": opening}}) == said


def test_what_a_confirmation_trained_again() -> None:
    trained = numbers(contenders={"trial_0003": {"kind": "trial", "trial": 3, "rank": 3}})
    assert verdicts.tried(trained) == ["trial_0001", "trial_0003"]
    assert verdicts.picked_from(trained) == "2 of 15 complete trials"
    assert verdicts.seeds(trained) == "3 seeds" and verdicts.seeds({"seeds": [7]}) == "one seed"
    assert not verdicts.is_base_ahead(trained)
    ahead = numbers(contenders={"base": {"kind": "base", "is_base": True, "rank": 1}})
    assert verdicts.is_base_ahead(ahead)


@pytest.mark.parametrize(
    ("split", "held", "score"),
    [
        ("test", {"scores": [0.5, 0.7]}, 0.5),
        ("test", {}, None),
        ("test", None, None),
        (verdicts.OUT_OF_FOLD, {"scores": [0.5]}, None),
    ],
)
def test_the_score_of_the_first_seed_is_that_of_one_model(split: str, held: Any, score: float | None) -> None:
    about = {"trial_0001": {"kind": "trial", "splits": {split: held, "dev": {"scores": [0.9]}}}}
    assert verdicts.score_of_first_seed(numbers(contenders=about, split=split)) == score


@pytest.mark.parametrize(
    ("kind", "verdict", "is_gain"),
    [("tuning_gain", "better", True), ("trial_gain", "better", True), ("tuning_gain", "worse", False),
     ("distillation_gain", "better", False)],
)  # fmt: skip
def test_only_a_trial_above_the_base_is_a_gain(kind: str, verdict: str, is_gain: bool) -> None:
    assert verdicts.has_significant_gain(numbers(by_hand.made(kind, verdict=verdict))) is is_gain


def test_what_a_comparison_asks() -> None:
    weak, strong = by_hand.made("against_baseline"), by_hand.made("against_baseline", difference=-0.1)
    own, other = by_hand.made("tuning_gain"), by_hand.made("trial_gain", first="trial_0003")
    found = numbers(weak, strong, own, other)
    asked = {"Strongest baseline": strong, "Against a baseline": weak, "Tuning: recommended trial": own,
             "Tuning: another trial": other}  # fmt: skip
    assert {verdicts.question(found, each): each for each in (weak, strong, own, other)} == asked
    assert verdicts.question(found, by_hand.made("unheard of", first="x")) == "unheard of"
    assert verdicts.against_strongest_baseline(numbers()) is None


def test_the_strongest_baseline_without_text() -> None:
    def baseline(mean: float, split: str = "test") -> dict[str, Any]:
        return {"kind": "baseline", "splits": {split: {"score": {"mean": mean}}}}

    held = {"majority": baseline(0.2), "features_image": baseline(0.4), "text_tfidf": baseline(0.9),
            "features_image_text": baseline(0.8), "own": baseline(0.7, "dev")}  # fmt: skip
    assert verdicts.strongest_without_text(numbers(contenders=held)) == 0.4
    assert verdicts.strongest_without_text(numbers()) is None


def named(severity: str, *rows: tuple[Any, Any], title: str = "type: texts name it") -> dict[str, Any]:
    held = [{"texts that name it": one, "examples": of} for one, of in rows]
    return {"kind": "texts_name_the_label", "severity": severity, "title": title, "rows": held}


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ([named("warning", (3, 10), (1, 10))], ("type", 0.2)),
        ([named("info", (9, 10))], None),
        ([named("warning", (3, 10)), named("severe", (5, 10), title="site: too")], ("site", 0.5)),
        ([named("warning", (3, 10), ("many", 10))], ("type", 0.3)),
        ([named("warning")], None),
        ([{**named("warning", (3, 10)), "kind": "groups_across_splits"}], None),
    ],
)
def test_texts_that_name_the_label_are_a_leak_where_the_audit_warns(found: list[Any], share: Any) -> None:
    audit = {"findings": found}
    both = {"student": {"vision": {"name": "deit"}, "text": {"name": "bert"}}}
    image = {"student": {"vision": {"name": "deit"}, "text": {"name": "none"}}}
    of_image = by_hand.findings(by_hand.study(base_config=image), audit=audit)
    assert verdicts.named_in_texts(of_image) == share
    assert verdicts.leaked(of_image, "text_tfidf") == share
    assert verdicts.leaked(of_image, "features_image") is None, "it reads no text"
    of_both = by_hand.findings(by_hand.study(base_config=both), audit=audit)
    assert verdicts.leaked(of_both, "text_tfidf") is None, "its student reads the text as well"
    assert verdicts.named_in_texts(by_hand.findings()) is None


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ({"vision": {"name": "deit"}, "text": {"name": "none"}}, {"vision": "deit"}),
        ({"vision": "deit", "text": "bert"}, {"vision": "deit", "text": "bert"}),
        ({"text": {"name": None}}, {}),
        (None, {}),
    ],
)
def test_the_encoders_that_are_recorded(model: Any, found: dict[str, str]) -> None:
    assert verdicts.encoders(model) == found


def test_the_config_to_use_is_the_confirmed_one_and_exists(tmp_path: Path) -> None:
    def used(*names: str, **values: Any) -> str | None:
        place = by_hand.folder(tmp_path / "-".join(["f", *names, *values]), *names)
        path = verdicts.config_to_use(by_hand.findings(by_hand.study(folder=place), **values))
        return path and path.name

    assert used("best_config.yaml", "recommended.yaml") == "best_config.yaml"
    assert used("best_config.yaml", "recommended.yaml", numbers=numbers()) == "recommended.yaml"
    assert used("best_config.yaml", numbers=numbers()) is None and used() is None
    former = by_hand.findings(confirmation=ConfirmationRecord(numbers(), is_current=False))
    assert verdicts.current(former) is None and verdicts.config_to_use(former) is None


def test_a_metric_over_seeds_and_what_a_task_counts_with() -> None:
    held = {"mean": 0.5, "low": 0.4, "high": 0.6, "seeds": 5}
    values = {"macro_f1": held, "score": {**held, "name": "auroc"}}
    assert verdicts.metric(values, "macro_f1") == "0.5000 [0.4000, 0.6000]"
    assert (
        verdicts.metric(values, "score").endswith(" 0.5000 [0.4000, 0.6000]")
        and verdicts.metric({}, "auc") == "—"
    )
    assert verdicts.metric({}, "score") == verdicts.NAMES["macro_f1"]
    assert verdicts.counted_as({}) == "" and "macro F1" in verdicts.counted_as(
        {"scored_by": {"type": {"score": "macro_f1", "weight": 1.0}}}
    )
    assert "ROC curve" in verdicts.counted_as({"scored_by": {"type": {"score": "auroc", "weight": 1.0}}})


def test_the_strongest_baseline_on_the_first_screen() -> None:
    def baseline(mean: float) -> dict[str, Any]:
        return {"kind": "baseline", "splits": {"test": {"score": {"mean": mean}}}}

    def shown(*of: tuple[str, float, str], leaks: bool = False, **contenders: Any) -> list[str]:
        against = [
            by_hand.made("against_baseline", second=name, difference=by, verdict=said)
            for name, by, said in of
        ]
        held = numbers(
            *against, contenders={"text_tfidf": baseline(0.9), "majority": baseline(0.25), **contenders}
        )
        image = {"student": {"vision": {"name": "deit"}, "text": {"name": "none"}}}
        audit = {"findings": [named("warning", (3, 10))] if leaks else []}
        found = by_hand.findings(by_hand.study(base_config=image), audit=audit, numbers=held)
        return [f"{one.value}: {one.remark}" for one in first_screen._baseline(found, held)]

    worse, better, open_ = (
        ("text_tfidf", -0.2, "worse"),
        ("majority", 0.5, "better"),
        ("majority", 0.1, "open"),
    )
    assert shown() == shown(better) == [], "no baseline is a rival"
    (behind,) = shown(better, worse)
    assert behind.startswith("0.9000: ") and behind.endswith("; significantly better than trial 1")
    (fair,) = shown(open_)
    assert fair.startswith("0.2500: ") and fair.endswith("; not significantly different from trial 1")
    (unfair,) = shown(worse, leaks=True)
    assert unfair.endswith(
        "this student does not read the texts, 30 % of which name the type; best without them: 0.2500"
    )
    other = {
        **by_hand.made("against_baseline", first="base", second="majority", difference=0.1, verdict="open")
    }
    held = numbers(other, contenders={"majority": baseline(0.25)})
    (line,) = first_screen._baseline(by_hand.findings(numbers=held), held)
    assert line.remark.endswith("from the base config, the one that baselines are compared with")
    lost = numbers(other, contenders={"majority": {"kind": "baseline", "splits": {"test": None}}})
    assert list(first_screen._baseline(by_hand.findings(numbers=lost), lost)) == [], "it has no score there"

"""The report of a study with a confirmation and an audit beside it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from confirmed_numbers import CONFIRMATION, compared, of_the_study, recommending_the_trial
from optuna.trial import create_trial
from pages import cards, first_screen, section, text_of

from distune.analysis.records.study_record import StudyRecord
from distune.cli.commands.compare import compare as compare_command

FULL = "Confirmation in full"


TEST = "Score on test (held-out cases; second look at test)"


TUNING, DISTILLATION = "Did tuning help?", "Did distillation help?"


BASELINE = "Strongest simple baseline"


Write = Callable[..., str]


def test_the_first_screen_answers_with_the_confirmation(write: Write) -> None:
    text = write(recommending_the_trial())
    held = cards(text)
    assert [card.value for card in held.values()] == [
        *("trial 1", "0.7500", "0.6950 to 0.8070", "Yes: +0.0123", "Yes: +0.0567", "65,303 parameters"),
    ]
    assert held["Config to use"].remark.startswith("recommended_config.yaml")
    assert "5 seeds" in held[TEST].remark and "0.7400 to 0.7600" in held[TEST].remark
    assert "per comparison −0.0077 to +0.0323" in held[TUNING].remark
    assert "significantly better" in held[TUNING].remark
    assert "distune export" in first_screen(text) and "0.8000" not in first_screen(text)


@pytest.mark.parametrize(
    ("verdict", "answer", "closing"),
    [
        ("better", "Yes: +0.0123", "improved"),
        ("worse", "No: +0.0123", "worse"),
        ("not significantly different", "Not shown: +0.0123", "did not"),
    ],
)
def test_a_verdict_is_the_answer_and_the_closing(
    write: Write, verdict: str, answer: str, closing: str
) -> None:
    text = write(recommending_the_trial(verdict))
    assert cards(text)[TUNING].value == answer
    assert re.search(rf"Tuning [^.]*\b{closing}\b", section(text, "Conclusion"))


def test_the_closing_says_once_that_neither_tuning_nor_distillation_is_shown_to_help(write: Write) -> None:
    numbers = recommending_the_trial("not significantly different")
    for made in numbers["comparisons"]:
        made["verdict"] = "not significantly different"
    said = section(write(numbers), "Conclusion")
    assert said.count("uning") == said.count("istillation") == said.count("Neither") == 1


@pytest.mark.parametrize(("verdict", "is_said"), [("better", False), ("not significantly different", True)])
def test_starting_values_say_where_no_trial_is_shown_to_be_better(
    full_study: StudyRecord, tmp_path: Path, verdict: str, is_said: bool
) -> None:
    study = replace(full_study, trials=full_study.trials[:10], folder=tmp_path)
    numbers = recommending_the_trial(verdict)
    best = max(study.complete, key=lambda trial: trial.value or 0.0).number
    numbers["study"] = study.name
    numbers["contenders"]["trial_0001"]["trial"] = numbers["recommendation"]["trial"] = best
    (tmp_path / "confirmation.json").write_text(json.dumps(of_the_study(numbers, study)), encoding="utf-8")
    said = section(text_of(study), "Recommended starting values")
    assert ("None of the confirmed" in said) == is_said


def test_a_base_that_is_recommended_is_compared_with_the_best_trial(write: Write) -> None:
    text = write(CONFIRMATION)
    held = cards(text)
    assert held["Config to use"].value == "the base config" and "71 %" in held["Config to use"].remark
    assert held[TUNING].value == "Not shown: +0.0123" and "trial 1 over" in held[TUNING].remark
    assert "recommends the base config" in section(text, "Best hyperparameters")
    advised = section(text, "Recommendations")
    assert "evaluate the base config" in advised and "14 seeds or about 990 cases" in advised


def test_a_gain_that_is_not_shown_stands_beside_no_probability(write: Write) -> None:
    numbers = recommending_the_trial("not significantly different")
    numbers["recommendation"]["candidates"]["trial_0001"] = {
        "observed_gain": 0.0123,
        "expected_gain": 0.01,
        "probability_better": 0.95,
        "probability_best": 0.95,
    }
    said = cards(write(numbers))["Config to use"].remark
    assert "highest" in said and "not shown" in said and "95 %" not in said
    numbers["comparisons"][0]["verdict"] = "better"
    assert (
        "with probability 95 % the best of 1 trial and the base config"
        in cards(write(numbers))["Config to use"].remark
    )


def test_the_smallest_of_equals_is_not_said_to_score_highest(write: Write) -> None:
    numbers = recommending_the_trial("not significantly different")
    numbers["recommendation"]["reason"] = "smallest_of_equals"
    said = cards(write(numbers))["Config to use"].remark
    assert "smallest" in said and "highest" not in said


def test_a_gain_of_distillation_names_the_trial_it_was_measured_on(write: Write) -> None:
    text = write(CONFIRMATION)
    held = cards(text)[DISTILLATION]
    assert held.value == "Yes, for trial 1: +0.0567" and "not measured for the base config" in held.remark
    assert "Distillation of trial 1 " in section(text, "Conclusion")


@pytest.mark.parametrize(("high", "said"), [(0.0099, "excluded"), (0.0101, "not excluded")])
def test_an_open_answer_says_whether_it_excludes_the_gain_that_matters(
    write: Write, high: float, said: str
) -> None:
    numbers = recommending_the_trial("not significantly different")
    numbers["comparisons"][0]["high"] = high
    text = section(write(numbers), "Performance improvement")
    assert f" is {said} for tuning." in text


@pytest.mark.parametrize(
    ("contender", "reason"), [("base", "base_is_best"), ("base_student_alone", "highest_expected")]
)
def test_a_base_that_no_trial_beat_in_the_search_is_said_to_be_so(
    write: Write, contender: str, reason: str
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    about = numbers["contenders"]
    best = next(name for name, each in about.items() if each["rank"] == 1)
    about["base_student_alone"] = about.pop(f"{best}_student_alone")
    about[best] |= {"rank": 2, "trial": 0}
    about["base"] |= {"rank": 1, "trial": 1}
    numbers["recommendation"] |= {"contender": contender, "reason": reason}
    numbers["comparisons"] = [
        made for made in numbers["comparisons"] if made["kind"] not in ("tuning_gain", "distillation_gain")
    ]
    text = write(numbers)
    held = cards(text)
    assert held[TUNING].value == "No gain found" and "15 complete trials" in held[TUNING].remark
    assert "no trial above the base config" in section(text, "Conclusion")
    assert "probability" not in held["Config to use"].remark


@pytest.mark.parametrize(
    ("verdict", "ahead"), [("worse", "significantly better than trial 1"), ("better", None)]
)
def test_a_baseline_that_is_not_beaten_stands_on_the_first_screen(
    write: Write, verdict: str, ahead: str | None
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"][2]["verdict"] = verdict
    text = write(numbers)
    held = cards(text).get(BASELINE)
    assert (held is not None) == (ahead is not None)
    assert held is None or (held.value == "0.3100" and (ahead or "") in held.remark)
    assert ("most frequent class scores better" in first_screen(text)) == (verdict == "worse")


def test_the_next_command_asks_for_more_seeds_while_the_gain_is_open(write: Write) -> None:
    numbers = recommending_the_trial("not significantly different")
    assert "--again" not in first_screen(write(numbers))
    numbers["seeds"] = [1, 2]
    said = first_screen(write(numbers))
    assert 0 < said.index("--seeds 5 --again") < said.index("# or, ") < said.index("distune export")
    assert "third look" in said
    numbers["opening"] = None
    assert " look" not in first_screen(write(numbers))


def test_looks_at_the_test_split_are_counted_before_any_number_is_used(write: Write) -> None:
    numbers = recommending_the_trial()
    assert "second look" in section(write(numbers), "Conclusion")
    numbers["opening"] |= {"number": 1, "openings": numbers["opening"]["openings"][:1]}
    text = write(numbers)
    assert " look" not in first_screen(text) + section(text, "Conclusion")


def test_what_the_one_model_scores_that_is_handed_over_stands_beside_the_mean(write: Write) -> None:
    numbers = recommending_the_trial()
    numbers["contenders"]["trial_0001"]["splits"]["test"]["scores"] = [0.7411, 0.76]
    assert "first seed: 0.7411" in cards(write(numbers))[TEST].remark
    numbers["seeds"] = [1]
    assert "first seed" not in first_screen(write(numbers))


def test_how_many_a_trial_was_picked_from_is_counted_alike_everywhere(write: Write) -> None:
    numbers = recommending_the_trial()
    numbers["contenders"]["trial_0002"] = {**numbers["contenders"]["trial_0001"], "trial": 2, "rank": 2}
    gains = dict.fromkeys(("observed_gain", "expected_gain", "probability_better", "probability_best"), 0.6)
    numbers["recommendation"] |= {
        "candidates": dict.fromkeys(list(numbers["contenders"])[:3], gains),
        "searched": 9,
    }
    numbers["recommendation"]["candidates"]["trial_0002"] = gains
    text = write(numbers, more=1)
    held = cards(text)
    assert "2 trials, the base config and a student without a teacher" in held["Config to use"].remark
    assert "from 2 of 9 complete trials" in held[TUNING].remark
    assert "2 of 9 complete trials" in section(text, FULL)


NAMING = [
    {"class": "CT", "examples": 30, "texts that name it": 27},
    {"class": "MR", "examples": 20, "texts that name it": 19},
]


"""46 of 50 texts name their class: 92 %."""


LEAKS = {
    "findings": [
        {
            "kind": "texts_name_the_label",
            "severity": "warning",
            "title": "kind: texts",
            "detail": "",
            "rows": NAMING,
        },
        {
            "kind": "same_captions_across_splits",
            "severity": "warning",
            "title": "the same text in several splits",
            "detail": "18 texts, 36 examples of dev and test (7.4%).",
            "rows": [],
        },
    ],
    "sections": [],
}


def with_a_baseline_of_words() -> dict[str, Any]:
    """A confirmation that recommends trial 1, which a baseline on the words of the text beats."""
    numbers = recommending_the_trial()
    numbers["contenders"]["text_tfidf"] = copy.deepcopy(numbers["contenders"]["majority"])
    numbers["contenders"]["text_tfidf"]["splits"]["test"]["score"]["mean"] = 0.9057
    numbers["comparisons"].append(compared("against_baseline", "trial_0001", "text_tfidf", -0.15, "worse"))
    return numbers


def test_a_baseline_that_reads_the_answer_in_the_text_is_no_rival(write: Write) -> None:
    numbers = with_a_baseline_of_words()
    fair, unfair = write(numbers), write(numbers, LEAKS)
    assert "the text is available, logistic" in first_screen(fair)
    assert "simpler and better" in section(fair, "Conclusion")
    held = cards(unfair)[BASELINE]
    assert held.value == "0.9057" and "this student does not" in held.remark
    assert "92 % of which name the kind" in held.remark and "0.3100" in held.remark
    assert "text is available" not in unfair and "this student lacks" in section(unfair, "Conclusion")


def test_held_out_cases_whose_text_lies_in_other_splits_are_counted_on_the_first_screen(write: Write) -> None:
    counted = "18 texts, 36 examples of dev and test"
    assert counted not in write(recommending_the_trial(), text="tiny-text")
    assert counted in cards(write(recommending_the_trial(), LEAKS, text="tiny-text"))[TEST].remark
    assert counted not in cards(write(recommending_the_trial(), LEAKS, text="none"))[TEST].remark


@pytest.mark.parametrize(("seeds", "is_rough"), [(1, False), (2, True), (3, False), (5, False)])
def test_intervals_of_two_seeds_are_said_to_be_uncertain(write: Write, seeds: int, is_rough: bool) -> None:
    numbers = recommending_the_trial()
    numbers["seeds"] = list(range(seeds))
    said = first_screen(write(numbers))
    assert said.count("uncertain") == 4 * is_rough, "score, forecast, tuning and distillation"


def test_a_baseline_says_where_it_was_not_compared_with_the_config_to_use(write: Write) -> None:
    numbers = with_a_baseline_of_words()
    assert "baselines are compared" not in cards(write(numbers))[BASELINE].remark
    numbers["recommendation"] |= {"contender": "base", "kind": "base", "trial": 0}
    assert "trial 1, the one" in cards(write(numbers))[BASELINE].remark


def test_the_config_to_use_has_a_row_among_what_it_is_compared_with(write: Write) -> None:
    said = section(write(recommending_the_trial()), "Performance improvement")
    assert re.search(r"^\| Trial 1, the config to use \| 0\.7500 .*\| 0\.8000 \|$", said, re.M)


def test_what_gain_a_confirmation_would_have_seen_is_said(write: Write) -> None:
    said = section(write(CONFIRMATION), "Performance improvement")
    rows = re.findall(r"^\| (.+) − (.+?) \| .* \| .* \| ", said, re.M)
    assert (
        rows[0] == ("trial 1", "the base config") and rows[-1][1] == "always naming the most frequent class"
    )
    # 0.023, half the family-wise interval, and 0.8416, the 80 % quantile of the normal, times the error of 0.01
    assert "80 %" in said and "+0.0314" in said
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"][0]["power"] = 0.9
    assert "+0.0314" not in section(write(numbers), "Performance improvement")


def test_usage_follows_what_was_confirmed(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "best_config.yaml").write_text("name: s\n")
    before = section(write(), "Usage")
    assert f"distune train {folder}/best_config.yaml\n" in before and "Leave test" in before
    train = section(write(CONFIRMATION), "Usage").split("### Applying")[0]
    assert f"{folder}/recommended_config.yaml\n" in train and "best_config" not in train
    assert "--test" not in train and "--csv new.csv --data-root " in train


def test_baselines_that_are_not_beaten_are_named_at_the_end(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    assert "baselines" not in section(write(numbers), "Conclusion")
    numbers["comparisons"] += [
        compared("against_baseline", "trial_0001", "text_tfidf", 0.01, "not significantly different"),
    ]
    said = section(write(numbers, best=0.9), "Conclusion")
    assert "different from trial 1: logistic" in said


@pytest.mark.slow
@pytest.mark.parametrize(("best", "confirmed"), [(1, "0.7400"), (5, "")])
def test_compare_shows_what_was_confirmed_of_the_best_trial_of_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], best: int, confirmed: str
) -> None:
    """A study whose best trial is 1, with a confirmation of that trial, which recommends the base, or of another."""
    storage = f"sqlite:///{tmp_path / 's.db'}"
    study = optuna.create_study(study_name="s", direction="maximize", storage=storage)
    study.add_trials([create_trial(value=0.7, user_attrs={"baseline": True}), create_trial(value=0.8)])
    numbers = copy.deepcopy(CONFIRMATION)
    contenders = numbers["contenders"]
    contenders["trial_0001"] |= {"trial": best, "search_score": 0.8}
    contenders["base"] |= {"trial": 0, "search_score": 0.7}
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "confirmation.json").write_text(json.dumps(numbers))
    compare_command([str(tmp_path / "s")])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("s "))
    assert row.split() == [word for word in ("s", "study", "0.8000", "0.7000", confirmed, "2") if word]


def test_the_recommended_base_is_said_to_have_no_measured_distillation_gain(write: Write) -> None:
    said = "No distillation gain is measured for it"
    assert said in section(write(CONFIRMATION), FULL)
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"].append(compared("distillation_gain", "base", "alone", 0.1, "better"))
    assert said not in section(write(numbers), FULL)


@pytest.mark.parametrize(("trial", "best"), [(5, 0.8), (1, 0.6)], ids=["other trial", "base is best now"])
def test_a_confirmation_of_a_former_best_trial_confirms_no_gain(
    write: Write, trial: int, best: float
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["trial"] = trial
    text = write(numbers, best=best, more=4)
    assert "The confirmation is out of date." in first_screen(text) and "distune confirm" in first_screen(
        text
    )
    assert "confirm before use." in section(text, "Recommendations")
    answer = "Not confirmed (+0.1000" if best > 0.7 else "No (the base"
    assert f"Did tuning help?** {answer}" in first_screen(text)
    assert "+0.0123" not in text.split("\n# Appendix")[0]


def test_dev_alone_is_said_to_flatter(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION) | {
        "split": "dev",
        "optimistic": True,
        "opening": None,
        "complete": False,
    }
    del numbers["examples"]["test"]
    for about in numbers["contenders"].values():
        about["splits"]["test"] = None
    text = write(numbers)
    assert "Score on dev, which the search has seen" in cards(text)
    assert "Some runs of the confirmation failed" in first_screen(text)
    assert "There is no test split" in section(text, "Conclusion")
    assert "Uses of the test split" not in section(text, FULL)


def test_baseless_and_unfinished_confirmations_are_written(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION) | {"comparisons": [], "optimism": None}
    numbers["contenders"]["base"]["splits"] = {"dev": None, "test": None}
    text = write(numbers)
    held = cards(text)
    assert (held[TUNING].value, held[DISTILLATION].value) == ("Not known", "Not measured")
    assert "too optimistic about" in write(CONFIRMATION) and "too optimistic about" not in text


def test_the_gain_in_the_search_stands_beside_the_best_trial_until_it_is_confirmed(write: Write) -> None:
    said = section(write(), "Performance improvement")
    assert "| 0.7000 | 0.8000 | +0.1000 |" in said
    assert "| The base config | 0." not in section(write(CONFIRMATION), "Performance improvement")


@pytest.mark.parametrize(
    ("low", "said"),
    [(0.02, "too optimistic"), (-0.02, "0.7700 on dev, not significantly")],
)
def test_optimism_of_the_search_is_claimed_only_where_its_interval_is_above_0(
    write: Write, low: float, said: str
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["optimism"]["loss"]["low"] = low
    text = section(write(numbers), "Performance improvement")
    assert said in text


def test_what_all_models_lose_from_dev_to_test_is_said(write: Write) -> None:
    """What is lost is the luck of the epochs, which dev picked."""
    numbers = copy.deepcopy(CONFIRMATION)
    lost = [
        about["splits"]["dev"]["score"]["mean"] - about["splits"]["test"]["score"]["mean"]
        for about in numbers["contenders"].values()
        if about["kind"] != "baseline"
    ]
    assert min(lost) > 0
    said = f"{min(lost):.4f} higher"
    assert said in section(write(numbers), "Performance improvement")
    numbers["contenders"]["base"]["splits"]["test"]["score"]["mean"] = 0.99
    assert said not in section(write(numbers), "Performance improvement")

"""The report of a study with a confirmation and an audit beside it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from confirmed_numbers import AUDIT, CONFIRMATION, compared, over, recommending_the_trial
from optuna.trial import create_trial
from pages import cards, first_screen, section, text_of
from studies import study_at

from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import StudyRecord
from distune.cli.commands.compare import compare as compare_command
from distune.data.audit.participant_flow import NAMES as FLOWS
from distune.reporting.figures.bars import draw_confirmed
from distune.reporting.figures.style import look
from distune.reporting.formats import over_seeds

FULL = "Confirmation in full"
TEST = "Score on test (held-out cases; second look at test)"
TUNING, DISTILLATION = "Did tuning help?", "Did distillation help?"
BASELINE = "Strongest simple baseline"


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """The report, without figures, of a study with these files beside it."""

    def written(confirmation: Any = None, audit: Any = None, **about: Any) -> str:
        study = study_at(tmp_path / "study", **about)
        for name, held in (("confirmation.json", confirmation), ("audit.json", audit)):
            if held is not None:
                text = held if isinstance(held, str) else json.dumps(held)
                (tmp_path / "study" / name).write_text(text, encoding="utf-8")
        (tmp_path / "study" / "recommended_config.yaml").write_text("name: s\n")
        return text_of(study)

    return written


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
    numbers["contenders"]["trial_0001"]["trial"] = numbers["recommendation"]["trial"] = best
    (tmp_path / "confirmation.json").write_text(json.dumps(numbers), encoding="utf-8")
    said = section(text_of(study), "Recommended starting values")
    assert ("None of the confirmed trials is significantly better" in said) == is_said


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
    text = write(numbers)
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
    assert "trial 1, the one that baselines are compared with" in cards(write(numbers))[BASELINE].remark


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


def test_the_tables_of_a_confirmation_hold_its_numbers(write: Write) -> None:
    said = section(write(CONFIRMATION), FULL)
    for row in (
        r"\| `trial_0001` \| trial 1 \| 5 \| 0\.8000 \| 0\.7700 \[0\.7600, 0\.7800\] "
        r"\| 0\.7500",
        r"\| `majority` \| always naming the most frequent class \| 0\.3300 \| 0\.3100 \|",
        r"\| Tuning: best of the search \| `trial_0001` − `base` \| \+0\.0123 \| \[−0\.0077, \+0\.0323\] \| "
        r"\[−0\.0107, \+0\.0353\] \| 0\.041 \| \*\*not significantly different\*\* \| 17 % \| "
        r"about 14 seeds or about 990 cases \|",
        r"\| 0\.2111 \[0\.2011, 0\.2211\] \| 0\.1222 \[0\.1122, 0\.1322\] \|",
        r"\| `base` \| without the image \| 0\.3333 \[0\.3233, 0\.3433\] \| −0\.4444 \[−0\.4544, −0\.4344\] \|",
        r"opened 2 times for this study",
        r"2026-01-03, elsewhere on these data: `other study`, in `logs/other`",
    ):
        assert re.search(row, said), row
    assert said.count("numbers are of opening 2") == 1


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


@pytest.mark.parametrize(
    ("power", "seeds", "cases", "said"),
    [
        (0.2, 14, 987, "about 14 seeds or about 990 cases"),
        (0.2, 14, None, "about 14 seeds"),
        (0.2, None, 987, "about 990 cases"),
        (0.2, None, None, "more of both"),
        (0.2, 56123, None, "more than 1,000 seeds"),
        (0.85, 4, 60, "—"),
    ],
)
def test_what_more_power_would_take(
    write: Write, power: float, seeds: int | None, cases: int | None, said: str
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"][0] |= {"power": power, "seeds_needed": seeds, "cases_needed": cases}
    text = write(numbers)
    assert re.search(rf"\| {100 * power:.0f} % \|( {said} \|)?$", section(text, FULL), re.M)
    assert f"probability {100 * power:.0f} %" in section(text, "Performance improvement")


@pytest.mark.parametrize(("seeds", "is_said"), [(14, True), (170, False)])
def test_more_seeds_than_anybody_trains_are_no_advice(write: Write, seeds: int, is_said: bool) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"][0] |= {"seeds_needed": seeds, "cases_needed": None}
    assert ("would take about" in section(write(numbers), "Recommendations")) == is_said


def test_the_families_are_named_and_their_intervals_decide(write: Write) -> None:
    said = section(write(CONFIRMATION), FULL)
    assert "fixed in advance" in said and "decides the verdict" in said


def test_calibration_after_scaling_is_said_to_flatter_where_it_is_evaluated_on_the_split_it_is_fitted_on(
    write: Write,
) -> None:
    said = "temperatures are fitted on these very examples, so “after” flatters"
    assert said not in section(write(CONFIRMATION), FULL)
    numbers = copy.deepcopy(CONFIRMATION) | {"split": "dev", "optimistic": True, "opening": None}
    assert said in section(write(numbers), FULL)


def test_long_tables_hold_the_recommended_and_the_base_config_alone(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0002"] = copy.deepcopy(numbers["contenders"]["trial_0001"]) | {
        "rank": 2,
        "trial": 2,
    }
    numbers["recommendation"] |= {"contender": "trial_0001", "kind": "trial"}
    said = section(write(numbers), FULL)
    for title in ("Calibration", "With an input missing"):
        table = said.split(f"### {title}")[1].split("\n### ")[0]
        assert "`trial_0001`" in table and "`base`" in table and "`trial_0002`" not in table
        assert "those of all others are in" in table


def test_a_missing_input_is_shown_task_by_task(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    condition = numbers["contenders"]["base"]["splits"]["test"]["conditions"]["without_image"]
    condition["tasks"] = {
        "kind": {"macro_f1": over(0.4321)},
        "place": {"macro_f1": over(0.9), "score": {**over(0.1234), "name": "auroc"}},
    }
    said = section(write(numbers), FULL)
    own = "kind macro F1 0.4321 [0.4221, 0.4421]; place area under the ROC curve 0.1234 [0.1134, 0.1334]"
    assert f"| {own} |" in said


def test_a_student_of_one_input_is_not_shown_without_it(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    for about in numbers["contenders"].values():
        for evaluated in about["splits"].values():
            evaluated["conditions"].pop("without_text", None)
    assert "With an input missing" in write(CONFIRMATION) and "With an input missing" not in write(numbers)


@pytest.mark.slow
@pytest.mark.parametrize(("best", "confirmed"), [(1, "0.7500"), (5, "")])
def test_compare_shows_what_was_confirmed_of_the_best_trial_of_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], best: int, confirmed: str
) -> None:
    """A study whose best trial is 1, with a confirmation of that trial or of another."""
    storage = f"sqlite:///{tmp_path / 's.db'}"
    study = optuna.create_study(study_name="s", direction="maximize", storage=storage)
    study.add_trials([create_trial(value=0.7, user_attrs={"baseline": True}), create_trial(value=0.8)])
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["trial"] = best
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "confirmation.json").write_text(json.dumps(numbers))
    compare_command([str(tmp_path / "s")])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("s "))
    assert row.split() == [word for word in ("s", "study", "0.8000", "0.7000", confirmed, "2") if word]


def test_a_mean_of_one_seed_has_no_interval() -> None:
    assert over_seeds(over(0.5, None)) == "0.5000"
    assert over_seeds(over(0.5)) == "0.5000 [0.4900, 0.5100]"
    assert over_seeds(None) == "—"


def test_the_recommended_base_is_said_to_have_no_measured_distillation_gain(write: Write) -> None:
    said = "No distillation gain is measured for it"
    assert said in section(write(CONFIRMATION), FULL)
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"].append(compared("distillation_gain", "base", "alone", 0.1, "better"))
    assert said not in section(write(numbers), FULL)


@pytest.mark.parametrize("verdict", ["not significantly different", "better"])
def test_a_gain_is_drawn_filled_where_its_verdict_is_significant(verdict: str) -> None:
    """Filled marks are drawn in the colour of a clear gain; a lead of 0.44 has a panel of its own."""
    drawn = []
    for each in ("not significantly different", verdict):
        numbers = copy.deepcopy(CONFIRMATION)
        numbers["comparisons"] = [
            compared("tuning_gain", "trial_0001", "base", 0.03, each),
            compared("against_baseline", "trial_0001", "majority", 0.44, "better"),
        ]
        with look():
            found = draw_confirmed(SimpleNamespace(confirmation=ConfirmationRecord(numbers, is_current=True)))
        assert found is not None and "trial 1 − the base config +0.0300, from +0.0100 to +0.0500" in found.alt
        assert "The panels have scales of their own." in found.caption
        drawn.append(found.svg.count("var(--blue"))
    assert (drawn[1] > drawn[0]) == (verdict == "better")


@pytest.mark.parametrize(("trial", "best"), [(5, 0.8), (1, 0.6)], ids=["other trial", "base is best now"])
def test_a_confirmation_of_a_former_best_trial_confirms_no_gain(
    write: Write, trial: int, best: float
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["trial"] = trial
    text = write(numbers, best=best)
    assert "The confirmation is out of date." in first_screen(text) and "distune confirm" in first_screen(
        text
    )
    assert "confirm before use." in section(text, "Recommendations")
    answer = "Not confirmed (+0.1000" if best > 0.7 else "No (the base config is the best trial)"
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
    assert (
        "its score in the search minus" in write(CONFIRMATION) and "its score in the search minus" not in text
    )


def test_the_audit_is_named_on_the_page_and_shown_in_the_appendix(write: Write) -> None:
    text = write(audit=AUDIT)
    assert re.search(r"scores mislead.*1 severe finding: same images", first_screen(text))
    said = section(text, "Overview")
    assert "1 severe finding, 1 warning" in said and "texts name the label; same images" in said
    said = section(text, "Audit of the data")
    assert said.index("same images") < said.index("texts name the label")
    assert "### Class balance" in said
    assert "The first 5 of 7 rows." in said and "onerror=y&gt;" in said
    assert len(re.findall(r"^\| &lt;script", said, re.M)) == 5
    assert re.search(r"\| kind \| .* \| 40 \| 4 \|", said)


def test_the_sizes_of_the_splits_are_those_of_the_audit_and_of_the_confirmation(write: Write) -> None:
    audit = copy.deepcopy(AUDIT)
    flow = [
        {"step": "rows read", "examples": 700, "cases": ""},
        {"step": "train", "examples": 431, "cases": 99},
    ]
    audit["sections"].append(
        {"title": "Participant flow", "rows": [*flow, {"step": "dev", "examples": "<b>"}]}
    )
    assert "train: 431 examples of 99 cases" in section(write(audit=audit), "Overview")
    flow.append({"step": FLOWS["unlabelled"], "examples": 669, "cases": 249})
    hidden = copy.deepcopy(CONFIRMATION)
    hidden["examples"]["folds"] = {"examples": 1210, "cases": 438}
    audit["sections"][-1]["rows"] = flow
    said = section(write(hidden, audit), "Overview")
    assert "; unlabelled in training: 669 examples of 249 cases;" in said
    assert "; folds of all of these but test: 1210 examples of 438 cases" in said
    audit["sections"][-1]["rows"] = [*flow[:-1], {"step": "dev", "examples": "<b>"}]
    said = section(write(CONFIRMATION, audit), "Overview")
    assert (
        "train: 431 examples of 99 cases; dev: 110 examples of 90 cases; test: 120" in said
        and "<b>" not in said
    )


def test_the_gain_in_the_search_stands_beside_the_best_trial_until_it_is_confirmed(write: Write) -> None:
    said = section(write(), "Performance improvement")
    assert "| 0.7000 | 0.8000 | +0.1000 |" in said
    assert "| The base config | 0." not in section(write(CONFIRMATION), "Performance improvement")


@pytest.mark.parametrize(
    ("low", "said"),
    [(0.02, "too optimistic"), (-0.02, "trial 1 scored 0.7700 on dev, not significantly lower")],
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


def test_without_an_audit_its_command_is_named(write: Write) -> None:
    text = write()
    assert "audit.json" in text and "`distune audit CONFIG`" in section(text, "Overview")
    assert "Audit of the data" not in text


def test_subgroups_stand_in_the_appendix_with_what_can_be_said_of_them(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    held = {"mean": 0.8, "low": 0.7, "high": 0.9, "seeds": 3, "cases": 40}
    group = {"examples": 50, "cases": 40, "small": False, "score": held, "accuracy": held, "difference": None}
    lower = {"mean": -0.1, "low": -0.2, "high": -0.05, "verdict": "lower"}
    groups = [
        {**group, "name": "<b>F", "cases": 9, "small": True},
        {**group, "name": "M", "difference": lower},
    ]
    numbers["subgroups"] = {
        "sex": {"groups": groups, "unknown": 3, "values": 2},
        "name": {"groups": [], "unknown": 0, "values": 40},
    }
    said = section(write(numbers), "Subgroups")
    assert (
        "small: nothing can be said" in said and "3 examples have no value" in said and "40 different" in said
    )
    assert (
        "| M | 50 | 40 | 0.8000 [0.7000, 0.9000] | 0.8000 [0.7000, 0.9000] | −0.1000 [−0.2000, −0.0500] | lower |"
        in said
    )
    assert "Subgroups" not in write(CONFIRMATION)


def test_operating_points_stand_in_the_appendix(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    found = {"sensitivity": over(0.7), "specificity": over(0.91)}
    first = {"sensitivity": over(0.6), "specificity": over(0.88)}
    point = {"wanted": 0.9, "thresholds": [0.4, 0.3], "first_seed": first, **found}
    coarse = {**dict.fromkeys(point), "wanted": 0.95}
    evaluated = numbers["contenders"][numbers["recommendation"]["contender"]]["splits"]["test"]
    next(iter(evaluated["tasks"].values()))["operating_points"] = [
        {"positive": "<i>MR", "points": [point, coarse]}
    ]
    said = section(write(numbers), "Operating points")
    # Threshold, sensitivity and specificity are of one model, and the means over the seeds stand apart.
    assert (
        "| 0.90 or more | 0.400000 | 0.6000 [0.5900, 0.6100] | 0.8800 [0.8700, 0.8900] | no | 0.7000" in said
    )
    assert "| 0.95 or more | — | — | — | — |" in said and "<i>" not in said
    assert "Operating points" not in write(CONFIRMATION)
    # A study with folds has no other split to choose thresholds on.
    numbers["split"], numbers["examples"]["folds"] = "folds", numbers["examples"]["test"]
    for contender in numbers["contenders"].values():
        contender["splits"]["folds"] = contender["splits"]["test"]
    assert "all other cases give" in section(write(numbers), "Operating points")
    # An earlier version chose thresholds of other probabilities than predict gives: none of those is printed.
    old = {"wanted": 0.9, "threshold": over(0.4321), **found}
    next(iter(evaluated["tasks"].values()))["operating_points"] = [{"positive": "MR", "points": [old]}]
    assert "distune confirm" in (said := section(write(numbers), "Operating points")) and "0.43" not in said

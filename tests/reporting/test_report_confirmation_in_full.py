"""What a report shows of a confirmation and an audit in full: tables, figures and the appendix."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from confirmed_numbers import AUDIT, CONFIRMATION, compared, over
from pages import first_screen, section

from distune.analysis.records.study_files import ConfirmationRecord
from distune.data.audit.participant_flow import NAMES as FLOWS
from distune.reporting.figures.bars import draw_confirmed
from distune.reporting.figures.style import look
from distune.reporting.formats import over_seeds

FULL = "Confirmation in full"


Write = Callable[..., str]


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
    said = "“after” flatters"
    assert said not in section(write(CONFIRMATION), FULL)
    numbers = copy.deepcopy(CONFIRMATION) | {"split": "dev", "optimistic": True, "opening": None}
    assert said in section(write(numbers), FULL)


def test_out_of_fold_answers_are_not_said_to_be_of_the_model_that_predicts(write: Write) -> None:
    assert "“After” is of" in section(write(CONFIRMATION), FULL)
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["split"], numbers["examples"]["folds"] = "folds", numbers["examples"]["test"]
    for contender in numbers["contenders"].values():
        contender["splits"]["folds"] = contender["splits"]["test"]
    said = section(write(numbers), FULL)
    assert "calibration error on folds" in said and "“After” is of" not in said


def test_long_tables_hold_the_recommended_and_the_base_config_alone(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0002"] = copy.deepcopy(numbers["contenders"]["trial_0001"]) | {
        "rank": 2,
        "trial": 2,
    }
    numbers["recommendation"] |= {"contender": "trial_0001", "kind": "trial"}
    said = section(write(numbers, more=1), FULL)
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


def test_a_mean_of_one_seed_has_no_interval() -> None:
    assert over_seeds(over(0.5, None)) == "0.5000"
    assert over_seeds(over(0.5)) == "0.5000 [0.4900, 0.5100]"
    assert over_seeds(None) == "—"


@pytest.mark.slow
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

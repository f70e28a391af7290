"""A confirmation and an audit as their files hold them, with hostile text wherever a user's text can stand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from distune.analysis.records.study_record import StudyRecord

HOSTILE = '<script>alert("x")</script>|**b** `c` [a](javascript:x) <img src=x onerror=y>\x1b[31m\n# heading'


def over(mean: float, half: float | None = 0.01, seeds: int = 5) -> dict[str, Any]:
    return {
        "mean": mean,
        "low": None if half is None else mean - half,
        "high": None if half is None else mean + half,
        "seeds": seeds,
    }


def split(score: float, half: float | None = 0.01) -> dict[str, Any]:
    keys = ("macro_f1", "accuracy", "calibration_error", "log_loss", "temperature")
    task = {key: over(score, half) for key in keys}
    task |= {
        "auc": None,
        "auc_missing": "one class",
        "calibration_error": over(0.2111, half),
        "calibration_error_scaled": over(0.1222, half),
        "log_loss_scaled": over(0.4, half),
        "classes": {HOSTILE: {"recall": over(0.7, half), "support": 12}, "b": {"recall": None, "support": 0}},
    }
    trained = (
        {}
        if half is None
        else {
            "without_image": {"score": over(0.3333), "change": over(-0.4444)},
            "without_text": {"score": over(0.2222), "change": over(-0.5555)},
        }
    )
    forecast = {
        "mean": score,
        "low": score - 0.055,
        "high": score + 0.057,
        "cases": 95,
        "from_cases": 95,
        "seeds": 5,
    }
    return {
        "score": over(score, half),
        "scores": [score],
        "forecast": None if half is None else forecast,
        "tasks": {HOSTILE: task},
        "conditions": trained,
    }


def contender(kind: str, trial: int | None, rank: int | None, score: float) -> dict[str, Any]:
    is_baseline = kind == "baseline"
    half = None if is_baseline else 0.01
    return {
        "kind": kind,
        "trial": trial,
        "rank": rank,
        "is_base": kind == "base",
        "search_score": score + 0.05,
        "seeds": [] if is_baseline else [1, 2, 3, 4, 5],
        "missing": [],
        "parameters": None if is_baseline else {"total": 65303, "trained": 65303},
        "settings": {HOSTILE: {"C": 0.1}},
        "splits": {"dev": split(score + 0.02, half), "test": split(score, half)},
    }


def compared(kind: str, first: str, second: str, difference: float, verdict: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "family": "primary" if kind in ("tuning_gain", "distillation_gain") else "secondary",
        "first": first,
        "second": second,
        "difference": difference,
        "low": difference - 0.02,
        "high": difference + 0.02,
        "family_low": difference - 0.023,
        "family_high": difference + 0.023,
        "p_value": 0.02,
        "adjusted_p": 0.041,
        "verdict": verdict,
        "examples": 120,
        "seeds": {"first": 5, "second": 5},
        "groups": 95,
        "standard_error": 0.01,
        "power": 0.17,
        "seeds_needed": 14,
        "cases_needed": 987,
        "excludes_relevant_gain": False,
        "mcnemar": {HOSTILE: {"only_first": 3, "only_second": 14, "p_value": 0.0127}},
    }


CONFIRMATION: dict[str, Any] = {
    "version": 2,
    "relevant_gain": 0.01,
    "study": "s",
    "top": 1,
    "seeds": [1, 2, 3, 4, 5],
    "split": "test",
    "optimistic": False,
    "complete": True,
    "examples": {"dev": {"examples": 110, "cases": 90}, "test": {"examples": 120, "cases": 95}},
    "opening": {
        "number": 2,
        "openings": [{"time": "2026-01-01", "by": HOSTILE}, {"time": "2026-01-02", "by": "second"}],
        "elsewhere": [{"time": "2026-01-03", "by": "other study", "file": "logs/other"}],
    },
    "contenders": {
        "trial_0001": contender("trial", 1, 1, 0.75),
        "base": contender("base", 0, None, 0.74),
        "trial_0001_student_alone": contender("student_alone", None, None, 0.6933),
        "majority": contender("baseline", None, None, 0.31),
    },
    "comparisons": [
        compared("tuning_gain", "trial_0001", "base", 0.0123, "not significantly different"),
        compared("distillation_gain", "trial_0001", "trial_0001_student_alone", 0.0567, "better"),
        compared("against_baseline", "trial_0001", "majority", 0.44, "better"),
    ],
    "comparisons_missing": [
        {"kind": "teacher_gap", "first": "teacher", "second": "trial_0001", "reason": HOSTILE}
    ],
    "optimism": {
        "contender": "trial_0001",
        "search_score": 0.8,
        "dev": over(0.77),
        "test": over(0.75),
        "loss": {"mean": 0.03, "low": 0.02, "high": 0.04, "on": "dev"},
    },
    "recommendation": {
        "contender": "base",
        "kind": "base",
        "trial": 0,
        "reason": "highest_expected",
        "best_holds_up": False,
        "text": "The base config has the highest expected score.",
        "config": "recommended_config.yaml",
        "searched": 15,
        "candidates": {
            "base": {
                "observed_gain": 0.0,
                "expected_gain": 0.0,
                "probability_better": None,
                "probability_best": 0.71,
            },
        },
    },
    "failures": [{"contender": "base", "seed": 3, "kind": "crashed", "message": HOSTILE}],
    "notes": [HOSTILE],
}
AUDIT: dict[str, Any] = {
    "findings": [
        {
            "kind": "label_in_text",
            "severity": "warning",
            "title": "texts name the label",
            "detail": f"In {HOSTILE}",
            "rows": [{"value": f"{HOSTILE} {number}", "count": number} for number in range(7)],
        },
        {"kind": "leak", "severity": "severe", "title": "same images", "detail": "31 pairs.", "rows": []},
    ],
    "sections": [
        {"title": "Class balance", "rows": [{"task": "kind", "class": HOSTILE, "train": 40, "dev": 4}]},
        {"title": HOSTILE, "rows": []},
    ],
}


def recommending_the_trial(verdict: str = "better") -> dict[str, Any]:
    """A confirmation that recommends the best trial."""
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["recommendation"] |= {"contender": "trial_0001", "kind": "trial", "trial": 1}
    numbers["comparisons"][0]["verdict"] = verdict
    return numbers


def _on_dev(numbers: dict[str, Any]) -> None:
    numbers |= {"split": "dev", "optimistic": True, "opening": None, "complete": False}
    del numbers["examples"]["test"]
    for about in numbers["contenders"].values():
        about["splits"]["test"] = None


def _on_folds(numbers: dict[str, Any]) -> None:
    numbers["split"], numbers["examples"]["folds"] = "folds", numbers["examples"]["test"]
    numbers["optimism"]["folds"] = 3
    for about in numbers["contenders"].values():
        about["splits"]["folds"] = about["splits"]["test"]


def _baseless(numbers: dict[str, Any]) -> None:
    numbers |= {"comparisons": [], "optimism": None, "failures": [], "notes": []}
    numbers["contenders"]["base"]["splits"] = {"dev": None, "test": None}


def _not_better(numbers: dict[str, Any]) -> None:
    for each, verdict in zip(
        numbers["comparisons"], ("lower", "not significantly different", "lower"), strict=True
    ):
        each |= {
            "verdict": verdict,
            "power": 0.85,
            "seeds_needed": 4,
            "cases_needed": 60,
            "difference": -0.03,
        }
        each |= {"excludes_relevant_gain": True}
    numbers["contenders"]["majority"]["splits"]["test"]["score"] = over(0.9, None)


def _of_two_seeds(numbers: dict[str, Any]) -> None:
    numbers |= {"seeds": [1, 2], "notes": []}
    numbers["opening"] |= {"number": 1, "elsewhere": []}
    numbers["comparisons"][0] |= {"power": 0.2, "seeds_needed": None, "cases_needed": None}
    for about in numbers["contenders"].values():
        about["missing"] = [2] * (about["kind"] == "base")
        for evaluated in about["splits"].values():
            evaluated["conditions"].pop("without_text", None)
            evaluated["score"] |= {"seeds": 2}


def _in_detail(numbers: dict[str, Any]) -> None:
    held = {"mean": 0.8, "low": 0.7, "high": 0.9, "seeds": 3, "cases": 40}
    group = {"examples": 50, "cases": 40, "small": False, "score": held, "accuracy": held, "difference": None}
    lower = {"mean": -0.1, "low": -0.2, "high": -0.05, "verdict": "lower"}
    groups = [{**group, "name": "F", "cases": 9, "small": True}, {**group, "name": "M", "difference": lower}]
    groups += [{**group, "name": "other"}]
    numbers["subgroups"] = {
        "sex": {"groups": groups, "unknown": 3, "values": 3},
        "name": {"groups": [], "unknown": 0, "values": 40},
        "age": {"groups": groups[1:], "unknown": 1, "values": 2},
    }
    found = {"sensitivity": over(0.7), "specificity": over(0.88)}
    point = {"wanted": 0.9, "thresholds": [0.4] * 5, "first_seed": found, **found}
    coarse = {**dict.fromkeys(point), "wanted": 0.95}
    evaluated = numbers["contenders"]["trial_0001"]["splits"]["test"]
    (task,) = evaluated["tasks"].values()
    task["operating_points"] = [{"positive": "MR", "points": [point, coarse]}]
    evaluated["conditions"]["without_image"]["tasks"] = {"kind": {"macro_f1": over(0.4321)}}
    numbers["contenders"]["trial_0002"] = copy.deepcopy(numbers["contenders"]["trial_0001"])
    numbers["contenders"]["trial_0002"] |= {"rank": 2, "trial": 2}


VARIANTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "on dev": _on_dev,
    "on folds": _on_folds,
    "baseless": _baseless,
    "not better": _not_better,
    "of two seeds": _of_two_seeds,
    "in detail": _in_detail,
}
"""Changes of a confirmation that recommends its trial."""


def of_the_study(numbers: dict[str, Any], study: StudyRecord) -> dict[str, Any]:
    """The same confirmation with the scores that the study's trials have, by which it is known as the study's own."""
    scores = {trial.number: trial.value for trial in study.trials}
    contenders = {
        name: {**about, "search_score": scores.get(about["trial"], about["search_score"])}
        for name, about in numbers["contenders"].items()
    }
    return {**numbers, "contenders": contenders}

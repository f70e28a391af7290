"""A confirmation and an audit as their files hold them, with hostile text wherever a user's text can stand."""

from __future__ import annotations

from typing import Any

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
    "study": HOSTILE,
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

"""Studies of other kinds for the report's tests: by folds, staged, with failures, and a whole confirmation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from full_study import START, TASKS, predictions
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from distune.analysis.records.from_csv import from_csv
from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import StudyRecord
from distune.config import Config, as_dict

KINDS = ("unconfirmed", "confirmed", "folds", "staged", "table", "failures")
"""Of reports, see `study_of`."""
FOLDS = 3
T = FloatDistribution(2.0, 6.0)


def fold_folders(folder: Path) -> Path:
    """The run folder of a trial whose folds each hold one wrong and `number` right answers."""
    for number in range(1, FOLDS + 1):
        fold = folder / f"fold_{number}"
        fold.mkdir(parents=True)
        task = {"classes": ["a", "b"], "confusion": [[number, 0], [1, 0]]}
        (fold / "results.json").write_text(json.dumps({"splits": {"dev": {"tasks": {"type": task}}}}))
        rows = [
            f"x{number}{row},g{number},a,{p:.1f},{1 - p:.1f}" for row, p in enumerate([0.9] * number + [0.4])
        ]
        lines = ["id,group,truth_type,p_type_a,p_type_b", *rows]
        (fold / "predictions_dev.csv").write_text("\n".join(lines) + "\n")
    return folder


def fold_study(folder: Path) -> optuna.Study:
    """Fourteen trials, every third one pruned after its second fold."""
    study = optuna.create_study(study_name="s", direction="maximize")
    about = {
        "base_config": as_dict(Config()), "search_space": {"T": {"type": "float", "low": 2.0, "high": 6.0,
        "key": "distillation.T"}}, "sampler": "tpe", "pruner": "median", "strategy": "joint", "folds": FOLDS,
        "teacher_epochs": 2, "student_epochs": 3, "metric": "mean over 3 folds of the mean over tasks of the macro F1",
    }  # fmt: skip
    for key, value in about.items():
        study.set_user_attr(key, value)
    for number in range(14):
        is_pruned = number % 3 == 2
        scores = [0.5 + number / 100 + (0.0, 0.1, -0.1)[fold] for fold in range(FOLDS)][
            : 2 if is_pruned else 3
        ]
        means = [sum(scores[: n + 1]) / (n + 1) for n in range(len(scores))]
        study.add_trial(create_trial(
            state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE, value=None if is_pruned else means[-1],
            params={"T": 2.0 + number / 5}, distributions={"T": T}, intermediate_values=dict(enumerate(means, 1)),
            user_attrs={"fold_scores": scores, "baseline": number == 0, "folder": str(folder), "seconds": 30.0,
                        "stage_seconds": {"teacher": 10.0, "student": 20.0}},
        ))  # fmt: skip
    return study


KEPT = ("teacher 3", "base")
TEACHER = CategoricalDistribution(KEPT)


def strategy_study(strategy: str, pruned: set[int], **attributes: Any) -> optuna.Study:
    """Twelve trials; pruned ones have no score at all."""
    staged = strategy == "staged"
    study = optuna.create_study(study_name="s", direction="maximize")
    space = {"T": {"type": "float", "low": 2.0, "high": 6.0, "key": "distillation.T"}}
    if staged:
        space["teacher"] = {"type": "categorical", "choices": list(KEPT), "key": "teacher"}
    base = {"base_config": as_dict(Config()), "search_space": space, "sampler": "random", "pruner": "median"}
    for key, value in {**base, "strategy": strategy, "student_epochs": 2, **attributes}.items():
        study.set_user_attr(key, value)
    for number in range(12):
        has_score = number not in pruned
        params = {"T": 2.0 + number / 4, **({"teacher": KEPT[number % 2 == 0]} if staged else {})}
        score = 0.5 + number / 100
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if has_score else TrialState.PRUNED,
                value=score if has_score else None,
                params=params,
                distributions={"T": T, **({"teacher": TEACHER} if staged else {})},
                intermediate_values={1: score - 0.1, 2: score} if has_score else {},
                user_attrs={
                    "seconds": 60.0 if has_score else 20.0,
                    "stage_seconds": {"teacher": 20.0, **({"student": 40.0} if has_score else {})},
                    "baseline": number == 0,
                },
            )
        )
    return study


def teachers_of(students: optuna.Study, with_record: bool) -> StudyRecord:
    """The record of a staged search: four teachers of 50 s, 30 s of them training, and one pruned after 20 s."""
    teachers = optuna.create_study(study_name="s_teacher", direction="maximize")
    for key, value in {"strategy": "teacher", "teacher_epochs": 4, "pruner": "median"}.items():
        teachers.set_user_attr(key, value)
    for number in range(5):
        is_pruned = number == 4
        teachers.add_trial(
            create_trial(
                state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
                value=None if is_pruned else 0.7,
                intermediate_values={1: 0.5, 2: 0.6} if is_pruned else {},
                user_attrs={
                    "seconds": 20.0 if is_pruned else 50.0,
                    "stage_seconds": {"data": 1.0, "teacher": 10.0 if is_pruned else 30.0},
                    "peak_memory_mb": 5000.0,
                    "device": "cuda:7",
                    "cache_hits": 3,
                },
            )
        )
    record = from_optuna(students)
    return replace(record, teacher_record=from_optuna(teachers)) if with_record else record


def with_failures(study: StudyRecord) -> StudyRecord:
    """The same study with every third trial failed, for one of three reasons."""
    kinds = ("out_of_memory", "not_finite", "crash")
    return replace(
        study,
        trials=tuple(
            replace(
                trial,
                state="failed",
                value=None,
                failure_kind=kinds[trial.number % 9 // 3],
                failure_message="no",
            )
            if trial.number % 3 == 2
            else trial
            for trial in study.trials
        ),
    )


def confirmation_of(study: StudyRecord) -> dict[str, Any]:
    """A confirmation of the best trial and the next one, every number of which is another one."""
    rng = np.random.default_rng(11)
    first, second = sorted(study.complete, key=lambda trial: -(trial.value or 0.0))[:2]
    tasks = {"modality": ("CT", "MR"), "location": ("Abdomen", "Head", "Thorax")}

    def over(seeds: int | None = 5) -> dict[str, Any]:
        mean = float(rng.uniform(0.5, 0.9))
        low, high = (
            (None, None) if seeds is None else (mean - rng.uniform(0.01, 0.1), mean + rng.uniform(0.01, 0.1))
        )
        return {"mean": mean, "low": low, "high": high, "seeds": seeds or 1, "cases": 95}

    def of_task(classes: tuple[str, ...], seeds: int | None) -> dict[str, Any]:
        keys = ("macro_f1", "accuracy", "auc", "calibration_error", "calibration_error_scaled")
        keys += ("log_loss", "log_loss_scaled", "temperature")
        held: dict[str, Any] = {key: over(seeds) for key in keys}
        return held | {
            "classes": {name: {"support": 40, "cases": 30, "recall": over(seeds)} for name in classes}
        }

    def split(seeds: int | None) -> dict[str, Any]:
        forecast = {**over(), "from_cases": 95, "seeds": 5}
        condition = {
            "score": over(seeds),
            "change": over(seeds),
            "tasks": {name: {"macro_f1": over(seeds)} for name in tasks},
        }
        return {
            "score": over(seeds),
            "over_seeds": over(seeds),
            "scores": [float(score) for score in rng.uniform(0.5, 0.9, 5)],
            "forecast": None if seeds is None else forecast,
            "tasks": {name: of_task(classes, seeds) for name, classes in tasks.items()},
            "conditions": {} if seeds is None else {"without_image": condition, "without_text": condition},
        }

    def contender(kind: str, trial: int | None, rank: int | None) -> dict[str, Any]:
        seeds = None if kind == "baseline" else 5
        return {
            "kind": kind,
            "trial": trial,
            "rank": rank,
            "is_base": kind == "base",
            "search_score": next((each.value for each in study.trials if each.number == trial), None),
            "seeds": [] if seeds is None else [1, 2, 3, 4, 5],
            "missing": [],
            "parameters": None if seeds is None else {"total": 26_512_345, "trained": 1_234_567},
            "settings": {name: {"C": 0.1} for name in tasks},
            "splits": {"dev": split(seeds), "test": split(seeds)},
        }

    def compared(kind: str, first: str, second: str, verdict: str, size: float) -> dict[str, Any]:
        low, middle, high = sorted(float(end) for end in rng.uniform(size / 2, size, 3))
        return {
            "kind": kind,
            "family": "primary" if kind in ("tuning_gain", "distillation_gain") else "secondary",
            "first": first,
            "second": second,
            "difference": middle,
            "low": low,
            "high": high,
            "family_low": low - 0.0123456,
            "family_high": high + 0.0123456,
            "p_value": float(rng.random()),
            "adjusted_p": float(rng.random()),
            "verdict": verdict,
            "power": float(rng.random()),
            "seeds_needed": 14,
            "cases_needed": 987,
            "excludes_relevant_gain": False,
            "mcnemar": {
                name: {"only_first": 3, "only_second": 14, "p_value": float(rng.random())} for name in tasks
            },
        }

    best, other = f"trial_{first.number:04d}", f"trial_{second.number:04d}"
    names = ("majority", "text_tfidf", "features_image_text", "features_image", "features_text")
    candidates = {
        name: {key: float(rng.uniform(0.01, 0.09)) for key in ("observed_gain", "expected_gain")}
        | {key: float(rng.random()) for key in ("probability_best", "probability_better")}
        for name in (best, other)
    }
    optimism = {"contender": best, "search_score": first.value, "folds": None}
    optimism |= {key: over() for key in ("dev", "again", "test")}
    return {
        "version": 2,
        "study": study.name,
        "top": 2,
        "seeds": [1, 2, 3, 4, 5],
        "split": "test",
        "optimistic": False,
        "complete": True,
        "relevant_gain": 0.01,
        "power_before": None,
        "examples": {"dev": {"examples": 110, "cases": 90}, "test": {"examples": 120, "cases": 95}},
        "tasks": {name: list(classes) for name, classes in tasks.items()},
        "opening": {
            "number": 1,
            "openings": [{"time": "2026-01-01", "by": "distune confirm"}],
            "elsewhere": [],
        },
        "contenders": {
            best: contender("trial", first.number, 1),
            other: contender("trial", second.number, 2),
            "base": contender("base", 0, None),
            f"{best}_student_alone": contender("student_alone", None, None),
            f"{best}_teacher": contender("teacher", None, None),
            **{name: contender("baseline", None, None) for name in names},
        },
        "comparisons": [
            compared("tuning_gain", best, "base", "better", 0.05),
            compared("distillation_gain", best, f"{best}_student_alone", "not significantly different", 0.03),
            compared("teacher_gap", f"{best}_teacher", best, "better", 0.04),
            compared("against_trial", best, other, "not significantly different", 0.02),
            compared("trial_gain", other, "base", "better", 0.05),
            *(compared("against_baseline", best, name, "not significantly different", 0.5) for name in names),
        ],
        "comparisons_missing": [],
        "optimism": optimism | {"loss": {**over(), "on": "dev"}},
        "recommendation": {
            "contender": other,
            "kind": "trial",
            "trial": second.number,
            "reason": "highest_expected",
            "best_holds_up": False,
            "text": "It has the highest expected score.",
            "config": "recommended_config.yaml",
            "candidates": candidates,
            "searched": len(study.complete),
        },
        "failures": [],
        "notes": [],
    }


def study_of(kind: str, full: StudyRecord, folder: Path) -> StudyRecord:
    """A study of one of the six kinds of report."""
    if kind == "table":
        return from_csv(Path(__file__).parent / "fixtures" / "reference_trials.csv", "maximize")
    if kind == "folds":
        return dated(from_optuna(fold_study(fold_folders(folder / "trial_0013")), folder))
    if kind == "staged":
        first = {
            "name": "s_teacher",
            "finished": 5,
            "complete": 4,
            "pruned": 1,
            "failed": 0,
            "seconds": 220.0,
        }
        study = teachers_of(strategy_study("staged", {6}, teacher_study=first), with_record=True)
        assert study.teacher_record is not None
        return replace(dated(study), teacher_record=dated(study.teacher_record))
    if kind == "failures":
        return with_failures(full)
    if kind == "confirmed":
        return confirmed(full, folder)
    return full


def dated(study: StudyRecord) -> StudyRecord:
    """The study with trials that began a minute apart on a known day, not in the moment that they were made up."""
    trials = []
    for trial in study.trials:
        began = START + timedelta(minutes=trial.number)
        trials.append(replace(trial, started=began, finished=began + timedelta(seconds=trial.seconds or 0.0)))
    return replace(study, trials=tuple(trials))


def confirmed(full: StudyRecord, folder: Path) -> StudyRecord:
    """The study with a confirmation that recommends its second best trial and kept its answers on test."""
    numbers = confirmation_of(full)
    run = folder / "confirmation" / numbers["recommendation"]["contender"] / "seed_1"
    predictions(run, TASKS, 0.7, np.random.default_rng(5))
    (run / "predictions_dev.csv").rename(run / "predictions_test.csv")
    (folder / "confirmation.json").write_text(json.dumps(numbers))
    (folder / "recommended_config.yaml").write_text("student: {vision: tiny-cnn, text: none}\n")
    return replace(full, folder=folder)


def study_at(
    folder: Path, name: str = "s", best: float = 0.8, text: str | None = None, more: int = 0
) -> StudyRecord:
    """A study whose trial 0 is the base and whose trial 1 is the best; more trials score less."""
    study = optuna.create_study(study_name=name, direction="maximize")
    study.set_user_attr("base_config", {} if text is None else {"student": {"text": text}})
    study.add_trials([create_trial(value=0.7, user_attrs={"baseline": True}), create_trial(value=best)])
    study.add_trials([create_trial(value=0.1)] * more)
    folder.mkdir(exist_ok=True)
    return from_optuna(study, folder)

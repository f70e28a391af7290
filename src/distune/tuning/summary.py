"""The study's outcome as two files: `study_summary.json` and `best_config.yaml`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from distune import __version__
from distune.config import Config, dump_config, parse_config
from distune.errors import UserError
from distune.training.teacher.check import teacher_warning
from distune.tuning.coordinator.leases import leases
from distune.tuning.coordinator.ledger import count, count_kinds, ranked
from distune.tuning.coordinator.proposals import configured
from distune.tuning.study.attributes import OVERRIDES
from distune.tuning.study.settings import COMMITS
from distune.tuning.trials.folds import FOLD_SCORES
from distune.tuning.trials.trial import REGRESSION_SCORE, TEACHER_SCORE
from distune.utils.files.generated import write_generated, write_generated_json

SETTING_KEYS = (
    "metric",
    "folds",
    "data_fingerprint",
    "config_path",
    "sampler",
    "pruner",
    "pruner_settings",
    "strategy",
    "prune_teacher",
    "teacher_study",
    "teachers",
    "seed",
    "teacher_epochs",
    "student_epochs",
    "search_space",
    COMMITS,
)
SUMMARY_NAME = "study_summary.json"
BEST_CONFIG_NAME = "best_config.yaml"
LOG_NAME = "study.log"


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The complete trial with the highest score, the earliest of equals; None if none is complete."""
    return next(iter(ranked(trials)), None)


def base_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The complete trial of the base config; None if it has no score."""
    found = (trial for trial in ranked(trials) if trial.user_attrs.get("baseline"))
    return next(found, None)


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters; the base config's own values too, where they lie outside the search space."""
    return {**trial.user_attrs.get("fixed_params", {}), **trial.params}


def config_of_trial(study: Study, trial: FrozenTrial) -> Config:
    """The complete config that a trial ran."""
    return _configured(study, trial.user_attrs.get(OVERRIDES, {}))


def base_config_of(study: Study) -> Config:
    """The base config of a study, its hub models at the study's commits."""
    return _configured(study, {})


def _configured(study: Study, overrides: Mapping[str, Any]) -> Config:
    known = study.user_attrs
    if "base_config" not in known:
        raise UserError(
            f"study {study.study_name} lost its base config: its database was changed by another program; restore it "
            "from a copy. The run folders of its trials are kept"
        )
    return configured(parse_config(known["base_config"]), overrides, known.get(COMMITS))


def write_summary(study: Study, folder: Path, *, storage: str = "", reason: str = "") -> dict[str, Any]:
    """Writes the summary and, if any trial is complete, the best config.

    Args:
        study: the study.
        folder: its folder.
        storage: URL of its storage, already redacted.
        reason: why the last coordinator ended.

    Returns:
        What was written into `study_summary.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)  # it may have been deleted in mid-study
    trials = study.get_trials(deepcopy=False)
    best = best_trial(trials)
    best_path = folder / BEST_CONFIG_NAME
    if best is not None:
        write_generated(best_path, dump_config(config_of_trial(study, best)))
    summary = {
        **_about(study),
        "storage": storage,
        "reason": reason,
        "trials": _states(trials),
        "failures": count_kinds(trials),
        "best": _entry(best),
        "base": _entry(base_trial(trials)),
        "note": None if best else "no trial is complete, so there is no best config",
        "seconds": _seconds(study, trials),
        "machine": _machine(trials),
        "files": _files(folder, has_best=best is not None),
    }
    write_generated_json(folder / SUMMARY_NAME, summary)
    return summary


def _about(study: Study) -> dict[str, Any]:
    attributes = study.user_attrs
    return {
        "study": study.study_name,
        **{key: attributes.get(key) for key in SETTING_KEYS},
        "distune_version": __version__,
    }


def _states(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    counts = count(trials)
    states = ("finished", "complete", "pruned", "running", "waiting", "failed")
    return {state: getattr(counts, state) for state in states}


def _entry(trial: FrozenTrial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    known = trial.user_attrs
    return {
        "number": trial.number,
        "value": trial.value,
        "params": params_of(trial),
        "best_epoch": known.get("best_epoch"),
        "folder": known.get("folder"),
        "teacher_warning": warning_of(trial),
    }


def warning_of(trial: FrozenTrial) -> str | None:
    """That the trial's teacher has little to teach; None where it has, or where nothing is known of it."""
    known = trial.user_attrs
    folds = known.get(FOLD_SCORES)
    return teacher_warning(
        known.get(TEACHER_SCORE),
        trial.value,
        "dev" if folds is None else f"{len(folds)} folds",
        known.get(REGRESSION_SCORE),
    )


def _seconds(study: Study, trials: Sequence[FrozenTrial]) -> dict[str, float | None]:
    """Wall time of the study (all coordinators' time, pauses left out) and mean trial times."""
    sessions = sorted((lease.started, lease.seen) for lease in leases(study.user_attrs).values())
    wall, reached = 0.0, 0.0
    for start, end in sessions:
        wall += max(0.0, end - max(start, reached))
        reached = max(reached, end)

    def mean(state: TrialState) -> float | None:
        ran_here = [t.user_attrs for t in trials if t.state == state and "copied_from" not in t.user_attrs]
        found = [attrs["seconds"] for attrs in ran_here if "seconds" in attrs]
        return sum(found) / len(found) if found else None

    return {"wall": wall, "mean_complete": mean(TrialState.COMPLETE), "mean_pruned": mean(TrialState.PRUNED)}


def _machine(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    known = [trial.user_attrs for trial in trials]
    return {
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "devices": sorted({a["device"] for a in known if "device" in a}),
        "peak_memory_mb": max((a.get("peak_memory_mb", 0.0) for a in known), default=0.0),
        "peak_device_mb": max((a.get("peak_device_mb", 0.0) for a in known), default=0.0),
        "disk_mb": sum(a.get("disk_mb", 0.0) for a in known),
    }


def _files(folder: Path, has_best: bool) -> dict[str, str]:
    files = {"summary": folder / SUMMARY_NAME, "log": folder / LOG_NAME, "trials": folder / "trials"}
    if has_best:
        files["best_config"] = folder / BEST_CONFIG_NAME
    return {name: str(path) for name, path in files.items()}

"""Studies that are finished without a trial being run, and their confirmations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from distune.config import Config, parse_config
from distune.confirmation.request import ConfirmRequest
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import opened
from distune.utils.files.sealed_files import read_sealed

optuna.logging.set_verbosity(optuna.logging.WARNING)

STUDY = "tiny_study"
TRIALS = (({}, 0.5), ({"student.lr": 8e-3}, 0.7), ({"student.lr": 1e-3}, 0.6))
"""Overrides and score of each trial; trial 0 is the base."""


def config_on(root: Path) -> Config:
    def model(lr: float, dim: int) -> dict[str, Any]:
        shape = {"fusion_dim": dim, "fusion_layers": 1, "fusion_heads": 2, "fusion_tokens": "pooled"}
        return {"vision": "tiny-cnn", "text": "tiny-text", **shape, "epochs": 1, "lr": lr}

    return parse_config(
        {
            "name": "tiny",
            "seed": 3,
            "data": {
                "reader": "medpix",
                "root": str(root),
                "image_size": 32,
                "max_tokens": 16,
                "subgroup_columns": ["sex"],
            },
            "teacher": model(2e-3, 16),
            "student": model(4e-3, 8),
            "training": {"batch_size": 16, "device": "cpu", "precision": "fp32", "threads": 1},
        }
    )


def write_study(
    logs: Path,
    base: Config,
    trials: Sequence[tuple[Mapping[str, Any], float]] = TRIALS,
    folds: int | None = None,
) -> Path:
    """A finished study whose trials were never run; returns its SQLite file."""
    table = read_table(base.data)
    settings = StudySettings(
        base=base, space=build_space(base), dataset=table_fingerprint(table), seed=11, folds=folds
    )
    logs.mkdir(parents=True, exist_ok=True)
    file = logs / f"{STUDY}.db"
    with opened(f"sqlite:///{file}") as storage:
        study = open_study(storage, STUDY, settings)
        for overrides, score in trials:
            attributes = {"overrides": dict(overrides), **({} if overrides else {"baseline": True})}
            study.add_trial(create_trial(state=TrialState.COMPLETE, value=score, user_attrs=attributes))
    return file


def request_for(file: Path, **values: Any) -> ConfirmRequest:
    return ConfirmRequest(**{"study": str(file), "top": 2, "seeds": 2, **values})


def numbers_of(file: Path) -> dict[str, Any]:
    return read_sealed(file.with_suffix("") / "confirmation.json")


def timeless(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers without the times that they were made at."""
    return {key: value for key, value in numbers.items() if key not in ("created", "opening")}

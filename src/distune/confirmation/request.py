"""What `distune confirm` is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from distune.config.study import MOST_TRIALS, MOST_WORKERS
from distune.utils.arguments import check_argument, check_number, check_path, check_text

ConfirmEndReason = Literal["finished", "incomplete", "interrupted", "low_disk"]

RELEVANT_GAIN = 0.01
"""The smallest gain that matters unless the user says otherwise: one point of score."""
LEAST_GAIN = 1e-6
MOST_SEEDS, MOST_CASES = 1000, 10**9
"""More trainings of each contender than anybody waits for, and more cases than any set has."""


@dataclass(frozen=True)
class ConfirmRequest:
    """What a user asks for.

    Args:
        study: its name under `logs/optuna`, its folder, or its `.db` file.
        top: how many of the best trials take part.
        seeds: trainings of each contender.
        relevant_gain: the smallest gain that matters, in score; one point is 0.01.
        new_cases: cases of the set whose score is forecast; empty takes as many as the evaluated split has.
        workers: trainings at once.
        devices: of the workers, in turn; empty takes the study's `training.device`.
        storage: SQLAlchemy URL of the database that holds the study; empty is its SQLite file.
        data_root: where the data set is now, if elsewhere.
        again: open the test split although this study has opened it before.
        executor: where workers live: "local" processes or "ray".
        ray_address: of the Ray cluster; empty is this machine's.
        gpus_per_trial: GPUs that Ray sets aside for a run.
        subgroup_columns: in place of the config's `data.subgroup_columns`.
        one_modality: also train the best config's student on the image alone and on the text alone, without a teacher.
        settings: config values by dotted key that lie over the study's: of `NEUTRAL_KEYS`, which say where it runs.

    Raises:
        UserError: one of them is of a wrong type, or out of its range.
    """

    study: str
    top: int = 3
    seeds: int = 5
    relevant_gain: float = RELEVANT_GAIN
    new_cases: int | None = None
    workers: int = 1
    devices: tuple[str, ...] = ()
    storage: str | None = None
    data_root: Path | None = None
    again: bool = False
    executor: str = "local"
    ray_address: str | None = None
    gpus_per_trial: float = 0.0
    one_modality: bool = False
    subgroup_columns: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_number("top", self.top, least=1, most=MOST_TRIALS, whole=True)
        check_number("workers", self.workers, least=1, most=MOST_WORKERS, whole=True)
        check_number("seeds", self.seeds, least=1, most=MOST_SEEDS, whole=True)
        if self.new_cases is not None:
            check_number("new_cases", self.new_cases, least=1, most=MOST_CASES, whole=True)
        check_number("relevant_gain", self.relevant_gain, least=LEAST_GAIN, most=1)
        check_number("gpus_per_trial", self.gpus_per_trial, least=0, most=1)
        check_argument("executor", self.executor, str)
        for name in ("storage", "ray_address"):
            check_text(name, getattr(self, name), type(None))
        check_path("data_root", self.data_root, type(None))
        for name in ("again", "one_modality"):
            check_argument(name, getattr(self, name), bool)
        check_argument("settings", self.settings, Mapping)
        for name in ("devices", "subgroup_columns"):
            check_argument(name, getattr(self, name), tuple, list)
            for each in getattr(self, name):
                check_argument(name, each, str)


@dataclass(frozen=True)
class ConfirmResult:
    """What came of it.

    Args:
        study: its name.
        folder: of the study; holds `confirmation.json`, `recommended_config.yaml` and the folder `confirmation`.
        reason: why it ended; "incomplete" where some runs failed.
        numbers: what `confirmation.json` holds; empty where it was interrupted or the disk was nearly full.
    """

    study: str
    folder: Path
    reason: ConfirmEndReason
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def recommended(self) -> str | None:
        """Name of the recommended contender; None where there are no numbers."""
        return str(self.numbers["recommendation"]["contender"]) if self.numbers else None

"""What a user asks of tuning, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distune.config import Config
from distune.tuning.coordinator.coordinator import Reason
from distune.tuning.trials.messages import Failure

TRIAL_FUNCTION = "distune.tuning.trials.trial:run_trial"
TEACHER_TRIAL_FUNCTION = "distune.tuning.trials.trial:run_teacher_trial"
FOLDS_TRIAL_FUNCTION = "distune.tuning.trials.folds:run_folds_trial"
ON_OOM = ("fail", "retry")


@dataclass(frozen=True)
class TuneRequest:
    """What a user asks for.

    Args:
        config: the base config, complete; trial 0.
        config_path: the file that it came from, for reports.
        n_trials: finished (complete or pruned) trials that the study shall have, over all restarts.
        study_name: empty goes on with the last unfinished study on the same question, or makes a new one.
        timeout: seconds.
        sampler: one of `SAMPLERS`; empty takes an existing study's, or tpe.
        pruner: one of `PRUNERS`; empty takes an existing study's, or median.
        storage: SQLAlchemy URL; empty is an SQLite file in `logs`.
        workers: trials at once.
        devices: of the workers, in turn; empty takes the config's `training.device`.
        executor: where workers live: "local" processes or "ray".
        ray_address: of the cluster, "HOST:PORT"; "local" starts a private one; empty finds the one of this machine.
        gpus_per_trial: GPUs that Ray sets aside for a trial, 0 to 1.
        tune_fusion: add the fusion modules to the search space.
        tune_loss: add the loss.
        tune_backbones: add the student's encoders.
        only: search these parameters alone.
        space: "recommended", or a file whose `search_space:` overrides and joins the parameters.
        start_from: a config whose tunable values are laid over the base config's, such as another study's best.
        strategy: "joint" or "staged".
        prune_teacher: joint: stop a trial whose teacher falls behind, before its student trains.
        folds: joint: score a trial by its mean over so many folds of train and dev; empty takes the dev split.
        seed: of the sampler; empty takes the config's.
        on_oom: "fail", or "retry" once with half the batch in memory.
        fork: copy the trials of `study_name` that still count into a new study of this name.
        keep_best: how many of the best trials keep their weights.
        logs: where studies live.
        dataset: fingerprint of the examples; empty checks and audits the data set.
        accept_leaks: tune on data whose audit has severe findings.
        trial_function: runs one trial, as `package.module:function`.
        teacher_trial_function: staged: runs one trial of the teacher alone.
        folds_trial_function: with folds: runs one trial, fold by fold.
    """

    config: Config
    config_path: str | None = None
    n_trials: int = 30
    study_name: str | None = None
    timeout: float | None = None
    sampler: str | None = None
    pruner: str | None = None
    storage: str | None = None
    workers: int = 1
    devices: tuple[str, ...] = ()
    executor: str = "local"
    ray_address: str | None = None
    gpus_per_trial: float = 0.0
    tune_fusion: bool = False
    tune_loss: bool = False
    tune_backbones: bool = False
    only: tuple[str, ...] = ()
    space: str | None = None
    start_from: Path | None = None
    strategy: str = "joint"
    prune_teacher: bool = False
    folds: int | None = None
    seed: int | None = None
    on_oom: str = "fail"
    fork: str | None = None
    keep_best: int = 3
    logs: Path = Path("logs/optuna")
    dataset: str | None = None
    accept_leaks: bool = False
    trial_function: str = TRIAL_FUNCTION
    teacher_trial_function: str = TEACHER_TRIAL_FUNCTION
    folds_trial_function: str = FOLDS_TRIAL_FUNCTION


@dataclass(frozen=True)
class TuneResult:
    """What came of it.

    Args:
        study_name: of the study.
        folder: holds the summary, the best config, the log and the run folders.
        reason: why it ended; of a staged search that ended with its teachers, why they did.
        summary: what `study_summary.json` holds.
        best_config: the file, None without a complete trial.
        failure: why the study was given up, where the reason is "failed_alike".
    """

    study_name: str
    folder: Path
    reason: Reason
    summary: dict[str, Any] = field(default_factory=dict)
    best_config: Path | None = None
    failure: Failure | None = None

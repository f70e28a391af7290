"""What a user asks of tuning, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distune.config import Config, StudyConfig, with_values
from distune.tuning.coordinator.coordinator import EndReason
from distune.tuning.executors.make import devices_for
from distune.tuning.trials.messages import Failure
from distune.utils.files.default_folders import STUDIES


@dataclass(frozen=True)
class TrialFunctions:
    """What runs a trial, each as `package.module:function`.

    Args:
        joint: teacher and student.
        teacher: a teacher alone, in a staged search.
        folds: teacher and student, fold by fold.
    """

    joint: str = "distune.tuning.trials.trial:run_trial"
    teacher: str = "distune.tuning.trials.trial:run_teacher_trial"
    folds: str = "distune.tuning.trials.folds:run_folds_trial"


@dataclass(frozen=True)
class TuneRequest:
    """What a user asks for: a config whose `study` section says how to search, and what no config can say.

    Args:
        config: complete; trial 0 is what it says without its `study` section.
        config_path: the file that it came from, for reports.
        fork: copy the trials of the study that `study.name` names into a new one of this name.
        logs: where studies are kept.
        dataset: fingerprint of the examples; empty checks and audits the data set.
        functions: run the trials.
    """

    config: Config
    config_path: str | None = None
    fork: str | None = None
    logs: Path = STUDIES
    dataset: str | None = None
    functions: TrialFunctions = TrialFunctions()

    @staticmethod
    def of(config: Config, settings: Mapping[str, Any], **others: Any) -> TuneRequest:
        """A request whose settings lie over those of the config's `study` section.

        Args:
            config: the config.
            settings: values of the `study` section by field: `{"n_trials": 10}`.
            others: further arguments of a request.

        Raises:
            ConfigError: a setting does not exist or breaks a rule.
        """
        given = {f"study.{name}": value for name, value in settings.items()}
        return TuneRequest(with_values(config, given, source="study settings"), **others)

    @property
    def source(self) -> str:
        """What an error calls the config."""
        return self.config_path or "config"

    @property
    def asked(self) -> StudyConfig:
        """How to search."""
        return self.config.study

    @property
    def devices(self) -> tuple[str, ...]:
        """Of the workers, in turn."""
        return self.asked.gpus or (self.config.training.device,)

    def worker_devices(self) -> tuple[str, ...]:
        """The device of each worker.

        Raises:
            UserError: a device is not there.
        """
        asked = self.asked
        return devices_for(
            asked.executor, self.devices, self.workers, asked.gpus_per_trial, ray_address=asked.ray_address
        )

    @property
    def workers(self) -> int:
        """Trials at once."""
        return self.asked.workers or max(1, len(self.asked.gpus))


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
    reason: EndReason
    summary: dict[str, Any] = field(default_factory=dict)
    best_config: Path | None = None
    failure: Failure | None = None

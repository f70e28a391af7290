"""Studies: tune, look at what came out, confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.api.frames import with_data
from distune.api.settings import restored
from distune.config import Config, load_config
from distune.errors import UserError
from distune.utils.arguments import check_argument, check_path

if TYPE_CHECKING:
    import pandas

    from distune.analysis.records.study_record import StudyRecord, TrialRecord
    from distune.prediction.predictor import Predictor


@dataclass(frozen=True)
class Study:
    """A study that was tuned.

    Attributes:
        name: of the study.
        folder: holds its summary, best config, log and run folders.
        reason: why tuning ended: finished, timeout, interrupted, failed_alike, low_disk.
        storage: SQLAlchemy URL of its database; None is its SQLite file.
    """

    name: str
    folder: Path
    reason: str = "finished"
    storage: str | None = None

    @property
    def _source(self) -> str:
        """What the functions that read a study take."""
        return self.name if self.storage else str(self.folder)

    @property
    def record(self) -> StudyRecord:
        """All trials as they stand now, read from the database."""
        from distune.analysis.records.sources import read_study

        return read_study(self._source, self.storage)

    @property
    def best(self) -> TrialRecord:
        """The best complete trial: its `number`, `value`, `params` and `folder`.

        Raises:
            UserError: no trial is complete.
        """
        from distune.analysis.ranking import rank

        found = rank(self.record).best
        if found is None:
            raise UserError(f"study {self.name}: no trial is complete")
        return found

    @property
    def best_config(self) -> Config:
        """The complete config of the best trial."""
        return load_config(self.folder / "best_config.yaml")

    @property
    def trials(self) -> pandas.DataFrame:
        """One row a trial: number, state, value, seconds, and a column for each parameter.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("a data frame of trials needs pandas: pip install 'distune[pandas]'") from None
        rows = [
            {
                "number": each.number,
                "state": each.state,
                "value": each.value,
                "seconds": each.seconds,
                **each.params,
            }
            for each in self.record.trials
        ]
        return pandas.DataFrame(rows, columns=None if rows else ["number", "state", "value", "seconds"])

    def report(self, out: Path | str | None = None, *, overwrite: bool = False) -> list[Path]:
        """Writes the report; returns its files. Only with `overwrite` it replaces what is no earlier report of it."""
        from distune import reporting

        reporting.require()
        from distune.reporting.report import write_report

        folder = Path(out) if out else self.folder
        return write_report(self._source, folder, storage=self.storage, overwrite=overwrite)

    def predictor(self, device: str | None = None) -> Predictor:
        """The student that stands for the study, see `distune.load`."""
        from distune.prediction.load import load

        return load(self._source, device=device, storage=self.storage)


def tune(
    config: Config, n_trials: int | None = None, *, data: Any = None, fork: str | None = None, **settings: Any
) -> Study:
    """Tunes teacher and student; called again with the same config, it resumes the study.

    Args:
        config: the base config, trial 0; its `study` section says how to search.
        n_trials: finished trials that the study shall have, over all calls; None takes the config's.
        data: a data frame in place of the config's data set, with columns for image (paths, arrays or Pillow images),
            text, labels, and perhaps `group` and `split`; it is written to `logs/data` once, for all workers.
        fork: copy the trials of the study that `name` names into a new one of this name.
        settings: fields of the `study` section that lie over the config's: `workers=2`, `folds=5`, `name="s"`.

    Raises:
        ConfigError: a setting does not exist or breaks a rule.
        UserError: the data, or the storage, or what was asked is wrong.
    """
    from distune.tuning.tune import TuneRequest
    from distune.tuning.tune import tune as run_study

    check_argument("config", config, Config)
    check_argument("fork", fork, str, type(None))
    if n_trials is not None:
        settings["n_trials"] = n_trials
    config = with_data(config, data)
    request = TuneRequest.of(config, settings, fork=fork)
    with restored():
        result = run_study(request)
    return Study(result.study_name, result.folder, result.reason, request.asked.storage)


@dataclass(frozen=True)
class Confirmation:
    """The best trials trained again over seeds and evaluated once on the test split.

    Attributes:
        folder: of the study.
        reason: why it ended: finished, incomplete, interrupted, low_disk.
        numbers: what `confirmation.json` holds; empty where it was interrupted.
    """

    folder: Path
    reason: str
    numbers: Mapping[str, Any]

    @property
    def recommended(self) -> str:
        """Name of the recommended contender.

        Raises:
            UserError: the confirmation did not finish.
        """
        if not self.numbers:
            raise UserError(
                f"{self.folder}: the confirmation ended early ({self.reason}); call confirm again"
            )
        return str(self.numbers["recommendation"]["contender"])

    @property
    def recommended_config(self) -> Config:
        """The complete recommended config."""
        return load_config(self.folder / "recommended_config.yaml")

    def predictor(self, device: str | None = None) -> Predictor:
        """The recommended config's student of the first seed."""
        from distune.prediction.load import load

        return load(self.folder, device=device)


def confirm(study: Study | Path | str, *, top: int = 3, seeds: int = 5, **others: Any) -> Confirmation:
    """Trains the best trials again over seeds, evaluates them once on the test split, and compares them.

    Args:
        study: what `tune` gave, or a study's name, folder or `.db` file.
        top: how many of the best trials take part.
        seeds: trainings of each contender.
        others: further fields of `distune.confirmation.request.ConfirmRequest`, such as `workers`.

    Raises:
        UserError: there is no such study, its data have changed, or the test split was opened before.
    """
    from distune.confirmation.confirm import confirm as run_confirmation
    from distune.confirmation.request import ConfirmRequest

    check_path("study", study, Study)
    check_argument("top", top, int)
    check_argument("seeds", seeds, int)
    source = str(study)
    if isinstance(study, Study):
        source = study._source
        others.setdefault("storage", study.storage)
    with restored():
        result = run_confirmation(ConfirmRequest(study=source, top=top, seeds=seeds, **others))
    return Confirmation(result.folder, result.reason, result.numbers)

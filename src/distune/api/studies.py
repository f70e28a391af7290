"""Studies: tune, look at what came out, compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from distune.api.frames import with_data
from distune.api.settings import public, restored
from distune.api.sources import Source, load, place_of
from distune.config import Config, StudyConfig, load_config
from distune.config.files import check_config
from distune.errors import UserError
from distune.utils.arguments import check_argument, check_flags, check_path, check_text

if TYPE_CHECKING:
    import pandas

    from distune.analysis.records.study_record import StudyRecord, TrialRecord
    from distune.analysis.side_by_side import Contestant
    from distune.prediction.predictor import Predictor
    from distune.tuning.status import StudyStatus


@dataclass(frozen=True)
class Study:
    """A study that was tuned, or still is.

    Attributes:
        name: of the study.
        folder: holds its summary, best config, log and run folders.
        reason: why tuning ended: finished, timeout, interrupted, failed_alike, low_disk; None while it runs, or where
            it was killed.
        storage: SQLAlchemy URL of its database, in full as a notebook may go elsewhere; None is its SQLite file.
    """

    name: str
    folder: Path
    reason: str | None = "finished"
    storage: str | None = None

    @classmethod
    @public
    def open(cls, source: Path | str, *, storage: str | None = None) -> Study:
        """A study that is there already; nothing is written.

        Args:
            source: its name under `logs/optuna`, its folder, or its `.db` file.
            storage: SQLAlchemy URL of the database that holds the study of that name.

        Raises:
            UserError: there is no such study.
        """
        from distune.analysis.records.sources import database_file, name_and_url
        from distune.tuning.status import read_status
        from distune.tuning.study.storage_url import url_in_full
        from distune.utils.files.default_folders import STUDIES

        check_path("source", source)
        check_argument("storage", storage, str, type(None))
        name, url = name_and_url(source, storage)
        ended = read_status(name, storage=url).ended
        folder = STUDIES / name if storage else database_file(source).with_suffix("")
        return cls(name, folder.absolute(), ended, url_in_full(storage))

    @property
    def place(self) -> tuple[str, str | None]:
        """What the functions that take a source look for."""
        return self.name if self.storage else str(self.folder), self.storage

    @property
    def record(self) -> StudyRecord:
        """All trials as they stand now, read from the database."""
        from distune.analysis.records.sources import read_study

        return read_study(*self.place)

    @public
    def status(self) -> StudyStatus:
        """Where the study stands: trials by state, workers, failures by kind, and the expected end."""
        from distune.analysis.records.sources import name_and_url
        from distune.tuning.status import read_status

        name, url = name_and_url(*self.place)
        return read_status(name, storage=url)

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
        except ModuleNotFoundError:
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

    @public
    def report(
        self,
        out: Path | str | None = None,
        *,
        examples: bool = False,
        checklist: str | None = None,
        overwrite: bool = False,
    ) -> list[Path]:
        """Writes the report.

        Args:
            out: folder to write to; None takes the study's.
            examples: show the most confident mistakes: images and texts of patients are on the page.
            checklist: tripod-ai also writes which items of that reporting guideline the report answers.
            overwrite: replace any files of these names, not only those of an earlier report of this study.

        Returns:
            The files written.
        """
        from distune import reporting

        check_path("out", out, type(None))
        check_text("checklist", checklist, type(None))
        check_flags(examples=examples, overwrite=overwrite)
        reporting.require()
        from distune.reporting.report import write_report

        place, storage = self.place
        folder = Path(out) if out else self.folder
        return write_report(
            place, folder, storage=storage, examples=examples, checklist=checklist, overwrite=overwrite
        )

    def predictor(self, device: str | None = None) -> Predictor:
        """The student that stands for the study, see `distune.load`."""
        return load(self, device=device)


@public
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
    from distune.tuning.study.storage_url import url_in_full
    from distune.tuning.tune import TuneRequest
    from distune.tuning.tune import tune as run_study

    check_config(config)
    check_argument("fork", fork, str, type(None))
    if n_trials is not None:
        settings["n_trials"] = n_trials
    _check_kinds(settings)
    config = with_data(config, data)
    request = TuneRequest.of(config, settings, fork=fork)
    with restored():
        result = run_study(request)
    study = Study(
        result.study_name, result.folder.absolute(), result.reason, url_in_full(request.asked.storage)
    )
    refresh_report(study)
    return study


def _check_kinds(settings: Mapping[str, Any]) -> None:
    """Refuses what a file may hold in place of a value, such as a number in quotes; in a call it is a mistake."""
    for name, field in StudyConfig.model_fields.items():
        value = settings.get(name)
        if isinstance(value, str | float) and field.annotation is not None:
            kind: TypeAdapter[Any] = TypeAdapter(field.annotation)
            with suppress(ValidationError):  # it breaks a rule, which is said with those of the others
                kind.validate_python(value)
                try:
                    kind.validate_python(value, strict=True)
                except ValidationError as error:
                    raise UserError(f"{name}: {value!r}: {error.errors()[0]['msg']}") from None


def refresh_report(study: Study) -> None:
    """A report that was written before is written again: what it says would no longer be true."""
    from distune import reporting

    if not reporting.installed():
        return
    from distune.reporting import report

    if (study.folder / report.MARKDOWN_FILE).is_file():
        place, storage = study.place
        report.refresh_report(place, study.folder, storage=storage)


@public
def compare(sources: Sequence[Source]) -> list[Contestant]:
    """Puts studies and runs side by side, the best on dev first.

    Args:
        sources: runs and studies, see `distune.load`.

    Returns:
        One entry each; scores of entries whose `data` differ cannot be compared.

    Raises:
        UserError: one of them is neither.
    """
    from distune.analysis.side_by_side import side_by_side

    check_argument("sources", sources, list, tuple)
    return side_by_side([_comparable(source) for source in sources])


def _comparable(source: Source) -> str | StudyRecord:
    place, storage = place_of(source)
    if storage is None:
        return str(place)
    from distune.analysis.records.sources import read_study

    return read_study(place, storage)

"""Finding the trained student that a run folder, a study or a bundle stands for."""

from __future__ import annotations

import logging
from pathlib import Path

from distune.analysis.ranking import rank
from distune.analysis.records.sources import read_study
from distune.analysis.records.study_files import of_another_study
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.trial_folder import other_run
from distune.config import Config, load_config
from distune.confirmation.statistics.files import FOLDER, NUMBERS, run_folder
from distune.deployment.bundle import is_bundle, load_bundle
from distune.errors import UserError, is_of_the_machine
from distune.prediction.predictor import Predictor
from distune.training.files.run_folder import CONFIG, ENVIRONMENT, WEIGHTS
from distune.utils.arguments import check_argument, check_path, check_text
from distune.utils.files.default_folders import STUDIES
from distune.utils.files.paths import in_shell
from distune.utils.files.sealed_files import read_sealed
from distune.utils.text import counted

_log = logging.getLogger(__name__)


def load(source: Path | str, *, device: str | None = None, storage: str | None = None) -> Predictor:
    """Loads a trained student for prediction; nothing is written.

    Of a study it takes the recommended config, trained with the confirmation's first seed; before a confirmation the
    best trial.

    Args:
        source: a run folder, a bundle, or a study: its name under `logs/optuna`, its folder, or its `.db` file.
        device: cpu, cuda:0, ...; None takes a GPU where there is one.
        storage: SQLAlchemy URL of the database that holds the study of that name.

    Raises:
        UserError: there is no such thing, the run did not finish, or a study by folds is not confirmed.
    """
    from distune.prediction.trained import load_run

    check_path("source", source)
    check_text("device", device, type(None))
    check_argument("storage", storage, str, type(None))
    folder = Path(source)
    if is_bundle(folder):
        _check_no_storage(folder, "bundle", storage)
        if device not in (None, "auto", "cpu"):
            raise UserError(f"device: {device!r} (--gpu); a bundle runs on the CPU, so leave it out")
        return load_bundle(folder)
    return load_run(run_behind(source, storage), device)


def run_behind(source: Path | str, storage: str | None = None) -> Path:
    """The run folder that a run folder or a study stands for.

    Raises:
        UserError: see `load`.
    """
    if is_bundle(Path(source)):
        raise UserError(f"{source} is a bundle; name the run folder or the study that it was exported from")
    if not is_run(Path(source)):
        return run_of_study(source, storage)
    _check_no_storage(Path(source), "run folder", storage)
    if len(Path(source).parts) == 1 and (STUDIES / f"{source}.db").is_file():
        _log.warning(
            "%s: the run folder of this name is taken, not the study; name that by its folder, %s",
            source, STUDIES / source,
        )  # fmt: skip
    return Path(source)


def _check_no_storage(folder: Path, what: str, storage: str | None) -> None:
    if storage is not None:
        raise UserError(f"storage: {folder} is a {what}, which no database holds; leave the storage out")


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, finished or not."""
    return (folder / ENVIRONMENT).is_file() or (folder / WEIGHTS).is_file()


def config_of(predictor: Predictor) -> Config | None:
    """The config of the student's run; None for a bundle."""
    file = Path(predictor.source) / CONFIG
    return load_config(file) if file.is_file() else None


def run_of_study(source: Path | str, storage: str | None = None) -> Path:
    """The run folder that stands for a study.

    Raises:
        UserError: see `load`.
    """
    study = read_study(source, storage, others=("run",))
    if study.folder is not None and (study.folder / NUMBERS).is_file():
        return _recommended(study, study.folder)
    if study.folds is not None:
        from distune.tuning.study.storage_url import redacted

        held = "" if storage is None else f" --storage {in_shell(redacted(storage))}"
        raise UserError(
            f"study {study.name}: its trials are scored by {counted(study.folds, 'fold')} and keep no model; "
            f"`distune confirm {in_shell(source)}{held}` trains the best ones on all of train"
        )
    best = rank(study).best
    folder = best.folder if best else None
    if best is None or folder is None:
        raise UserError(f"study {study.name}: no trial is complete, so there is no model")
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"study {study.name}: its best trial, {best.number}, has no weights in {folder}")
    if found := other_run(study, best):
        raise UserError(f"study {study.name}: {found}")
    return folder


def _recommended(study: StudyRecord, folder: Path) -> Path:
    try:
        numbers = read_sealed(folder / NUMBERS)
        name = str(numbers["recommendation"]["contender"])
        seed = int(numbers["contenders"][name]["seeds"][0])
        wrong = of_another_study(study, numbers)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        if is_of_the_machine(error):
            raise
        raise UserError(f"{folder / NUMBERS} is damaged ({error!r}); run distune confirm again") from None
    if wrong:
        raise UserError(f"{folder}: {wrong}")
    run = run_folder(folder / FOLDER, name, seed)
    if not (run / WEIGHTS).is_file():
        raise UserError(
            f"{run}: the recommended config, {name}, has no weights of its first seed any more, and the confirmation "
            "speaks of that model; the same `distune confirm` trains it again"
        )
    return run

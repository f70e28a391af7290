"""Opening a study: a new one, or an existing one that is still about the same."""

from __future__ import annotations

import logging
import time
from datetime import datetime

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from distune.errors import UserError
from distune.tuning.study.attributes import check_study, check_trials
from distune.tuning.study.settings import StudySettings, differing
from distune.utils.files.paths import is_file_name

_SETTINGS_SECONDS = 10.0
"""How long another coordinator may take to write what its new study is about."""
FORKED_FROM = "forked_from"
"""User attribute of a fork: the study that it copies; the first one written, so that half a fork is known as one."""
_ALWAYS = {
    "base_config",
    "search_space",
    "data_fingerprint",
    "metric",
    "strategy",
    "seed",
    "sampler",
    "pruner",
}
"""User attributes of every study that `tune` made."""
_log = logging.getLogger(__name__)


def new_name(dataset: str, now: datetime) -> str:
    """`<dataset>_tuning_<YYYYMMDD_HHMMSS>`."""
    return f"{dataset}_tuning_{now:%Y%m%d_%H%M%S}"


def check_study_name(name: str) -> None:
    """Refuses a study name that is no plain file name.

    Raises:
        UserError: the name has other characters than letters, digits, dot, dash and underscore.
    """
    if not is_file_name(name):
        raise UserError(
            f"study name: {name!r} is no plain name; use letters, digits, dot, dash and underscore"
        )


def open_study(storage: BaseStorage, name: str, settings: StudySettings) -> optuna.Study:
    """Opens the study of a name, creating it where there is none.

    Raises:
        UserError: the study exists and is about something else; every difference is listed. Or another program
            made it.
    """
    study = load(storage, name)
    if study is None:
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        except DuplicatedStudyError:  # another coordinator was quicker
            study = optuna.load_study(storage=storage, study_name=name)
        else:
            write_settings(study, settings)
            return study
    if is_draft(study) and not _wait_until_ready(study):
        write_settings(study, settings)
    check_resumable(study, settings)
    return study


def check_resumable(study: optuna.Study, settings: StudySettings) -> None:
    """Refuses to work on a study that is not the one asked for; nothing is written.

    Raises:
        UserError: the study is about something else; every difference is listed. Or another program made it, or
            changed its trials.
    """
    name = study.study_name
    if not is_made_by_tune(study):
        raise UserError(f"study {name} exists and was not made by distune tune; use another --study-name")
    check_trials(name, study.get_trials(deepcopy=False))
    differences = differing(study.user_attrs, settings)
    if differences:
        lines = "\n".join(f"  {line}" for line in differences)
        raise UserError(
            f"study {name} exists and is about something else:\n{lines}\n"
            "Use another --study-name, or --fork NEW_NAME to copy the trials that still count."
        )


def load(storage: BaseStorage, name: str) -> optuna.Study | None:
    """The study of a name, None if there is none.

    Raises:
        UserError: `tune` made it, and an attribute of it is not what `tune` writes.
    """
    try:
        study = optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        return None
    if is_made_by_tune(study):
        check_study(name, study.user_attrs)
    return study


def check_attributes(study: optuna.Study) -> None:
    """Checks the attributes of a study of `tune` and of its trials; those of another program may be anything.

    Raises:
        UserError: one is not what `tune` writes, or its direction is another by now.
    """
    if not _says_what_it_is(study):
        return
    if not _maximises(study):
        raise UserError(
            f"study {study.study_name}: `tune` maximises, and another program changed its direction since; its scores "
            "would be read the wrong way round, so set the direction back"
        )
    check_study(study.study_name, study.user_attrs)
    check_trials(study.study_name, study.get_trials(deepcopy=False))


def is_made_by_tune(study: optuna.Study) -> bool:
    """Whether a study says what it is about, as `tune` writes it; another program's is read, and never worked on."""
    return _says_what_it_is(study) and _maximises(study)


def is_draft(study: optuna.Study) -> bool:
    """Whether a study may be one whose making by `tune` was not finished: nothing of another program's is in it."""
    # The trials first: a study that is ready afterwards may have got them since.
    has_trials = bool(study.get_trials(deepcopy=False))
    known = study.user_attrs
    if known.get("ready") or not _maximises(study):
        return False
    return FORKED_FROM in known or (not has_trials and (not known or "base_config" in known))


def _says_what_it_is(study: optuna.Study) -> bool:
    known = study.user_attrs
    return known.get("ready") is True and known.keys() >= _ALWAYS


def _maximises(study: optuna.Study) -> bool:
    return study.directions == [StudyDirection.MAXIMIZE]


def write_settings(study: optuna.Study, settings: StudySettings) -> None:
    """Writes what the study is about; "ready" comes last, so that no reader sees half of it."""
    for key, value in settings.as_attributes().items():
        study.set_user_attr(key, value)
    study.set_user_attr("ready", True)


def _wait_until_ready(study: optuna.Study) -> bool:
    """Gives the coordinator that creates the study the time to write what it is about."""
    for _ in range(int(_SETTINGS_SECONDS / 0.25)):
        if study.user_attrs.get("ready"):
            return True
        time.sleep(0.25)
    _log.warning("study %s has no settings; writing them", study.study_name)
    return False

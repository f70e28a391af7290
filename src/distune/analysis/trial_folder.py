"""Whether the run in a trial's folder is the trial's own."""

from __future__ import annotations

import math
from typing import Any

from distune.analysis.parameters.space import TEACHER
from distune.analysis.records.study_record import StudyRecord, TrialRecord, value_in
from distune.config import Config, as_dict, with_values
from distune.errors import ConfigError, UserError
from distune.training.files.run_folder import results_of, run_config
from distune.utils.numbers import is_number
from distune.utils.text import listed


def other_run(study: StudyRecord, trial: TrialRecord) -> str | None:
    """What shows that the run in a trial's folder is another one; None where nothing does.

    Folders are exchanged within a study, and a folder is put beside the database of another one.
    """
    if names := differing_parameters(study, trial):
        return (
            f"{trial.folder} holds the run of another trial than {trial.number}: {listed(names)} differ; put the "
            "folders of its trials back under their own names"
        )
    if trial.folder is None or study.folds is not None:
        return None
    try:
        score = (results_of(trial.folder) or {}).get("score", trial.value)
    except UserError:  # what is wrong with it is said by who reads the run
        return None
    if _is_same_score(score, trial.value):
        return None
    return (
        f"{trial.folder} holds another study's run: its score is not that of trial {trial.number}; put the folder "
        "and the database that belong together beside each other"
    )


def _is_same_score(written: Any, value: float | None) -> bool:
    """Whether a run's score is a trial's, of which some databases keep 15 digits."""
    if value is not None and is_number(written):
        return math.isclose(written, value, rel_tol=1e-12)
    return bool(written == value)


def differing_parameters(study: StudyRecord, trial: TrialRecord) -> list[str]:
    """The parameters by which the run in a trial's folder is another one, as where folders were exchanged.

    Returns:
        Their names; none also where the folder, or what a parameter stands for, is not known.
    """
    if trial.folder is None:
        return []
    try:
        config = run_config(trial.folder)
    except UserError:  # what is wrong with it is said by who reads the run
        return []
    keys = {name: study.space[name].config_key for name in trial.params if name in study.space}
    return [
        name for name, key in keys.items() if key != TEACHER and not _holds(config, key, trial.params[name])
    ]


def _holds(config: Config, key: str, value: Any) -> bool:
    """Whether a config has a value, as it takes it: of the text 1e-3, as YAML reads it, a number."""
    held = value_in(as_dict(config), key)
    if held is None or held == value:
        return True
    try:
        return with_values(config, {key: value}) == config
    except ConfigError:  # beside the others that it has, this one is not possible
        return False

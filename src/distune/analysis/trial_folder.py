"""Whether the run in a trial's folder is the trial's own."""

from __future__ import annotations

from distune.analysis.parameters.space import TEACHER
from distune.analysis.records.study_record import StudyRecord, TrialRecord, value_in
from distune.config import as_dict
from distune.errors import UserError
from distune.training.files.run_folder import run_config


def differing_parameters(study: StudyRecord, trial: TrialRecord) -> list[str]:
    """The parameters by which the run in a trial's folder is another one, as where folders were exchanged.

    Returns:
        Their names; none also where the folder, or what a parameter stands for, is not known.
    """
    if trial.folder is None:
        return []
    try:
        config = as_dict(run_config(trial.folder))
    except UserError:  # what is wrong with it is said by who reads the run
        return []
    held = {
        name: value_in(config, parameter.config_key)
        for name, parameter in study.space.items()
        if parameter.config_key != TEACHER
    }
    return [
        name for name, value in trial.params.items() if held.get(name) is not None and held[name] != value
    ]

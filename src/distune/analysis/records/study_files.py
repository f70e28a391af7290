"""What other commands left beside a study: its confirmation and the audit of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distune.analysis.ranking import Ranking
from distune.analysis.records.schemas import AuditForm, ConfirmationForm
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.trial_folder import differing_parameters
from distune.confirmation.statistics.files import FOLDER, NUMBERS, RECOMMENDED, run_folder
from distune.confirmation.statistics.numbers import VERSION
from distune.errors import UserError, is_of_the_machine
from distune.training.files.run_folder import run_config
from distune.tuning.study_dataset import AUDIT_NAME
from distune.utils.files.sealed_files import read_sealed
from distune.utils.forms import fault
from distune.utils.text import one_line


@dataclass(frozen=True)
class ConfirmationRecord:
    """A confirmation that was made.

    Attributes:
        numbers: what `confirmation.json` holds; the schema is in `distune.confirmation.statistics.numbers`.
        is_current: whether the best trial that it confirmed is still the best of the study.
    """

    numbers: Mapping[str, Any]
    is_current: bool

    @property
    def best(self) -> str:
        """Name of the contender that was the best of the search."""
        ranks: dict[str, int] = {
            name: about["rank"]
            for name, about in self.numbers["contenders"].items()
            if about["rank"] is not None
        }
        return min(ranks, key=lambda name: ranks[name])


def read_confirmation(study: StudyRecord, ranking: Ranking) -> ConfirmationRecord | Unknown:
    """Reads a study's confirmation.

    Args:
        study: whose folder may hold one.
        ranking: of the study.
    """
    numbers = _read(study.folder, NUMBERS)
    if isinstance(numbers, Unknown):
        return numbers
    if numbers.get("version") != VERSION:
        return Unknown(
            f"{NUMBERS} in the study's folder is of version {numbers.get('version')!r}; this version of Distune reads "
            f"{VERSION}. `distune confirm` writes it again."
        )
    if wrong := fault(numbers, ConfirmationForm):
        return Unknown(f"{NUMBERS} in the study's folder cannot be read: {wrong}.")
    if wrong := of_another_study(study, numbers):
        return Unknown(wrong)
    found = ConfirmationRecord(numbers, is_current=False)
    best = numbers["contenders"][found.best]["trial"]
    is_current = best is not None and ranking.best is not None and best == ranking.best.number
    return ConfirmationRecord(numbers, is_current)


def of_another_study(study: StudyRecord, numbers: Mapping[str, Any]) -> str | None:
    """That the confirmation in a study's folder was made for another study, or that its runs were exchanged.

    Args:
        study: with its folder.
        numbers: of the confirmation.

    Returns:
        What is wrong and what to do; None where the confirmation is the study's own.
    """
    made_for, data = numbers.get("study"), numbers.get("data_fingerprint")
    is_same_data = None in (data, study.data_fingerprint) or data == study.data_fingerprint
    if is_same_data and _confirms_trials_of(study, numbers["contenders"]):
        return _exchanged_runs(study, numbers["contenders"])
    whose = "another study of that name" if made_for == study.name else f"study {one_line(str(made_for), 80)}"
    return (
        f"{NUMBERS} in the study's folder was made for {whose}, not for {study.name}: move "
        f"it, {RECOMMENDED} and the folder {FOLDER} to where they came from, then run `distune confirm` for this study."
    )


def _confirms_trials_of(study: StudyRecord, contenders: Mapping[str, Any]) -> bool:
    """Whether the confirmed trials are the study's, by score and parameters, as a name may be changed or used again."""
    trials = {trial.number: trial for trial in study.trials}
    for name, about in contenders.items():
        if (number := about.get("trial")) is None:
            continue
        trial = trials.get(number)
        # A base config that did not complete may have a score of the epochs that it had.
        if trial is None or study.folder is None or trial.value not in (None, about["search_score"]):
            return False
        for seed in about["seeds"][:1]:  # its model is the one that is handed over
            run = run_folder(study.folder / FOLDER, name, seed)
            if differing_parameters(study, replace(trial, folder=run)):
                return False
    return True


def _exchanged_runs(study: StudyRecord, contenders: Mapping[str, Any]) -> str | None:
    """That the run whose model is handed over, of the first seed, is that of another one."""
    for name, about in contenders.items():
        for seed in about["seeds"][:1]:
            run = run_folder((study.folder or Path()) / FOLDER, name, seed)
            try:
                there = run_config(run).seed
            except UserError:  # what is wrong with it is said by who reads the run
                continue
            if there != seed:
                return f"{run} holds the run of seed {there}: put the confirmation's runs back under their names."
    return None


def read_audit(folder: Path | None) -> Mapping[str, Any] | Unknown:
    """Reads the audit that tuning kept beside a study, as `AuditReport.to_dict` gives it."""
    audit = _read(folder, AUDIT_NAME)
    if not isinstance(audit, Unknown) and (wrong := fault(audit, AuditForm)):
        return Unknown(f"{AUDIT_NAME} in the study's folder cannot be read: {wrong}.")
    return audit


def _read(folder: Path | None, name: str) -> Mapping[str, Any] | Unknown:
    if folder is None or not (folder / name).is_file():
        return Unknown(f"The study's folder holds no {name}.")
    try:
        return read_sealed(folder / name)
    except (OSError, ValueError) as error:
        if is_of_the_machine(error):
            raise
        return Unknown(f"{name} in the study's folder cannot be read: {error}.")

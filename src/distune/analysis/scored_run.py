"""The run that a report shows: the recommended model on what confirmed it, else the best trial in the search."""

from __future__ import annotations

from dataclasses import dataclass

from distune.analysis.ranking import Ranking
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import RunRecord, read_run
from distune.confirmation.statistics.files import FOLDER, SCORED_SPLITS, run_folder


@dataclass(frozen=True)
class ScoredRun:
    """One model and what it answered.

    Attributes:
        run: its run folder.
        name: which model, such as `trial 12`.
        on: which examples, such as `test`, `folds` or `5 folds of train and dev`.
        is_confirmed: whether it is of the confirmation, of the first seed that finished; on folds, the models that
            each lacked one.
    """

    run: RunRecord | Unknown
    name: str
    on: str
    is_confirmed: bool


def scored_run(
    study: StudyRecord,
    ranking: Ranking,
    confirmation: ConfirmationRecord | Unknown,
    best: RunRecord | Unknown,
) -> ScoredRun:
    """The recommended model where there is a current confirmation that kept its answers, else the best trial's."""
    found = None if isinstance(confirmation, Unknown) else _recommended(study, confirmation)
    if found is not None:
        return found
    name = f"trial {ranking.best.number}" if ranking.best else "the best trial"
    if ranking.best and study.baseline is not None and study.baseline.number == ranking.best.number:
        name = f"the base config ({name})"
    return ScoredRun(best, name, study.scored_on or "its own examples", is_confirmed=False)


def _recommended(study: StudyRecord, confirmation: ConfirmationRecord) -> ScoredRun | None:
    numbers = confirmation.numbers
    chosen, split = str(numbers["recommendation"]["contender"]), numbers["split"]
    about = numbers["contenders"][chosen]
    if study.folder is None or not confirmation.is_current or split not in SCORED_SPLITS:
        return None
    for seed in about["seeds"]:
        folder = run_folder(study.folder / FOLDER, chosen, seed)
        if (folder / f"predictions_{split}.csv").is_file():
            trial = f"trial {about['trial']}" if about["trial"] is not None else chosen
            name = "the base config" if about["is_base"] else trial
            return ScoredRun(read_run(folder, split=split), name, split, is_confirmed=True)
    return None

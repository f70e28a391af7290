"""The run that a report shows: the recommended model on what confirmed it, else the best trial in the search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distune.analysis.ranking import Ranking
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import RunRecord, read_run
from distune.confirmation.statistics.files import FOLDER, SCORED_SPLITS, run_folder
from distune.training.files.prediction_files import predictions_file


@dataclass(frozen=True)
class ScoredRun:
    """One model and what it answered.

    Attributes:
        run: its run folder.
        name: which model, such as `trial 12`.
        on: which examples, such as `test`, `folds` or `5 folds of train and dev`.
        is_confirmed: whether it is of the confirmation, of the first seed that finished; on folds, the models that
            each lacked one.
        lacking: files with the recommended model's answers, of one seed each, that are not there any more.
    """

    run: RunRecord | Unknown
    name: str
    on: str
    is_confirmed: bool
    lacking: tuple[Path, ...] = ()


def scored_run(
    study: StudyRecord,
    ranking: Ranking,
    confirmation: ConfirmationRecord | Unknown,
    best: RunRecord | Unknown,
) -> ScoredRun:
    """The recommended model where there is a current confirmation that kept its answers, else the best trial's."""
    lacking: tuple[Path, ...] = ()
    if not isinstance(confirmation, Unknown):
        files = _answers_of_recommended(study, confirmation)
        lacking = tuple(file for file in files if not file.is_file())
        for file in files:
            if file not in lacking:
                return _recommended(confirmation, file.parent, lacking)
    name = f"trial {ranking.best.number}" if ranking.best else "the best trial"
    if ranking.best and study.baseline is not None and study.baseline.number == ranking.best.number:
        name = f"the base config ({name})"
    return ScoredRun(best, name, study.scored_on or "its own examples", is_confirmed=False, lacking=lacking)


def _answers_of_recommended(study: StudyRecord, confirmation: ConfirmationRecord) -> list[Path]:
    """Where the answers of the recommended model are, by seed; nowhere where there is nothing to show of it."""
    numbers = confirmation.numbers
    chosen, split = str(numbers["recommendation"]["contender"]), numbers["split"]
    if study.folder is None or not confirmation.is_current or split not in SCORED_SPLITS:
        return []
    seeds = numbers["contenders"][chosen]["seeds"]
    return [predictions_file(run_folder(study.folder / FOLDER, chosen, seed), split) for seed in seeds]


def _recommended(confirmation: ConfirmationRecord, folder: Path, lacking: tuple[Path, ...]) -> ScoredRun:
    numbers = confirmation.numbers
    chosen, split = str(numbers["recommendation"]["contender"]), numbers["split"]
    about = numbers["contenders"][chosen]
    trial = f"trial {about['trial']}" if about["trial"] is not None else chosen
    name = "the base config" if about["is_base"] else trial
    return ScoredRun(read_run(folder, split=split), name, split, is_confirmed=True, lacking=lacking)

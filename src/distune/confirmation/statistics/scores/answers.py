"""The predictions of one contender, read back from its run folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distune.confirmation.statistics.files import (
    CONDITIONS,
    MARKER,
    SCORED_SPLITS,
    baseline_folder,
    run_folder,
    same_examples,
    split_name,
)
from distune.confirmation.statistics.scores.case_scores import CaseScores, overall, task_answers
from distune.data.table import Task
from distune.errors import UserError
from distune.training.files.prediction_files import SplitPredictions, predictions_file, read_split_predictions
from distune.utils.files.sealed_files import missing_beside


@dataclass(frozen=True)
class ContenderAnswers:
    """The predictions of one contender.

    Attributes:
        name: of the contender.
        seeds: those whose run has predictions; a baseline has the one seed 0.
        by_split: for each split that was evaluated one entry a seed.
        by_condition: the same by split and condition; only conditions that all seeds have.
    """

    name: str
    seeds: tuple[int, ...]
    by_split: Mapping[str, tuple[SplitPredictions, ...]]
    by_condition: Mapping[tuple[str, str], tuple[SplitPredictions, ...]] = field(default_factory=dict)

    def score(self, split: str) -> CaseScores:
        """The score that was tuned, of all seeds on a split."""
        return overall(task_answers(self.by_split[split]))


def read_contender(
    confirmation: Path,
    name: str,
    seeds: Sequence[int],
    tasks: Sequence[Task] | None = None,
    *,
    may_lack: bool = False,
) -> ContenderAnswers | None:
    """The predictions of a trained contender; a seed counts once every split that others have is there.

    Args:
        confirmation: its folder.
        name: of the contender.
        seeds: of its trainings.
        tasks: see `read_split_predictions`.
        may_lack: likewise.

    Returns:
        None where no seed has any.

    Raises:
        UserError: predictions are gone, damaged, or not of the same examples.
    """
    folders = {seed: run_folder(confirmation, name, seed) for seed in seeds}
    for folder in folders.values():
        _check_complete(folder)
    splits = [s for s in SCORED_SPLITS if any(predictions_file(f, s).is_file() for f in folders.values())]
    found = {
        seed: [read_split_predictions(folder, split, tasks=tasks, may_lack=may_lack) for split in splits]
        for seed, folder in folders.items()
    }
    done = tuple(seed for seed in seeds if splits and all(found[seed]))
    if not done:
        return None
    by_split = {
        split: tuple(evaluated for seed in done if (evaluated := found[seed][column]) is not None)
        for column, split in enumerate(splits)
    }
    by_condition = {}
    for split in splits:
        for condition in CONDITIONS:
            changed = [
                read_split_predictions(folders[seed], split_name(split, condition), tasks) for seed in done
            ]
            known = tuple(evaluated for evaluated in changed if evaluated is not None)
            if not same_examples([by_split[split][0], *known]):
                raise UserError(
                    f"{confirmation / name}: its predictions {split_name(split, condition)} are not of the examples of "
                    f"{split}; delete this folder and confirm again"
                )
            if len(known) == len(done):
                by_condition[split, condition] = known
    return ContenderAnswers(name, done, by_split, by_condition)


def _check_complete(folder: Path) -> None:
    """Refuses a folder without all the predictions that it had: the seed, or the condition, would be left out."""
    for gone in missing_beside(folder / MARKER)[:1]:
        raise UserError(
            f"{gone} is missing, which {MARKER} names; restore it, or delete {folder} and confirm again"
        )


def read_baseline(
    confirmation: Path, name: str, tasks: Sequence[Task] | None = None, *, may_lack: bool = False
) -> ContenderAnswers | None:
    """The predictions of a baseline; None where it has none. Arguments are those of `read_contender`."""
    folder = baseline_folder(confirmation, name)
    _check_complete(folder)
    by_split = {
        split: (evaluated,)
        for split in SCORED_SPLITS
        if (evaluated := read_split_predictions(folder, split, tasks=tasks, may_lack=may_lack)) is not None
    }
    return ContenderAnswers(name, (0,), by_split) if by_split else None

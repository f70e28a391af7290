"""Where a confirmation keeps what.

    <study>/confirmation/plan.json                                what was trained, and what failed
    <study>/confirmation/<contender>/seed_<n>/                    a run folder, and beside its own files:
        predictions_{dev,test}.csv                                the full input
        predictions_{dev,test}_{without_image,...}.csv            the input under a condition
        predictions_folds.csv                                     of a study with folds: see OUT_OF_FOLD
        folds/fold_<k>/                                           the run folders behind them
        evaluation.json                                           says that these predictions are all there
    <study>/confirmation/baselines/<name>/predictions_{dev,test,folds}.csv
    <study>/confirmation/subgroups.csv                            where there are `data.subgroup_columns`

The numbers themselves are in <study>/confirmation.json.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distune.errors import UserError
from distune.training.files.prediction_files import SplitPredictions, predictions_file, read_rows
from distune.utils.files.atomic import replacing
from distune.utils.files.paths import is_file_name
from distune.utils.files.sealed_files import read_sealed
from distune.utils.text import one_line

FOLDER = "confirmation"
PLAN = "plan.json"
NUMBERS = "confirmation.json"
RECOMMENDED = "recommended_config.yaml"
BASELINES = "baselines"
MARKER = "evaluation.json"
OUT_OF_FOLD = "folds"
"""Train and dev together, each example answered by the training that lacked its fold."""
SCORED_SPLITS = ("dev", "test", OUT_OF_FOLD)
CONDITIONS = ("without_image", "without_text", "other_text")
"""The flat mean colour of the train images; the empty text; the text of another case."""


def run_folder(confirmation: Path, contender: str, seed: int) -> Path:
    """The run folder of a contender and a seed.

    Raises:
        UserError: the name, which may come from a record, is none of a folder.
    """
    return _named(confirmation, contender) / f"seed_{seed}"


def folds_folder(confirmation: Path, contender: str, seed: int) -> Path:
    """The folder of the trainings on all folds, for a contender and a seed."""
    return run_folder(confirmation, contender, seed) / OUT_OF_FOLD


def baseline_folder(confirmation: Path, name: str) -> Path:
    """The folder of a baseline's predictions; see `run_folder`."""
    return _named(confirmation / BASELINES, name)


def _named(folder: Path, name: str) -> Path:
    if not is_file_name(name):
        raise UserError(
            f"{folder}: {one_line(name, 80)!r} is no name of a folder in it; its record is not to be trusted"
        )
    return folder / name


def split_name(split: str, condition: str | None = None) -> str:
    """The name of a split, under a condition where one is given, in file names."""
    return f"{split}_{condition}" if condition else split


def read_plan(confirmation: Path) -> Mapping[str, Any]:
    """What `distune confirm` was asked for and how the runs ended.

    Raises:
        UserError: the folder holds no confirmation, or a damaged one.
    """
    # Here, as a bundle is read with these modules where pydantic is not installed.
    from distune.confirmation.statistics.plan_form import PlanForm
    from distune.utils.forms import fault

    path = confirmation / PLAN
    try:
        plan: dict[str, Any] = read_sealed(path)
        if wrong := fault(plan, PlanForm):
            raise ValueError(wrong)
    except FileNotFoundError:
        raise UserError(f"there is no {path}: the study is not confirmed; run distune confirm") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); run distune confirm again") from None
    return plan


def same_examples(scored: Sequence[SplitPredictions]) -> bool:
    """Whether predictions are for the same examples with the same labels, in the same order."""
    first = scored[0]
    return all(
        (other.ids, other.groups, other.tasks) == (first.ids, first.groups, first.tasks)
        and np.array_equal(other.labels, first.labels)
        for other in scored[1:]
    )


def join_folds(parts: Sequence[Path], folder: Path) -> None:
    """Puts the predictions of all folds into one file of a folder, in the order of the examples' names.

    Args:
        parts: folders of the folds, each with its predictions_dev.csv.
        folder: where predictions_folds.csv is written.

    Raises:
        UserError: a fold has no predictions, or its file cannot be read.
    """
    rows: list[dict[str, str]] = []
    for part in parts:
        path = predictions_file(part, "dev")
        found = read_rows(part) if path.is_file() else []
        if not found or (rows and found[0].keys() != rows[0].keys()):
            raise UserError(
                f"{path} is missing, empty, or has other columns than the fold before: delete {part.parent} and "
                "confirm again"
            )
        rows += found
    # In the order of the names, so that every partition into folds comes to the same one.
    rows.sort(key=lambda row: row["id"])
    joined = predictions_file(folder, OUT_OF_FOLD)
    with replacing(joined) as draft, draft.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

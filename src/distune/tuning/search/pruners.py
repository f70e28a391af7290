"""Pruners: which trials stop early.

A pruner sees the score after each student epoch; the epoch, counted from 1, is Optuna's step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from distune.errors import UserError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

WARMUP_EPOCHS = 2
FEWEST_COMPLETE = 5
PRUNER_SETTINGS: dict[str, dict[str, int | float]] = {
    "median": {"n_startup_trials": FEWEST_COMPLETE, "n_warmup_steps": WARMUP_EPOCHS},
    "percentile": {"percentile": 75.0, "n_startup_trials": FEWEST_COMPLETE, "n_warmup_steps": WARMUP_EPOCHS},
    "hyperband": {"min_resource": 1, "reduction_factor": 3},
    "patient": {"patience": 3, "n_startup_trials": FEWEST_COMPLETE, "n_warmup_steps": WARMUP_EPOCHS},
    "none": {},
}
"""By pruner; what each is for, `StudyConfig.pruner` says.

A trial can be pruned once `n_startup_trials` are complete, after its first `n_warmup_steps` epochs."""

SHARES_OF_FOLDS: dict[str, float | None] = {"median": 0.5, "percentile": 0.25, "none": None}
"""Pruners for studies with folds: the share of complete trials that a trial must not fall below."""


def check_pruner_of_folds(name: str) -> None:
    """Refuses a pruner that makes no sense for a mean over folds.

    Raises:
        UserError: it needs many epochs, or waits for a better score.
    """
    if name not in SHARES_OF_FOLDS:
        known = ", ".join(SHARES_OF_FOLDS)
        raise UserError(
            f"pruner: {name} compares scores that rise with the epochs, and folds do not; take {known}"
        )


def pruner_settings(name: str, warmup: int = WARMUP_EPOCHS) -> dict[str, int | float]:
    """What a pruner is set to, for studies and reports; `warmup` as for `make_pruner`."""
    known = PRUNER_SETTINGS[name]
    return {**known, "n_warmup_steps": warmup} if "n_warmup_steps" in known else dict(known)


def is_too_short(name: str, epochs: int, warmup: int) -> bool:
    """Whether a trial ends before a pruner could stop it: never in its first epochs, nor after its last one.

    Args:
        name: one of `PRUNER_SETTINGS`.
        epochs: reported epochs of a complete trial; with folds, their number.
        warmup: first epochs after which nothing is pruned.
    """
    return "n_warmup_steps" in PRUNER_SETTINGS[name] and epochs <= warmup + 1


def make_pruner(name: str, epochs: int, warmup: int = WARMUP_EPOCHS) -> BasePruner:
    """Optuna's pruner of a name.

    Args:
        name: one of `PRUNER_SETTINGS`.
        epochs: reported epochs of a complete trial.
        warmup: first epochs after which nothing is pruned.
    """
    from optuna import pruners
    from optuna.exceptions import ExperimentalWarning

    settings: dict[str, Any] = pruner_settings(name, warmup)
    if "n_warmup_steps" in settings:
        # Optuna counts steps from 0; ours are epochs from 1, so two epochs of warm-up end before step 3.
        settings["n_warmup_steps"] += 1
    table: dict[str, Callable[..., BasePruner]] = {
        "median": pruners.MedianPruner,
        "percentile": pruners.PercentilePruner,
        "hyperband": partial(pruners.HyperbandPruner, max_resource=max(epochs, 1)),
        "patient": lambda patience, **median: pruners.PatientPruner(pruners.MedianPruner(**median), patience),
        "none": pruners.NopPruner,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return table[name](**settings)


def make_pruner_of_folds(name: str, warmup: int) -> BasePruner:
    """The pruner of a study whose scores are means over the folds done so far.

    Args:
        name: one of `SHARES_OF_FOLDS`.
        warmup: first folds after which nothing is pruned.
    """
    from optuna.pruners import NopPruner

    from distune.tuning.search.fold_pruner import FoldPruner

    check_pruner_of_folds(name)
    share = SHARES_OF_FOLDS[name]
    return NopPruner() if share is None else FoldPruner(share, warmup, FEWEST_COMPLETE)

"""The median rule for means over folds."""

from __future__ import annotations

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class FoldPruner(BasePruner):
    """Stops a trial whose mean over its folds so far lies below a quantile of complete trials' at the same fold.

    Optuna's median pruner takes a trial's best score so far, which is right for epochs, of which the best one is kept.
    With folds it would be the score of the easiest first ones; the mean so far is what the trial's score is made of.

    Args:
        share: the quantile; 0.5 is the median.
        warmup: first folds after which nothing is pruned.
        fewest: complete trials before which nothing is pruned.
    """

    def __init__(self, share: float, warmup: int, fewest: int):
        self._share = share
        self._warmup = warmup
        self._fewest = fewest

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial after its last reported fold."""
        fold = trial.last_step
        if fold is None or fold <= self._warmup:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = [other.intermediate_values[fold] for other in complete if fold in other.intermediate_values]
        if len(others) < self._fewest:
            return False
        return bool(trial.intermediate_values[fold] < np.quantile(others, self._share))

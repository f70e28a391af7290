"""The classic median rule, by plain numbers: five complete trials first, two epochs of warm-up."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from distune.tuning.search.pruners import make_pruner


def study_with(complete: int) -> optuna.Study:
    """Complete trials whose scores are 0.1, 0.2, ... at every epoch."""
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", epochs=10))
    for number in range(complete):
        score = 0.1 * (number + 1)
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=score,
                params={"x": 0.5},
                distributions={"x": FloatDistribution(0, 1)},
                intermediate_values=dict.fromkeys(range(1, 11), score),
            )
        )
    return study


@pytest.mark.parametrize(
    ("complete", "scores", "pruned_at"),
    [
        (5, [0.0, 0.0, 0.0], 3),  # epochs 1 and 2 are never evaluated
        (5, [0.0, 0.0, 0.31, 0.0, 0.0], None),  # its best so far is above the median
        (5, [0.4, 0.0, 0.0], None),
        (5, [0.29] * 10, 3),  # the median of 0.1 ... 0.5 is 0.3
        (5, [0.31] * 10, None),
        (4, [0.0] * 10, None),  # too few complete trials to evaluate by
    ],
)
def test_median_rule(complete: int, scores: list[float], pruned_at: int | None) -> None:
    trial = study_with(complete).ask()
    stopped = None
    for epoch, score in enumerate(scores, start=1):
        trial.report(score, epoch)
        if trial.should_prune():
            stopped = epoch
            break
    assert stopped == pruned_at

"""Importance: what matters stands above shuffled scores, what does not stands below, and small studies say so."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances

from distune.analysis.findings import analyse
from distune.analysis.parameters.importance import DEPTH, HALF, TREES, Importance, detectable, importance
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import Direction, StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting.appendix.parameters import section
from distune.reporting.figures import draw

pytestmark = pytest.mark.slow

SPACE = {
    "rate": Parameter("rate", "float", 1e-5, 1e-1, log=True),
    "idle": Parameter("idle", "float", 0.0, 1.0),
    "dim": Parameter("dim", "categorical", choices=(256, 384)),
    "layers": Parameter("layers", "int", 1, 3),
}


def study(count: int, direction: Direction = "maximize", effect: float = 1.0, **extra: Any) -> StudyRecord:
    """The score is the rate's place on its logarithmic scale, and a little noise."""
    rng = np.random.default_rng(0)
    sign = 1 if direction == "maximize" else -1
    trials = []
    for number in range(count):
        place = rng.random()
        params = {
            "rate": 1e-5 * 1e4**place,
            "idle": rng.random(),
            "dim": int(rng.choice([256, 384])),
            "layers": int(rng.integers(1, 4)),
        }
        trials.append(TrialRecord(number, "complete", sign * (effect * place + rng.normal(0, 0.05)), params))
    return StudyRecord(
        "s", direction, (*trials, *extra.get("more", ())), {**SPACE, **extra.get("space", {})}, "study"
    )


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_parameter_that_matters_is_named(direction: Direction) -> None:
    found = importance(study(40, direction))
    assert isinstance(found, Importance) and found.named == ["rate"] and found.trials == 40
    assert found.shares[0].share > 0.8 and sum(share.share for share in found.shares) == pytest.approx(1)


def test_the_shares_are_those_of_optuna() -> None:
    record = study(40)
    optimised = optuna.create_study(direction="maximize")
    distributions: dict[str, BaseDistribution] = {
        "rate": FloatDistribution(1e-5, 1e-1, log=True),
        "idle": FloatDistribution(0.0, 1.0),
        "dim": CategoricalDistribution([256, 384]),
        "layers": IntDistribution(1, 3),
    }
    for trial in record.trials:
        optimised.add_trial(
            optuna.create_trial(value=trial.value, params=dict(trial.params), distributions=distributions)
        )
    evaluator = MeanDecreaseImpurityImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0)
    found = importance(record)
    assert isinstance(found, Importance)
    assert {share.parameter: share.share for share in found.shares} == pytest.approx(
        get_param_importances(optimised, evaluator=evaluator, params=sorted(SPACE))
    )


def test_a_study_below_the_stated_number_shows_one_line_and_nothing_else() -> None:
    few = study(HALF - 1)
    found = importance(few)
    scores = [trial.value for trial in few.complete if trial.value is not None]
    assert isinstance(found, Unknown) and f"{detectable(scores):.4f}" in found.reason
    findings = analyse(few)
    assert not {"importance", "slices"} & set(draw(findings))
    assert section(findings, {}) is None and isinstance(findings.shared, Unknown)
    assert isinstance(importance(study(HALF)), Importance)


def test_too_few_or_equal_scores_promise_no_size_of_effect() -> None:
    for trials in (study(2).trials, tuple(TrialRecord(n, "complete", 0.5, {}) for n in range(9))):
        found = importance(StudyRecord("s", "maximize", trials, SPACE, "study"))
        assert isinstance(found, Unknown) and "too few" in found.reason
    equal = tuple(TrialRecord(t.number, "complete", 0.5, t.params) for t in study(HALF).trials)
    assert isinstance(importance(StudyRecord("s", "maximize", equal, SPACE, "study")), Unknown)


def test_the_detectable_effect_explains_its_share_of_the_variance() -> None:
    """An effect e over evenly spread values has the variance e^2 / 12; with HALF trials it must be half of all."""
    scores = np.random.default_rng(0).normal(0, 0.02, HALF)
    variance = scores.var(ddof=1)
    assert detectable(scores) ** 2 / 12 == pytest.approx(variance / 2)
    assert detectable(np.tile(scores, 9)) ** 2 / 12 == pytest.approx(np.tile(scores, 9).var(ddof=1) / 10)


def test_what_has_no_importance_is_named_and_the_log_stays_empty(caplog: pytest.LogCaptureFixture) -> None:
    inside = {"rate": 1e-3, "idle": 0.5, "dim": 256, "layers": 1, "T": 2.0}
    more = [
        TrialRecord(100, "pruned", None, inside),
        TrialRecord(101, "complete", 9.0, {**inside, "rate": 9.0}),
    ]
    space = {"T": Parameter("T", "float", 1.0, 4.0), "fixed": Parameter("fixed", "float", 0.0, 1.0)}
    with caplog.at_level(logging.INFO):
        found = importance(study(30, more=more, space=space))
    assert isinstance(found, Importance) and found.left_out == ("T", "fixed") and found.trials == 30
    assert not caplog.records


def test_studies_of_noise_name_no_parameter() -> None:
    """Twelve parameters; a floor for each by itself would let half of such studies name some, and each of these."""
    for seed in (0, 2, 4):
        rng = np.random.default_rng(seed)
        space = {
            name: Parameter(name, "float", 0.0, 1.0)
            if number % 3
            else Parameter(name, "categorical", choices=(0, 1, 2))
            for number, name in enumerate("abcdefghijkl")
        }
        trials = tuple(
            TrialRecord(
                number,
                "complete",
                float(rng.normal()),
                {n: rng.random() if p.kind == "float" else int(rng.integers(3)) for n, p in space.items()},
            )
            for number in range(HALF)
        )
        found = importance(StudyRecord("s", "maximize", trials, space, "study"))
        assert isinstance(found, Importance) and not found.named


def test_what_the_sampler_s_concentration_explains_is_not_named() -> None:
    """The scores rise with time and the values drift with it, but within a quarter nothing depends on the values."""
    rng = np.random.default_rng(0)
    trials = tuple(
        TrialRecord(
            number,
            "complete",
            number // 15 + rng.normal(0, 0.3),
            {name: (number // 15 + rng.random()) / 4 for name in "ab"},
        )
        for number in range(60)
    )
    space = {name: Parameter(name, "float", 0.0, 1.0) for name in "ab"}
    found = importance(StudyRecord("s", "maximize", trials, space, "study"))
    assert isinstance(found, Importance) and found.named == []

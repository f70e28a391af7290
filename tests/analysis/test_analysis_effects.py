"""The effects model against simulated studies whose truth is known, and against least squares."""

from __future__ import annotations

import numpy as np
import pytest

from distune.analysis.parameters.effects import Effects, effects
from distune.analysis.parameters.imputation import anchors, can_impute, imputed, usable_steps
from distune.analysis.parameters.linear import fit, joined
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

pytestmark = pytest.mark.slow

SPACE = {
    "rate": Parameter("rate", "float", 1e-5, 1e-3, log=True),
    "idle": Parameter("idle", "float", 0.0, 1.0),
    "heads": Parameter("heads", "categorical", choices=(4, 8)),
    "kind": Parameter("kind", "categorical", choices=("x", "y", "z")),
}
TRUTH = {("rate", 1e-3): 0.03, ("idle", 1.0): 0.0, ("heads", 8): 0.02, ("kind", "x"): 0.015,
         ("kind", "y"): -0.0075, ("kind", "z"): -0.0075}  # fmt: skip


def simulated(seed: int, count: int = 30, prune: bool = True) -> StudyRecord:
    """A random search with a median pruner whose scores follow TRUTH plus noise of 0.01."""
    rng = np.random.default_rng(seed)
    trials, seen = [], {}  # type: ignore[var-annotated]
    for number in range(count):
        place, idle = rng.random(), rng.random()
        heads, kind = int(rng.choice([4, 8])), str(rng.choice(["x", "y", "z"]))
        params = {"rate": 1e-5 * 100**place, "idle": idle, "heads": heads, "kind": kind}
        final = 0.8 + 0.03 * place + 0.02 * (heads == 8) + 0.015 * (kind == "x") + rng.normal(0, 0.01)
        scores, pruned = {}, False
        for epoch in range(1, 7):
            scores[epoch] = final - 0.3 * np.exp(-epoch / 2) + rng.normal(0, 0.005)
            before = seen.setdefault(epoch, [])
            pruned = prune and epoch > 2 and len(before) >= 5 and scores[epoch] < np.median(before)
            before.append(scores[epoch])
            if pruned:
                break
        state = "pruned" if pruned else "complete"
        trials.append(TrialRecord(number, state, None if pruned else final, params, scores))  # type: ignore[arg-type]
    return StudyRecord("simulated", "maximize", tuple(trials), SPACE, "study", seed=1)


def estimated(study: StudyRecord) -> Effects:
    found = effects(study)
    assert isinstance(found, Effects)
    return found


@pytest.mark.parametrize("prune", [False, True])
def test_intervals_hold_the_truth_and_false_alarms_are_rare(prune: bool) -> None:
    held, clear_idle, clear_heads, count = [], 0, 0, 100
    for seed in range(count):
        found = estimated(simulated(seed, prune=prune))
        for effect in found.effects:
            held.append(effect.low <= TRUTH[effect.parameter, effect.target] <= effect.high)
        named = {effect.parameter for effect in found.clear()}
        clear_idle += "idle" in named
        clear_heads += "heads" in named
    assert np.mean(held) > 0.92
    assert clear_idle <= 0.05 * count
    assert clear_heads > (0.5 if not prune else 0.25) * count


def folded(seed: int) -> StudyRecord:
    """40 trials of five folds under a median pruner, which ends about 28: the score is the mean of the folds so far."""
    rng = np.random.default_rng(seed)
    trials, seen = [], {}  # type: ignore[var-annotated]
    for number in range(40):
        place, idle, heads = rng.random(), rng.random(), int(rng.choice([4, 8]))
        params = {"rate": 1e-5 * 100**place, "idle": idle, "heads": heads}
        folds = 0.8 + 0.03 * place + 0.02 * (heads == 8) + rng.normal(0, 0.02, 5)
        scores, pruned = {}, False
        for fold in range(1, 6):
            scores[fold] = float(folds[:fold].mean())
            before = seen.setdefault(fold, [])
            pruned = fold < 5 and len(before) >= 5 and scores[fold] < np.median(before)
            before.append(scores[fold])
            if pruned:
                break
        state = "pruned" if pruned else "complete"
        trials.append(TrialRecord(number, state, None if pruned else scores[5], params, scores))  # type: ignore[arg-type]
    space = {name: SPACE[name] for name in ("rate", "idle", "heads")}
    return StudyRecord("folded", "maximize", tuple(trials), space, "study", seed=1)


def test_effects_that_are_there_are_neither_shrunk_nor_missed_where_most_trials_are_pruned() -> None:
    """Imputed from the score alone, 0.020 becomes 0.0125 and its intervals hold the truth in 78 %."""
    held: list[bool] = []
    found: dict[str, list[float]] = {"rate": [], "heads": []}
    for seed in range(150):
        for effect in estimated(folded(seed)).effects:
            if truth := TRUTH[effect.parameter, effect.target]:
                held.append(effect.low <= truth <= effect.high)
                found[effect.parameter].append(effect.estimate)
    assert np.mean(held) > 0.92
    assert np.mean(found["heads"]) == pytest.approx(0.02, rel=0.15)
    assert np.mean(found["rate"]) > 0.02


def test_without_noise_the_truth_is_found() -> None:
    rng = np.random.default_rng(0)
    trials = []
    for number in range(40):
        place, heads = rng.random(), int(rng.choice([4, 8]))
        params = {"rate": 1e-5 * 100**place, "heads": heads}
        trials.append(TrialRecord(number, "complete", 0.5 + 0.1 * place - 0.05 * (heads == 8), params))
    space = {name: SPACE[name] for name in ("rate", "heads")}
    found = estimated(StudyRecord("s", "maximize", tuple(trials), space, "study"))
    by_name = {effect.parameter: effect for effect in found.effects}
    assert by_name["rate"].estimate == pytest.approx(0.1, rel=1e-4)
    assert by_name["heads"].estimate == pytest.approx(-0.05, rel=1e-4)
    assert by_name["heads"].contrast == (4, 8)


def test_pruned_trials_carry_evidence() -> None:
    """The bad choice was always pruned: complete trials alone cannot show that it is bad."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(40):
        heads = 4 if number % 2 else 8
        final = 0.9 - 0.2 * (heads == 4) + rng.normal(0, 0.01)
        pruned = heads == 4 and number > 6
        scores = {1: final - 0.2 + rng.normal(0, 0.002), 2: final - 0.1 + rng.normal(0, 0.002)}
        params = {"heads": heads, "idle": rng.random()}
        state = "pruned" if pruned else "complete"
        trials.append(TrialRecord(number, state, None if pruned else final, params, scores))  # type: ignore[arg-type]
    space = {name: SPACE[name] for name in ("heads", "idle")}
    found = estimated(StudyRecord("s", "maximize", tuple(trials), space, "study"))
    heads_effect = next(effect for effect in found.effects if effect.parameter == "heads")
    assert found.pruned == 17
    assert heads_effect.is_clear and heads_effect.low < 0.2 < heads_effect.high


def test_what_is_left_out_is_named() -> None:
    study = simulated(0, count=40)
    trials = [
        TrialRecord(
            **{**trial.__dict__, "params": {**trial.params, **({"T": 2.0} if trial.number % 2 else {})}}
        )
        for trial in study.trials
    ]
    trials.append(TrialRecord(99, "pruned", None, dict(trials[0].params), {50: 0.1}))
    trials.append(TrialRecord(100, "failed", None, dict(trials[0].params)))
    space = {**SPACE, "T": Parameter("T", "float", 1.0, 3.0)}
    said = " ".join(estimated(StudyRecord("s", "maximize", tuple(trials), space, "study")).left_out)
    assert "not every trial has are left out: T" in said
    assert "1 pruned trials are left out" in said
    assert "1 failed trials are left out" in said


def test_too_few_trials_are_no_evidence() -> None:
    found = effects(simulated(0, count=9, prune=False))
    assert isinstance(found, Unknown) and "need more trials" in found.reason


def test_linear_model_is_least_squares_where_data_are_many() -> None:
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(400), rng.normal(size=(400, 3))])
    scores = design @ [0.5, 1.0, 0.0, -2.0] + rng.normal(0, 0.3, 400)
    by_squares, residual, *_ = np.linalg.lstsq(design, scores, rcond=None)
    posterior = fit(design, scores)
    assert posterior.mean[1:] == pytest.approx(by_squares[1:], abs=1e-3)
    assert posterior.variance == pytest.approx(residual[0] / 396, rel=1e-3)
    error = np.sqrt(residual[0] / 396 * np.linalg.inv(design.T @ design)[1, 1])
    estimate, half, p = joined(np.array([0.0, 1.0, 0.0, 0.0]), [posterior])
    assert estimate == pytest.approx(by_squares[1], abs=1e-3)
    assert half == pytest.approx(1.966 * error, rel=1e-3)
    assert p < 1e-6


def test_rubins_rules_by_hand() -> None:
    """Two fits, 1.0 and 2.0, each with variance 0.5: total = 0.5 + (1 + 1/2) * 0.5 = 1.25."""
    from distune.analysis.parameters.linear import Fit

    fits = [Fit(np.array([value]), np.array([[0.5]]), 1.0, 1e9) for value in (1.0, 2.0)]
    estimate, half, _ = joined(np.array([1.0]), fits)
    assert estimate == 1.5
    freedom = 1 * (1 + 0.5 / 0.75) ** 2
    from scipy.stats import t

    assert half == pytest.approx(t.ppf(0.975, freedom) * np.sqrt(1.25))


def test_imputed_scores_follow_the_complete_trials_of_the_same_step() -> None:
    complete = [TrialRecord(n, "complete", 0.5 + 2 * n / 100, {}, {3: n / 100}) for n in range(10)]
    steps = usable_steps(complete)
    pruned = TrialRecord(10, "pruned", None, {}, {1: 0.9, 3: 0.2})
    assert steps == {3} and can_impute(pruned, steps)
    assert not can_impute(TrialRecord(11, "pruned", None, {}, {2: 0.2}), steps)
    known = anchors(complete, np.ones((10, 1)), steps)
    drawn = imputed([pruned], np.ones((1, 1)), known, np.random.default_rng(0))
    assert drawn[0] == pytest.approx(0.9, abs=1e-4)


def test_imputed_scores_follow_the_parameters_too() -> None:
    """Two choices that score alike at the step and then part by 0.1."""
    rng = np.random.default_rng(0)
    choice = np.arange(40) % 2
    at_step = rng.random(40)
    finals = at_step + 0.1 * choice + rng.normal(0, 0.001, 40)
    complete = [
        TrialRecord(n, "complete", float(final), {}, {3: score})
        for n, (final, score) in enumerate(zip(finals, at_step, strict=True))
    ]
    columns = np.column_stack([np.ones(40), choice])
    known = anchors(complete, columns, usable_steps(complete))
    pruned = [TrialRecord(40 + n, "pruned", None, {}, {3: 0.5}) for n in range(2)]
    drawn = imputed(pruned, np.array([[1.0, 0.0], [1.0, 1.0]]), known, np.random.default_rng(0))
    assert drawn == pytest.approx([0.5, 0.6], abs=0.01)

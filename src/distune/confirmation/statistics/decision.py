"""Which config to use: the one with the best expected score, which is another question than whether a gain is shown.

A decision has to be taken whatever the evidence, and refusing a gain that is not significant is a decision too, often
the wrong one. So the rule is that of least expected loss:

- The candidates are the base config, the best trials of the search, and the best one's student without a teacher.
- Before the confirmation the gain of a candidate over the base is normal around 0, with the standard deviation
  tau = G / e(n): the search promised a gain G (at least the relevant one) as the best of n configs, and e(n) is how far
  the best of n equal ones lies above the mean by luck alone, in standard deviations. The more were searched for the
  same promise, the smaller tau, and the more a gain is shrunk toward the base.
- The confirmation measures the gains with their common errors over cases and seeds; the expected gain is the mean after
  both. The probability of being best comes from draws around it with the tails of Student's t: the spread over a few
  seeds is itself hardly known, and a gain is not called certain here that its interval leaves open.
- The highest expected score is taken. Candidates within a tenth of the relevant gain of it count as equal: among them
  the one with the fewest parameters is taken, and the base before others of the same size.
- Where a single case decides a score, its errors are not known, nor any probability: the highest mean is taken.

Source of the shrinkage: Lindley, Smith, "Bayes estimates for the linear model", 1972; of e(n): the expected maximum of
n standard normals, Blom's approximation, 1958.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.standard_errors import errors_of, interaction_of
from distune.confirmation.statistics.scores.answers import ContenderAnswers

Floats = NDArray[np.float64]
DecisionReason = Literal[
    "highest_expected", "smallest_of_equals", "base_is_best", "base_is_missing", "one_case_decides"
]
DRAWS = 5000
OF_THE_RELEVANT_GAIN = 0.1
"""Expected scores closer than this share of the relevant gain count as equal."""


@dataclass(frozen=True)
class CandidateGain:
    """A config that one could use.

    Attributes:
        observed_gain: its mean score minus the base config's.
        expected_gain: the same after shrinkage.
        expected_error: standard deviation of what the gain may be.
        probability_best: that no other candidate is better; candidates that are level share it.
        probability_better: that it is better than the base, half of it where they are level; None for the base itself.
        parameters: of its student; None where not known.
    """

    observed_gain: float
    expected_gain: float
    expected_error: float
    probability_best: float
    probability_better: float | None
    parameters: int | None


@dataclass(frozen=True)
class Decision:
    """The config to use, and why.

    Attributes:
        contender: its name.
        reason: highest_expected | smallest_of_equals | base_is_best | base_is_missing | one_case_decides.
        best_holds_up: whether the best trial of the search is the one.
        candidates: by name; empty where the base is missing, or a single case decides a score.
        searched: so many configs were searched.
        prior_deviation: tau; None where there are no candidates.
    """

    contender: str
    reason: DecisionReason
    best_holds_up: bool
    candidates: Mapping[str, CandidateGain]
    searched: int
    prior_deviation: float | None


def decide(
    contenders: Sequence[Mapping[str, Any]],
    answers: Mapping[str, ContenderAnswers],
    split: str,
    *,
    searched: int,
    relevant_gain: float,
) -> Decision:
    """Decides by the rule in this module's text.

    Args:
        contenders: those of the plan, each with `name`, `kind`, `rank`, `is_base`, `search_score`, `parameters`.
        answers: predictions by contender; those without any run are left out.
        split: the one that is evaluated.
        searched: complete trials of the study.
        relevant_gain: the smallest one that matters.

    Raises:
        ValueError: no trial and no base has predictions.
    """
    ranked = sorted((c for c in contenders if c["rank"] is not None), key=lambda c: c["rank"])
    best = ranked[0]["name"]
    base = next((c["name"] for c in contenders if c["is_base"]), None)
    answers = {name: each for name, each in answers.items() if split in each.by_split}
    others = [c for c in contenders if c["kind"] in ("trial", "student_alone") and c["name"] in answers]
    names = [base, *(c["name"] for c in others)]
    scores = {name: answers[name].score(split) for name in names if name in answers}
    means = {name: float(score.values.mean()) for name, score in scores.items()}
    if base not in means:
        trials = [c["name"] for c in ranked if c["name"] in means]
        if not trials:
            raise ValueError("neither the base config nor a trial has predictions")
        name = max(trials, key=lambda each: means[each])
        return Decision(name, "base_is_missing", name == best, {}, searched, None)
    if any(score.rests_on_one_case for score in scores.values()):
        name = max(means, key=lambda each: means[each])
        return Decision(name, "one_case_decides", name == best, {}, searched, None)
    promises = ranked[0]["search_score"], next(c for c in contenders if c["is_base"])["search_score"]
    promised = promises[0] - promises[1] if None not in promises else relevant_gain
    tau = prior_deviation(promised, searched, relevant_gain)
    parameters = {c["name"]: (c.get("parameters") or {}).get("total") for c in contenders}
    candidates = candidates_of(names, means, [scores[name].pseudovalues for name in names], tau, parameters)
    highest = max(each.expected_gain for each in candidates.values())
    equal = [
        name
        for name, each in candidates.items()
        if each.expected_gain >= highest - OF_THE_RELEVANT_GAIN * relevant_gain
    ]
    # Names begin with the base, then the trials by rank, so that the first of equal sizes is the right one.
    chosen = min(equal, key=lambda name: parameters[name] or 0)
    reason: DecisionReason = "highest_expected" if len(equal) == 1 else "smallest_of_equals"
    if chosen == base and base == best:
        reason = "base_is_best"
    return Decision(chosen, reason, chosen == best, candidates, searched, tau)


def prior_deviation(promised: float, searched: int, relevant_gain: float) -> float:
    """tau: the gain that the search promised over what the best of so many equal ones gains by luck."""
    return max(promised, relevant_gain) / expected_maximum(searched)


def expected_maximum(count: int) -> float:
    """How far the largest of so many standard normal numbers lies above 0 on average; at least that of two, 0.56."""
    from scipy import stats

    among = max(2, count)
    return float(stats.norm.ppf((among - 0.375) / (among + 0.25)))


def candidates_of(
    names: Sequence[str],
    means: Mapping[str, float],
    tables: Sequence[Floats],
    tau: float,
    parameters: Mapping[str, int | None],
) -> dict[str, CandidateGain]:
    """Expected gains and probabilities; the first name is the base, whose gain is 0."""
    if len(names) == 1:
        return {names[0]: CandidateGain(0.0, 0.0, 0.0, 1.0, None, parameters[names[0]])}
    gains = np.array([means[name] - means[names[0]] for name in names[1:]])
    errors = _covariance(tables)
    contrast = np.hstack([-np.ones((len(gains), 1)), np.eye(len(gains))])
    measured = contrast @ errors @ contrast.T
    prior = tau**2 * np.eye(len(gains))
    weight = prior @ np.linalg.pinv(prior + measured)
    expected, left = weight @ gains, prior - weight @ prior
    left = (left + left.T) / 2
    drawn = np.hstack([np.zeros((DRAWS, 1)), expected + _deviations(left, tables)])
    drawn = np.round(drawn, 12)  # contenders with the same answers are level but for rounding
    at_top = drawn == drawn.max(axis=1, keepdims=True)
    best = (at_top / at_top.sum(axis=1, keepdims=True)).mean(axis=0)  # those that are level share a draw
    ahead = ((np.sign(drawn) + 1) / 2).mean(axis=0)
    return {
        name: CandidateGain(
            observed_gain=float(gains[place - 1]) if place else 0.0,
            expected_gain=float(expected[place - 1]) if place else 0.0,
            expected_error=float(np.sqrt(max(0.0, left[place - 1, place - 1]))) if place else 0.0,
            probability_best=float(best[place]),
            probability_better=float(ahead[place]) if place else None,
            parameters=parameters[name],
        )
        for place, name in enumerate(names)
    }


def _deviations(covariance: Floats, tables: Sequence[Floats]) -> Floats:
    """Draws (DRAWS, gains) around 0, each gain with Student's t of as many degrees of freedom as its interval has."""
    from scipy import stats

    generator = np.random.default_rng(0)
    normal = generator.multivariate_normal(np.zeros(len(covariance)), covariance, DRAWS, check_valid="ignore")
    freedom = np.array([errors_of([table, -tables[0]]).freedom for table in tables[1:]])
    # One rank for all gains: where the spread of the base's seeds was underestimated, it was for every gain.
    squares = stats.chi2.ppf(generator.uniform(size=(DRAWS, 1)), freedom)
    return np.asarray(normal / np.sqrt(squares / freedom), dtype=np.float64)


def _covariance(tables: Sequence[Floats]) -> Floats:
    """Covariance of the mean scores: the cases are common to all, the seeds each contender's own."""
    cases = len(tables[0])
    found = np.atleast_2d(np.cov(np.stack([table.mean(axis=1) for table in tables]))) / cases
    for place, table in enumerate(tables):
        seeds = table.shape[1]
        if seeds > 1:
            found[place, place] += max(
                0.0, float(table.mean(axis=0).var(ddof=1)) / seeds - interaction_of(table)
            )
    return np.asarray(found, dtype=np.float64)

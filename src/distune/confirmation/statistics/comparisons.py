"""Which comparisons a confirmation makes, and what each of them says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from distune.confirmation.request import RELEVANT_GAIN
from distune.confirmation.statistics.inference.mcnemar import mcnemar
from distune.confirmation.statistics.inference.power import needs, power
from distune.confirmation.statistics.inference.significance import (
    Comparison,
    FamilyVerdict,
    compare_scores,
    family_level,
    family_verdicts,
)
from distune.confirmation.statistics.scores.answers import ContenderAnswers
from distune.confirmation.statistics.scores.case_scores import CaseScores
from distune.data.table import MISSING, exclusive_tasks
from distune.training.scoring.weighted_scores import lowest_score

Kind = Literal[
    "tuning_gain",
    "distillation_gain",
    "teacher_gap",
    "against_trial",
    "trial_gain",
    "against_baseline",
    "modality_gain",
]
Family = Literal["primary", "secondary"]
PRIMARY: tuple[Kind, ...] = ("tuning_gain", "distillation_gain")
"""The questions that a confirmation is made for; fixed before any data, so they need not pay for the others."""


@dataclass(frozen=True)
class Pair:
    """One comparison: the first contender's score minus the second's.

    Attributes:
        kind: tuning_gain (best - base), distillation_gain (best - its student without a teacher), teacher_gap
            (best config's teacher - best), against_trial (best - another top trial but the base), trial_gain
            (another top trial - base), against_baseline (best - a baseline), modality_gain (the student without a
            teacher that reads both - the one that reads one of them).
        first: name of the first contender.
        second: name of the second.
    """

    kind: Kind
    first: str
    second: str

    @property
    def name(self) -> str:
        """Names the pair in its family."""
        return f"{self.first} - {self.second}"

    @property
    def family(self) -> Family:
        """The family within which its p-value is corrected."""
        return "primary" if self.kind in PRIMARY else "secondary"


def planned(contenders: Sequence[Mapping[str, Any]], baselines: Sequence[str]) -> list[Pair]:
    """All comparisons that a confirmation makes.

    Args:
        contenders: those of the plan, each with `name`, `kind`, `rank` and `is_base`.
        baselines: their names.
    """
    ranked = sorted((c for c in contenders if c["rank"] is not None), key=lambda c: c["rank"])
    best, others = ranked[0]["name"], [c["name"] for c in ranked[1:] if not c["is_base"]]
    base = next((c["name"] for c in contenders if c["is_base"]), None)
    by_kind = {c["kind"]: c["name"] for c in contenders}
    pairs = []
    if base is not None and base != best:
        pairs.append(Pair("tuning_gain", best, base))
    if "student_alone" in by_kind:
        pairs.append(Pair("distillation_gain", best, by_kind["student_alone"]))
    if "teacher" in by_kind:
        pairs.append(Pair("teacher_gap", by_kind["teacher"], best))
    whole = by_kind.get("student_alone", best)
    pairs += [
        Pair("modality_gain", whole, by_kind[kind])
        for kind in ("image_alone", "text_alone")
        if kind in by_kind
    ]
    pairs += [Pair("against_trial", best, other) for other in others]
    # Against the base they decide what is recommended where the best trial does not hold up.
    pairs += [Pair("trial_gain", other, base) for other in others if base not in (None, best)]
    return pairs + [Pair("against_baseline", best, name) for name in baselines]


def comparisons(
    pairs: Sequence[Pair],
    answers: Mapping[str, ContenderAnswers],
    split: str,
    *,
    relevant_gain: float = RELEVANT_GAIN,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Makes the comparisons on one split, and evaluates each family by itself.

    Args:
        pairs: all that are planned.
        answers: predictions by contender; those without any run are left out.
        split: dev, test or folds.
        relevant_gain: the smallest difference that matters, fixed before anything was measured.

    Returns:
        The comparisons as plain values, and those that cannot be made, each with its reason.
    """
    made: dict[Pair, Comparison] = {}
    scores: dict[str, CaseScores] = {}
    left_out = []
    for pair in pairs:
        absent = [name for name in (pair.first, pair.second) if name not in answers]
        if absent:
            left_out.append({**asdict(pair), "reason": f"{' and '.join(absent)}: no run finished"})
            continue
        unscored = [name for name in (pair.first, pair.second) if split not in answers[name].by_split]
        if unscored:
            left_out.append({**asdict(pair), "reason": f"{' and '.join(unscored)}: not evaluated on {split}"})
            continue
        evaluated = answers[pair.first].by_split[split][0]
        if len(set(evaluated.groups)) < 2:
            left_out.append({**asdict(pair), "reason": f"{split} holds a single case"})
            continue
        for name in (pair.first, pair.second):
            if name not in scores:
                scores[name] = answers[name].score(split)
        if scores[pair.first].rests_on_one_case:
            why = f"a class of {split}, or all others, are in a single case, which decides the score"
            left_out.append({**asdict(pair), "reason": why})
            continue
        made[pair] = compare_scores(
            *((name, scores[name].values, scores[name].pseudovalues) for name in (pair.first, pair.second)),
            examples=len(evaluated.ids),
            lowest=lowest_score(evaluated.tasks),
        )
    verdicts: dict[str, FamilyVerdict] = {}
    sizes = {family: sum(pair.family == family for pair in made) for family in ("primary", "secondary")}
    for family in sizes:
        verdicts |= family_verdicts({pair.name: each for pair, each in made.items() if pair.family == family})
    return [
        {
            "kind": pair.kind,
            "family": pair.family,
            **_measured(each),
            **asdict(verdicts[pair.name]),
            "seeds": {"first": len(answers[pair.first].seeds), "second": len(answers[pair.second].seeds)},
            **_can_show(each, answers[pair.first], answers[pair.second], relevant_gain, sizes[pair.family]),
            "mcnemar": _single_pairs(answers[pair.first], answers[pair.second], split),
        }
        for pair, each in made.items()
    ], left_out


def _measured(found: Comparison) -> dict[str, Any]:
    errors = found.errors
    return {
        "first": found.first,
        "second": found.second,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "standard_error": errors.standard_error,
        "case_error": math.sqrt(errors.cases),
        "seed_error": math.sqrt(errors.seeds),
        "interaction_error": math.sqrt(errors.interaction),
        "freedom": errors.freedom,
        "examples": found.examples,
        "groups": found.groups,
    }


def _can_show(
    found: Comparison, first: ContenderAnswers, second: ContenderAnswers, relevant_gain: float, family: int
) -> dict[str, Any]:
    """What the comparison could have shown of a difference that matters."""
    level, seeds = family_level(family), max(len(first.seeds), len(second.seeds))
    return {
        "power": power(found.errors, relevant_gain, level),
        **needs(found.errors, relevant_gain, level, seeds=seeds, cases=found.groups),
        "excludes_relevant_gain": found.high < relevant_gain,
    }


def _single_pairs(first: ContenderAnswers, second: ContenderAnswers, split: str) -> dict[str, Any]:
    """McNemar's exact test by task, or label, of the two models with the first common seed."""
    common = [seed for seed in first.seeds if seed in second.seeds]
    seeds = (common[0], common[0]) if common else (first.seeds[0], second.seeds[0])
    one = first.by_split[split][first.seeds.index(seeds[0])].predictions
    other = second.by_split[split][second.seeds.index(seeds[1])].predictions
    evaluated = first.by_split[split][0]
    found = {}
    parts = [part for task in evaluated.tasks for part in exclusive_tasks(task)]
    for column, task in enumerate(parts):
        known = evaluated.labels[:, column] != MISSING
        truth = evaluated.labels[known, column]
        found[task.name] = asdict(mcnemar(truth, one[known, column], other[known, column]))
    return found

"""Which config to use after a confirmation: the one that holds up, even if it is the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Reason = Literal[
    "base_is_best",
    "best_holds_up",
    "other_is_better",
    "other_holds_up",
    "alone_is_better",
    "nothing_beats_base",
    "gain_is_refuted",
    "base_is_missing",
]

REASONS: dict[Reason, str] = {
    "base_is_best": "The base config is the best trial: the search found nothing better.",
    "best_holds_up": "The best trial is better than the base config over all seeds, and nothing is better than it.",
    "other_is_better": "Another trial of the search is better than the best one.",
    "other_holds_up": "The best trial of the search is not told to be better than the base config; this other one is.",
    "alone_is_better": "The best trial's student is better without its teacher.",
    "nothing_beats_base": "No trial is told to be better than the base config: the search's gain is not confirmed.",
    "gain_is_refuted": "No trial is told to be better than the base config: the search's gain does not hold up, it "
    "lies outside the interval.",
    "base_is_missing": "The base config could not be trained, so no gain is known; this is the trial with the "
    "highest mean score.",
}


@dataclass(frozen=True)
class Recommendation:
    """A contender and why.

    Attributes:
        contender: its name.
        reason: a key of `REASONS`.
        best_holds_up: whether the best trial of the search is the recommended config.
    """

    contender: str
    reason: Reason
    best_holds_up: bool


def recommend(
    contenders: Sequence[Mapping[str, Any]],
    scores: Mapping[str, float],
    compared: Sequence[Mapping[str, Any]],
) -> Recommendation:
    """Decides by the verdicts alone.

    A trial replaces the base only where it is "better" than it; a config replaces the best trial only where it is
    "better" than that. Among several the highest mean score decides.

    Args:
        contenders: those of the plan, each with `name`, `kind`, `rank`, `is_base` and `search_score`.
        scores: mean score on the judged split, by contender; those without any run are left out.
        compared: the comparisons, each with `kind`, `first`, `second`, `low`, `high` and `verdict`.

    Raises:
        ValueError: no trial and no base has a score.
    """
    ranked = sorted((c for c in contenders if c["rank"] is not None), key=lambda c: c["rank"])
    best, names = ranked[0]["name"], [c["name"] for c in ranked]
    base = next((c["name"] for c in contenders if c["is_base"]), None)

    def better(kind: str) -> list[str]:
        return [c["first"] for c in compared if c["kind"] == kind and c["verdict"] == "better"]

    def beaten_by(kind: str) -> list[str]:
        return [c["second"] for c in compared if c["kind"] == kind and c["verdict"] == "worse"]

    def highest(among: Sequence[str]) -> str:
        return max(among, key=lambda name: (scores[name], -list(among).index(name)))

    def chosen(name: str, reason: Reason) -> Recommendation:
        return Recommendation(name, reason, name == best)

    if base not in scores:
        return chosen(highest([name for name in names if name in scores]), "base_is_missing")
    if best == base or best in better("tuning_gain"):
        replacements = beaten_by("against_trial"), beaten_by("distillation_gain")
        if any(replacements):
            name = highest([*replacements[0], *replacements[1]])
            return chosen(name, "alone_is_better" if name in replacements[1] else "other_is_better")
        return chosen(best, "base_is_best" if best == base else "best_holds_up")
    if others := better("trial_gain"):
        return chosen(highest(others), "other_holds_up")
    assert base is not None
    return chosen(
        base, "gain_is_refuted" if _is_refuted(contenders, best, base, compared) else "nothing_beats_base"
    )


def _is_refuted(
    contenders: Sequence[Mapping[str, Any]], best: str, base: str, compared: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether all of the interval of the tuning gain lies below what the search gained on the same split."""
    searched = {about["name"]: about.get("search_score") for about in contenders}
    made = next((each for each in compared if each["kind"] == "tuning_gain"), None)
    best_score, base_score = searched[best], searched[base]
    if made is None or best_score is None or base_score is None:
        return False
    return bool(best_score - base_score > made["high"])

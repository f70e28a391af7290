"""The numbers of a confirmation, computed from its folder alone: `confirmation.json`.

Schema (an *interval* is `{"mean", "low", "high", "seeds"}`: mean over seeds, Student's 95 % interval; `low` and
`high` are null for a single seed, such as a baseline's):

    version             1
    study, created, distune_version
    top, seeds          as asked for; `seeds` are the seeds themselves
    data_fingerprint
    split               "test", or "dev" where the data set has no test split: the split that comparisons and
                        recommendation are made on
    optimistic          true where `split` is dev, which the search has seen: every number flatters
    complete            false where a run failed; `failures` says which
    examples            {split: {"examples", "cases"}}, for dev and, where there is one, test
    tasks               {task: [classes]}
    opening             null without a test split, else {"number": 1 for the first, "openings": [{"time", "by",
                        "dataset"}] of this study, "elsewhere": the same of other studies and runs on these data,
                        each with "file"}
    contenders          {name: {
        kind            trial | base | student_alone | teacher | baseline
        trial           number in the study; null for those that are no trial
        rank            1 for the best of the search, ...; null for those outside the top
        is_base         the base config (it keeps the name "base" where it is among the top, with its rank)
        search_score    dev score in the study; null where there is none
        seeds           those that finished; [] for a baseline
        missing         [{"seed", "kind", "message"}]: runs that failed
        parameters      {"total", "trained"}; null for a baseline
        settings        baselines only: {task: {name: value}}, what was chosen on dev
        splits          {"dev": SPLIT or null, "test": SPLIT or null} }}
    SPLIT               {"score": interval, "scores": [one a seed], "tasks": {task: TASK}, "conditions":
                        {"without_image" | "without_text" | "other_text": {"score": interval, "change": interval of
                        the score minus the full input's, "tasks": {task: {"macro_f1", "accuracy": intervals}}}}}
    TASK                intervals macro_f1, accuracy, calibration_error, log_loss, temperature (fitted on dev),
                        calibration_error_scaled, log_loss_scaled; auc: interval or null, and then auc_missing says
                        why; classes: {class: {"recall": interval or null without examples, "support"}}
    comparisons         [{kind, family ("primary": the tuning and the distillation gain; "secondary": all others),
                        first, second, difference (first - second of the mean scores), low, high, p_value,
                        adjusted_p (Holm within the family), verdict ("better", "worse", "not distinguishable"),
                        test_error, seed_error, interaction_error (in both of these), examples, groups, paired_seeds,
                        resamples, seeds: {"first", "second"}, examples_needed and seeds_needed (each with the other
                        as now, for this comparison alone, so they may lie below what was used where only Holm's
                        correction keeps a difference from being told; null: the difference is 0, or the other's
                        noise alone hides it), mcnemar: {task: {only_first, only_second, p_value}} of the first
                        common seed's models}]; the kinds are those of `confirmation_comparisons.Pair`
    comparisons_missing [{kind, first, second, reason}]
    optimism            {"contender", "search_score", "folds" (that it is a mean over; null: it is of dev), "dev":
                        interval, "test": interval or null} of the best trial; null where none of its runs finished
    recommendation      {"contender", "kind", "trial", "reason", "best_holds_up", "text", "config": file name}
    failures            [{"contender", "seed", "kind", "message"}]
    notes               sentences: what was left out, and why
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distune.confirmation.statistics.comparisons import comparisons, planned
from distune.confirmation.statistics.files import RECOMMENDED, Judged, read_plan, same_examples
from distune.confirmation.statistics.recommendation import REASONS, recommend
from distune.confirmation.statistics.scores import Answers, read_baseline, read_contender, split_numbers
from distune.errors import UserError

VERSION = 1


def confirmation_numbers(confirmation: Path) -> dict[str, Any]:
    """Computes everything that a confirmation says.

    Args:
        confirmation: the folder `confirmation` of a study.

    Returns:
        Plain values; the schema is in this module's text.

    Raises:
        UserError: the folder holds no confirmation, no run finished, or runs were judged on different examples.
    """
    plan = read_plan(confirmation)
    answers = _answers(confirmation, plan)
    reference = next(iter(answers.values())).by_split
    split = "test" if "test" in reference else "dev"
    contenders = {about["name"]: _numbers(about, answers.get(about["name"])) for about in plan["contenders"]}
    contenders |= {
        about["name"]: _baseline_numbers(about, answers.get(about["name"])) for about in plan["baselines"]
    }
    pairs = planned(plan["contenders"], [about["name"] for about in plan["baselines"]])
    made, left_out = comparisons(pairs, answers, split, seed=plan["study_seed"])
    return {
        "version": VERSION,
        **{key: plan[key] for key in ("study", "created", "distune_version", "top", "seeds")},
        "data_fingerprint": plan["data_fingerprint"],
        "split": split,
        "optimistic": split == "dev",
        "complete": not plan["failures"],
        "examples": {
            name: {"examples": len(judged[0].ids), "cases": len(set(judged[0].groups))}
            for name, judged in reference.items()
        },
        "tasks": {task.name: list(task.classes) for task in reference[split][0].tasks},
        "opening": plan["opening"],
        "contenders": contenders,
        "comparisons": made,
        "comparisons_missing": left_out,
        "optimism": _optimism(plan, contenders),
        "recommendation": _recommendation(plan, contenders, made, split),
        "failures": plan["failures"],
        "notes": plan["notes"],
    }


def _answers(confirmation: Path, plan: Mapping[str, Any]) -> dict[str, Answers]:
    found = {
        about["name"]: read_contender(confirmation, about["name"], plan["seeds"])
        for about in plan["contenders"]
    }
    answers = {name: each for name, each in found.items() if each is not None}
    if not answers:
        raise UserError(f"{confirmation}: no run finished; see the failures in its plan.json")
    for about in plan["baselines"]:
        baseline = read_baseline(confirmation, about["name"])
        if baseline is not None:
            answers[about["name"]] = baseline
    by_split: dict[str, list[Judged]] = {}
    for each in answers.values():
        for split, judged in each.by_split.items():
            by_split.setdefault(split, []).extend(judged)
    for split, all_judged in by_split.items():
        if not same_examples(all_judged):
            raise UserError(
                f"{confirmation}: its runs were judged on different {split} examples; delete it and confirm again"
            )
    return answers


def _numbers(about: Mapping[str, Any], answers: Answers | None) -> dict[str, Any]:
    return {
        **{key: about[key] for key in ("kind", "trial", "rank", "is_base", "search_score")},
        "seeds": list(answers.seeds) if answers else [],
        "missing": about["missing"],
        "parameters": about["parameters"],
        "splits": _splits(answers),
    }


def _baseline_numbers(about: Mapping[str, Any], answers: Answers | None) -> dict[str, Any]:
    return {
        "kind": "baseline",
        "trial": None,
        "rank": None,
        "is_base": False,
        "search_score": None,
        "seeds": [],
        "missing": [],
        "parameters": None,
        "settings": about["settings"],
        "splits": _splits(answers),
    }


def _splits(answers: Answers | None) -> dict[str, Any]:
    return {split: split_numbers(answers, split) if answers else None for split in ("dev", "test")}


def _optimism(plan: Mapping[str, Any], contenders: Mapping[str, Any]) -> dict[str, Any] | None:
    best = next(about for about in plan["contenders"] if about["rank"] == 1)
    splits = contenders[best["name"]]["splits"]
    if splits["dev"] is None:
        return None
    return {
        "contender": best["name"],
        "search_score": best["search_score"],
        "folds": plan.get("folds"),
        "dev": splits["dev"]["score"],
        "test": splits["test"]["score"] if splits["test"] else None,
    }


def _recommendation(
    plan: Mapping[str, Any], contenders: Mapping[str, Any], made: list[dict[str, Any]], split: str
) -> dict[str, Any]:
    scores = {
        name: numbers["splits"][split]["score"]["mean"]
        for name, numbers in contenders.items()
        if numbers["splits"][split] is not None
    }
    searched = plan["contenders"]
    if plan.get("folds"):  # the search judged other examples: its gain cannot be held against this one
        searched = [{**about, "search_score": None} for about in searched]
    found = recommend(searched, scores, made)
    return {
        **asdict(found),
        "kind": contenders[found.contender]["kind"],
        "trial": contenders[found.contender]["trial"],
        "text": REASONS[found.reason],
        "config": RECOMMENDED,
    }

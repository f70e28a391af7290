"""The numbers of a confirmation, computed from its folder alone: `confirmation.json`.

Schema. An *interval* is `{"mean", "low", "high", "seeds", "cases"}`: a mean over seeds with its 95 % interval over
seeds and cases; `low` and `high` are null where nothing can be said (a single case). Where `cases` is null, the
interval is over seeds alone and holds for these cases only; `low` and `high` are then null for a single seed, and where
no seed differs.

    version             2
    study, created, distune_version
    top, seeds          as asked for; `seeds` are the seeds themselves
    data_fingerprint
    split               the one that comparisons and recommendation are made on: "test"; where the data set has none,
                        "folds" in a study with folds (train and dev together, each example answered by the training
                        that lacked its fold; every seed with folds of its own), else "dev"
    optimistic          true where `split` is not test: the search has seen the examples, and every number flatters
    complete            false where a run failed; `failures` says which
    relevant_gain       the smallest gain that matters, fixed beforehand (`--relevant-gain`)
    power_before        null, or what the search let expect: {"power" (for relevant_gain, without the noise between
                        seeds), "gain", "cases", "cases_needed" (for 80 %; null: no number is enough)}
    examples            {split: {"examples", "cases"}}, for dev, and for test and folds where there are any
    tasks               {task: [classes]}; of a multi-label task its labels
    scored_by           {task: {"kind", "score", "weight"}}: what each task counts with in the score that was tuned,
                        which is the mean of these over the tasks; every "score" below is that one
    opening             null without a test split, else {"number": 1 for the first, "openings": [{"time", "by",
                        "dataset"}] of this study, "elsewhere": the same of other studies and runs on these data,
                        each with "file"}
    contenders          {name: {
        kind            trial | base | student_alone | teacher | image_alone | text_alone | baseline
        trial           number in the study; null for those that are no trial
        rank            1 for the best of the search, ...; null for those outside the top
        is_base         the base config (it keeps the name "base" where it is among the top, with its rank)
        search_score    dev score in the study; null where there is none
        seeds           those that finished; [] for a baseline
        missing         [{"seed", "kind", "message"}]: runs that failed
        parameters      {"total", "trained"}; null for a baseline
        settings        baselines only: {task: {name: value}}, what was chosen on dev
        splits          {"dev": SPLIT or null, "test": SPLIT or null, "folds": SPLIT where the study has folds} }}
    SPLIT               {"score": interval, "over_seeds": the same score's interval over seeds alone, "scores": [one a
                        seed], "forecast": null where nothing can be said, or {"mean", "low", "high", "cases",
                        "from_cases", "seeds"}: in 95 % of new sets of `cases` cases one model trained in this way
                        scores from low to high (on dev it flatters; with one seed it is of this training alone),
                        "tasks": {task: TASK}, "apart": {"complete" | "without_text" | "without_image": {"examples",
                        "cases", "score": interval or null where these do not define it}} where some examples lack an
                        input, "conditions": {"without_image" | "without_text" | "other_text": {"score": interval,
                        "change": interval of the score minus the full input's,
                        "tasks": {task: {"macro_f1", "accuracy", "score" as in TASK}}}}}
    TASK                intervals macro_f1 and accuracy, and where the task counts with another score "score":
                        {"name", and the fields of an interval}; calibration_error and log_loss, and after scaling
                        calibration_error_scaled and log_loss_scaled: intervals; temperature (fitted on dev): over seeds
                        alone; auc: interval or null, and then auc_missing says why; operating_points: on test and
                        folds, of a task of two classes or of labels, [{"positive": the class that is looked for,
                        "points": [{"wanted": specificity where the threshold is chosen, on dev, or for folds on the
                        out-of-fold answers, each case then evaluated with the threshold of all others, "thresholds":
                        of each seed its own, of the calibrated probabilities, which `distune predict` gives; what lies
                        above is called the class, "sensitivity", "specificity": intervals of all seeds, "first_seed":
                        the same two of the first of `seeds` alone, whose model is handed over; all null where too few
                        examples without the class choose. Before November 2026 instead of "thresholds" and
                        "first_seed": "threshold", the mean over seeds, of probabilities before their calibration}]}],
                        else null;
                        classes: {class: {"support": examples, "cases": that hold one, "recall", "precision",
                        "specificity", "f1": interval over the cases that it depends on, or null without any}};
                        of a multi-label task the classes are its labels, and what is said is of having them
    comparisons         [{kind, family ("primary": the tuning and the distillation gain; "secondary": all others),
                        first, second, difference (first - second of the mean scores),
                        low, high, p_value      of this comparison alone
                        family_low, family_high the interval that holds for all of its family together,
                        adjusted_p, verdict     ("better", "worse", "not significantly different") by that one alone,
                        standard_error and its parts case_error, seed_error, interaction_error (their squares add up),
                        freedom (of Student's t), examples, groups (cases), seeds: {"first", "second"},
                        power                   the chance that a true gain of relevant_gain had to be called "better",
                        seeds_needed, cases_needed   for a power of 80 % for relevant_gain, each with the other as it
                        is; null: no number is enough,
                        excludes_relevant_gain  whether `high` lies below relevant_gain,
                        mcnemar: {task: {only_first, only_second, p_value}} of the first common seed's models}];
                        the kinds are those of `comparisons.Pair`
    comparisons_missing [{kind, first, second, reason}]
    optimism            {"contender", "search_score", "folds" (that it is a mean over; null: it is of dev), "dev":
                        interval over seeds, "again": the same kind of score as the search's, on dev or as a mean over
                        new folds, interval over seeds or null, "test": interval or null, "loss": what of the
                        search's score was luck, or null: {"mean", "low", "high", "on"}} of the best trial; null where
                        none of its runs finished
    recommendation      {"contender", "kind", "trial", "reason", "best_holds_up", "text", "config": file name,
                        "candidates": {name: {"observed_gain", "expected_gain", "expected_error", "probability_best",
                        "probability_better" (than the base; null for it), "parameters"}}, "searched",
                        "prior_deviation"}: the decision, by the rule in `decision`'s text
    subgroups           of the recommended contender on `split`: {column of `data.subgroup_columns`: {"unknown":
                        examples without a value, "values": how many there are (above 12 there are no groups), "groups":
                        [{"name", "examples", "cases", "small" (fewer than 20 cases), "score" (null where it is not
                        defined, as without a label of a task) and "accuracy" (of the tasks of which it has labels; null
                        without any): intervals, "difference": of its accuracy from that of all others in the tasks of
                        which both have labels, {"mean", "low", "high" (of all of these together), "verdict": "higher"
                        | "lower" | "not significantly different"}; null for a small group, where all others are few, or
                        without such a task}]}}
    failures            [{"contender", "seed", "kind", "message"}]
    notes               sentences: what was left out, and why
    recommended_before  where earlier calls used another relevant_gain: [{"contender", "relevant_gain"}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distune.confirmation.request import RELEVANT_GAIN
from distune.confirmation.statistics.comparisons import comparisons, planned
from distune.confirmation.statistics.decision import Decision, decide
from distune.confirmation.statistics.files import (
    OUT_OF_FOLD,
    RECOMMENDED,
    SCORED_SPLITS,
    folds_folder,
    read_plan,
    same_examples,
)
from distune.confirmation.statistics.scores.answers import ContenderAnswers, read_baseline, read_contender
from distune.confirmation.statistics.scores.scores import interval, split_numbers
from distune.confirmation.statistics.scores.subgroups import read_subgroups, subgroup_numbers
from distune.data.table import Task
from distune.errors import UserError
from distune.training.files.prediction_files import SplitPredictions
from distune.training.files.run_folder import read_results
from distune.tuning.trials.folds import fold_folder

VERSION = 2


def confirmation_numbers(confirmation: Path) -> dict[str, Any]:
    """Computes everything that a confirmation says.

    Args:
        confirmation: the folder `confirmation` of a study.

    Returns:
        Plain values; the schema is in this module's text.

    Raises:
        UserError: the folder holds no confirmation, no run finished, or runs were evaluated on different examples.
    """
    plan = read_plan(confirmation)
    answers = _answers(confirmation, plan)
    reference = next(iter(answers.values())).by_split
    split = next(name for name in ("test", OUT_OF_FOLD, "dev") if name in reference)
    new_cases = plan.get("new_cases")
    contenders = {
        about["name"]: _numbers(about, answers.get(about["name"]), new_cases) for about in plan["contenders"]
    }
    contenders |= {
        about["name"]: _baseline_numbers(about, answers.get(about["name"]), new_cases)
        for about in plan["baselines"]
    }
    relevant_gain = plan.get("relevant_gain", RELEVANT_GAIN)
    decision = _decided(plan, answers, split, relevant_gain)
    before = [
        {"contender": _decided(plan, answers, split, gain).contender, "relevant_gain": gain}
        for gain in plan.get("gains_before", ())
    ]
    pairs = planned(plan["contenders"], [about["name"] for about in plan["baselines"]])
    made, left_out = comparisons(pairs, answers, split, relevant_gain=relevant_gain)
    return {
        "version": VERSION,
        **{key: plan[key] for key in ("study", "created", "distune_version", "top", "seeds")},
        "data_fingerprint": plan["data_fingerprint"],
        "split": split,
        "optimistic": split != "test",
        "complete": not plan["failures"],
        "relevant_gain": relevant_gain,
        "power_before": plan.get("power_before"),
        "examples": {
            name: {"examples": len(evaluated[0].ids), "cases": len(set(evaluated[0].groups))}
            for name, evaluated in reference.items()
        },
        "tasks": {task.name: list(task.classes) for task in reference[split][0].tasks},
        "scored_by": {
            task.name: {"kind": task.kind, "score": task.score, "weight": task.weight}
            for task in reference[split][0].tasks
        },
        "opening": plan["opening"],
        "contenders": contenders,
        "comparisons": made,
        "comparisons_missing": left_out,
        "optimism": _optimism(plan, contenders, confirmation),
        "recommendation": _recommendation(decision, contenders),
        "subgroups": subgroup_numbers(
            answers[decision.contender].by_split[split], read_subgroups(confirmation)
        ),
        "failures": plan["failures"],
        "notes": [*plan["notes"], *_turned(before, decision.contender)],
        **({"recommended_before": before} if before else {}),
    }


def _answers(confirmation: Path, plan: Mapping[str, Any]) -> dict[str, ContenderAnswers]:
    written = plan.get("asked")  # an older confirmation was of exclusive classes and their macro F1 alone
    tasks = None if written is None else tuple(Task.from_plain(each) for each in written)
    found = {
        about["name"]: read_contender(
            confirmation, about["name"], plan["seeds"], tasks, may_lack=plan.get("may_lack", False)
        )
        for about in plan["contenders"]
    }
    answers = {name: each for name, each in found.items() if each is not None}
    if not answers:
        raise UserError(f"{confirmation}: no run finished; see the failures in its plan.json")
    for about in plan["baselines"]:
        baseline = read_baseline(confirmation, about["name"], tasks, may_lack=plan.get("may_lack", False))
        if baseline is not None:
            answers[about["name"]] = baseline
    by_split: dict[str, list[SplitPredictions]] = {}
    for each in answers.values():
        for split, evaluated in each.by_split.items():
            by_split.setdefault(split, []).extend(evaluated)
    for split, all_predictions in by_split.items():
        if not same_examples(all_predictions):
            raise UserError(
                f"{confirmation}: its runs were evaluated on different {split} examples; delete it and confirm again"
            )
    return answers


def _numbers(
    about: Mapping[str, Any], answers: ContenderAnswers | None, new_cases: int | None
) -> dict[str, Any]:
    return {
        **{key: about[key] for key in ("kind", "trial", "rank", "is_base", "search_score")},
        "seeds": list(answers.seeds) if answers else [],
        "missing": about["missing"],
        "parameters": about["parameters"],
        "splits": _splits(answers, new_cases),
    }


def _baseline_numbers(
    about: Mapping[str, Any], answers: ContenderAnswers | None, new_cases: int | None
) -> dict[str, Any]:
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
        "splits": _splits(answers, new_cases),
    }


def _splits(answers: ContenderAnswers | None, new_cases: int | None) -> dict[str, Any]:
    found = {split: split_numbers(answers, split, new_cases) if answers else None for split in SCORED_SPLITS}
    return {split: each for split, each in found.items() if each is not None or split != OUT_OF_FOLD}


def _optimism(
    plan: Mapping[str, Any], contenders: Mapping[str, Any], confirmation: Path
) -> dict[str, Any] | None:
    best = next(about for about in plan["contenders"] if about["rank"] == 1)
    splits = contenders[best["name"]]["splits"]
    if splits["dev"] is None:
        return None
    folds, searched, dev = plan.get("folds"), best["search_score"], splits["dev"]["over_seeds"]
    again = dev
    if folds:  # the same kind of score as the search's: a mean over folds, each repeat with folds of its own
        repeats = [
            [
                results["score"]
                for fold in range(1, folds + 1)
                if (results := read_results(fold_folder(parent, fold)))
            ]
            for seed in contenders[best["name"]]["seeds"]
            for parent in (folds_folder(confirmation, best["name"], seed),)
        ]
        whole = [sum(scores) / folds for scores in repeats if len(scores) == folds]
        again = interval(whole) if whole else None
    return {
        "contender": best["name"],
        "search_score": searched,
        "folds": folds,
        "dev": dev,
        "again": again,
        "test": splits["test"]["score"] if splits["test"] else None,
        "loss": _loss(searched, again, "folds" if folds else "dev"),
    }


def _loss(searched: float | None, again: Mapping[str, Any] | None, on: str) -> dict[str, Any] | None:
    """What of the search's score was luck: it less what the same config scores again, with the latter's interval."""
    if searched is None or again is None or again["low"] is None:
        return None
    return {
        "mean": searched - again["mean"],
        "low": searched - again["high"],
        "high": searched - again["low"],
        "on": on,
    }


def _decided(
    plan: Mapping[str, Any], answers: Mapping[str, ContenderAnswers], split: str, relevant_gain: float
) -> Decision:
    return decide(
        plan["contenders"],
        answers,
        split,
        searched=plan.get("searched") or sum(about["rank"] is not None for about in plan["contenders"]),
        relevant_gain=relevant_gain,
    )


def _turned(before: Sequence[Mapping[str, Any]], contender: str) -> list[str]:
    """One sentence for each earlier gain by which another contender was recommended."""
    return [
        f"{each['contender']} was recommended before, by a relevant gain of {each['relevant_gain']:g}; a gain that is "
        "chosen after the answers were seen is no longer fixed beforehand"
        for each in before
        if each["contender"] != contender
    ]


def _recommendation(found: Decision, contenders: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **asdict(found),
        "kind": contenders[found.contender]["kind"],
        "trial": contenders[found.contender]["trial"],
        "text": _in_words(found),
        "config": RECOMMENDED,
    }


def _in_words(found: Decision) -> str:
    if found.reason == "base_is_missing":
        return "The base config could not be trained, so no gain is known; this trial has the highest mean score."
    if found.reason == "one_case_decides":
        return "A single case decides the score, so no probability is known; this has the highest mean score."
    about = found.candidates[found.contender]
    likely = "over 99%" if about.probability_best > 0.99 else f"{about.probability_best:.0%}"
    chance = f"The probability that it is the best of the {len(found.candidates)} is {likely}."
    if found.reason == "base_is_best":
        return f"The base config is the best trial: no other scored higher in the search. {chance}"
    if found.reason == "smallest_of_equals":
        return (
            "No other is expected to score higher by as much as a tenth of the gain that matters, and none of these "
            f"equals is smaller. {chance}"
        )
    if about.probability_better is None:
        return f"The base config has the highest expected score. {chance}"
    return (
        f"It has the highest expected score, {about.expected_gain:+.4f} over the base config after shrinkage for the "
        f"{found.searched} configs that were searched. {chance}"
    )

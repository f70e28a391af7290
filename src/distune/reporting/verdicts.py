"""What a confirmation says, in the words of the page: its contenders by name, its comparisons with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.config.model import NO_ENCODER
from distune.confirmation.statistics.files import OUT_OF_FOLD
from distune.data.table import Task
from distune.reporting import formats
from distune.training.scoring.scores import NAMES, score_in_words
from distune.utils.text import counted

Numbers = Mapping[str, Any]
ANSWERS = {"better": "Yes", "worse": "No"}
UNDECIDED = "Not shown"
ENOUGH_SEEDS = 5
"""Seeds that are advised where fewer leave an answer open."""
BEST_CONFIG = "best_config.yaml"
QUESTIONS = {
    "tuning_gain": "Tuning: best of the search",
    "trial_gain": "Tuning: another trial",
    "distillation_gain": "Distillation",
    "teacher_gap": "Teacher ahead of student",
    "against_baseline": "Against a baseline",
    "against_trial": "Against another trial",
    "modality_gain": "Reading both inputs",
}
"""What each kind of comparison asks."""
MODELS = {
    "teacher": "teacher",
    "student_alone": "student without a teacher",
    "image_alone": "student of the image alone",
    "text_alone": "student of the text alone",
}
"""What is trained of a config beside its student."""
BASELINES = {
    "majority": "always naming the most frequent class",
    "text_tfidf": "logistic regression on the words of the text",
    "features_image_text": "logistic regression on frozen features of image and text",
    "features_image": "logistic regression on frozen features of the image",
    "features_text": "logistic regression on frozen features of the text",
}
INPUTS = {
    "majority": "no input is",
    "text_tfidf": "the text is",
    "features_image_text": "image and text are",
    "features_image": "the image is",
    "features_text": "the text is",
}
"""What a baseline needs, as the subject of a sentence."""
READ_TEXTS = ("text_tfidf", "features_image_text", "features_text")
"""Baselines that read the text."""


def current(findings: Findings) -> Numbers | None:
    """The numbers of the confirmation; None where there is none, or it is of a former best trial."""
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown) or not confirmation.is_current:
        return None
    return confirmation.numbers


def recommended(numbers: Numbers) -> str:
    """The name of the recommended contender."""
    return str(numbers["recommendation"]["contender"])


def named(numbers: Numbers, contender: str) -> str:
    """A contender in words: `trial 12`, `the base config`, `trial 12's teacher`."""
    about = numbers["contenders"].get(contender) or {}
    kind = about.get("kind")
    if about.get("is_base"):
        return "the base config"
    if contender in BASELINES:
        return BASELINES[contender]
    if kind in MODELS and contender.endswith(f"_{kind}"):
        return f"{named(numbers, contender.removesuffix(f'_{kind}'))}'s {MODELS[kind]}"
    return f"trial {about['trial']}" if about.get("trial") is not None else formats.plain(contender)


def comparison(numbers: Numbers, kind: str) -> Numbers | None:
    """The comparison of a kind; None where it was not made."""
    return next((made for made in numbers["comparisons"] if made["kind"] == kind), None)


def why_missing(numbers: Numbers, kind: str) -> str | None:
    """Why a comparison of a kind was planned and not made; None where it was not planned."""
    missing = (each["reason"] for each in numbers.get("comparisons_missing") or () if each["kind"] == kind)
    return next(missing, None)


def gain_over_base(numbers: Numbers) -> Numbers | None:
    """The recommended config against the base config, or where it is the base, the best trial against it."""
    chosen = recommended(numbers)
    own = (
        made
        for made in numbers["comparisons"]
        if made["first"] == chosen and (numbers["contenders"].get(made["second"]) or {}).get("is_base")
    )
    return next(own, comparison(numbers, "tuning_gain"))


def is_base_ahead(numbers: Numbers) -> bool:
    """Whether no trial scored above the base config in the search, so that there is no tuning gain to measure."""
    return any(about.get("is_base") and about.get("rank") == 1 for about in numbers["contenders"].values())


def answer(made: Numbers, of: str = "") -> str:
    """Yes, No or Not shown, with the difference: `Yes: +0.0702`, of another contender `Yes, for trial 9: +0.0702`."""
    said = ANSWERS.get(made["verdict"], UNDECIDED) + (f", for {of}" if of else "")
    return f"{said}: {formats.gain(made['difference'])}"


def verdict(made: Numbers) -> str:
    """The verdict as a predicate: `significantly better`, `not significantly different`."""
    said = str(made["verdict"])
    return f"significantly {said}" if said in ANSWERS else said


def judged(made: Numbers) -> str:
    """The interval of a comparison by itself, and the verdict, which allows for all that were made."""
    return (
        f"95 % interval per comparison {formats.gain(made['low'])} to {formats.gain(made['high'])}; corrected for "
        f"multiple comparisons: {verdict(made)}"
    )


def too_few(evaluated: Numbers) -> str:
    """Why a score on a split has no interval: its seeds alone leave everything possible, or else its cases do."""
    over_seeds = evaluated.get("over_seeds") or {}
    differ = len(set(evaluated.get("scores") or ())) > 1
    return "too few seeds" if differ and over_seeds.get("low") is None else "too few cases"


def look(numbers: Numbers) -> str:
    """Which look at the test split these numbers are of, such as `second look at test`; empty for the first or none."""
    opening = numbers["opening"]
    return (
        ""
        if opening is None or opening["number"] == 1
        else f"{formats.ordinal(opening['number'])} look at test"
    )


def trained(numbers: Numbers) -> list[tuple[str, Numbers]]:
    """The contenders that are models, by name: all but the baselines."""
    return [(name, about) for name, about in numbers["contenders"].items() if about["kind"] != "baseline"]


def tried(numbers: Numbers) -> list[str]:
    """The trials of the search that were trained again, without the base config."""
    return [name for name, about in numbers["contenders"].items() if about["kind"] == "trial"]


def picked_from(numbers: Numbers) -> str:
    """Among how many a trial was picked by these scores, of how many the search had: `3 of 15 complete trials`."""
    return f"{len(tried(numbers))} of {counted(numbers['recommendation']['searched'], 'complete trial')}"


def score_of_first_seed(numbers: Numbers) -> float | None:
    """What the recommended config's model of the first seed scores, which predict loads and export writes.

    None where the scores are of models that each lacked one fold, or were not kept.
    """
    split = numbers["split"]
    evaluated = numbers["contenders"][recommended(numbers)]["splits"].get(split) or {}
    return None if split == OUT_OF_FOLD else next(iter(evaluated.get("scores") or ()), None)


def seeds(numbers: Numbers) -> str:
    """How many trainings a score is the mean of."""
    count = len(numbers["seeds"])
    return counted(count, "seed") if count != 1 else "one seed"


def config_to_use(findings: Findings) -> Path | None:
    """The file of the recommended config, before a confirmation of the best one; None where it does not exist."""
    folder, numbers = findings.study.folder, current(findings)
    if folder is None:
        return None
    path = folder / (BEST_CONFIG if numbers is None else Path(str(numbers["recommendation"]["config"])).name)
    return path if path.is_file() else None


def has_significant_gain(numbers: Numbers) -> bool:
    """Whether any trial of the search is significantly better than the base config."""
    return any(
        made["kind"] in ("tuning_gain", "trial_gain") and made["verdict"] == "better"
        for made in numbers["comparisons"]
    )


def first_answers(numbers: Numbers) -> list[Numbers]:
    """Tuning and distillation, which the first screen answers."""
    found = (gain_over_base(numbers), comparison(numbers, "distillation_gain"))
    return [each for each in found if each is not None]


def further_answers(numbers: Numbers) -> list[Numbers]:
    """The best of the search, the teacher, the strongest baseline; all other comparisons are in the appendix."""
    found = (
        comparison(numbers, "tuning_gain"),
        comparison(numbers, "teacher_gap"),
        against_strongest_baseline(numbers),
    )
    return [each for each in found if each is not None and each != gain_over_base(numbers)]


def question(numbers: Numbers, made: Numbers) -> str:
    """What a comparison asks: `Tuning: recommended trial`, `Strongest baseline`."""
    if made["kind"] in ("tuning_gain", "trial_gain") and made["first"] == recommended(numbers):
        return "Tuning: recommended trial"
    if made == against_strongest_baseline(numbers):
        return "Strongest baseline"
    return QUESTIONS.get(made["kind"], formats.plain(made["kind"]))


def against_strongest_baseline(numbers: Numbers) -> Numbers | None:
    """The comparison with the baseline that comes closest, or lies furthest ahead."""
    against = [each for each in numbers["comparisons"] if each["kind"] == "against_baseline"]
    return min(against, key=lambda each: float(each["difference"]), default=None)


def strongest_without_text(numbers: Numbers) -> float | None:
    """The best score of the baselines that do not read the text; None without one."""
    means = [
        float(evaluated["score"]["mean"])
        for name, about in numbers["contenders"].items()
        if about["kind"] == "baseline" and name not in READ_TEXTS
        for evaluated in [about["splits"].get(numbers["split"])]
        if evaluated is not None
    ]
    return max(means, default=None)


def named_in_texts(findings: Findings) -> tuple[str, float] | None:
    """The task whose classes most texts name, with their share, where the audit warns of it."""
    if isinstance(findings.audit, Unknown):
        return None
    shares = []
    for found in findings.audit["findings"]:
        if found.get("kind") == "texts_name_the_label" and found["severity"] != "info":
            counts = [(row.get("texts that name it"), row.get("examples")) for row in found["rows"]]
            counts = [each for each in counts if all(isinstance(count, int) for count in each)]
            named, examples = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
            if examples:
                shares.append((formats.plain(found["title"]).partition(":")[0], named / examples))
    return max(shares, key=lambda each: each[1], default=None)


def leaked(findings: Findings, baseline: str) -> tuple[str, float] | None:
    """The same for a baseline that reads the text beside a student that does not: it is no fair rival."""
    return named_in_texts(findings) if baseline in READ_TEXTS and reads_no_text(findings) else None


def reads_no_text(findings: Findings) -> bool:
    """Whether the student has no encoder of texts."""
    return "text" not in encoders((findings.study.base_config or {}).get("student"))


def encoders(model: Any) -> dict[str, str]:
    """The names of the encoders of a recorded teacher or student, by what they read: vision, text."""
    held = model if isinstance(model, Mapping) else {}
    parts = ((part, held.get(part)) for part in ("vision", "text"))
    named = ((part, found.get("name") if isinstance(found, Mapping) else found) for part, found in parts)
    return {part: str(name) for part, name in named if name and name != NO_ENCODER}


def counted_as(numbers: Numbers) -> str:
    """What a score is: `mean over tasks of the macro F1`; empty in a confirmation that does not say."""
    held = numbers.get("scored_by")
    return score_in_words([Task(name, (), **about) for name, about in held.items()]) if held else ""


def own_score(values: Numbers) -> str:
    """What a task counts with, by its name, over seeds."""
    return (
        metric(values, "score")
        if values.get("score")
        else f"{NAMES['macro_f1']} {metric(values, 'macro_f1')}"
    )


def metric(values: Numbers, name: str) -> str:
    """One metric of a task over seeds; `score` is what the task counts with, where that is not the macro F1."""
    found = values.get(name)
    if name != "score":
        return formats.over_seeds(found)
    return f"{NAMES[found['name']]} {formats.over_seeds(found)}" if found else NAMES["macro_f1"]

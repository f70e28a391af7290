"""What tuning and distillation brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

from distune.analysis.baseline import Baseline
from distune.analysis.dev_noise import DevNoise
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.confirmation.statistics.inference.power import WANTED
from distune.reporting import formats, verdicts
from distune.reporting.document import (
    Block,
    Cell,
    Figure,
    Section,
    Strong,
    TableBlock,
    missing,
    paragraph,
)
from distune.reporting.sections import tasks
from distune.utils.text import counted

TITLE = "Performance improvement"


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """The recommended model and what it is compared with, the verdicts, and its tasks."""
    baseline, numbers = findings.baseline, verdicts.current(findings)
    if isinstance(baseline, Unknown):
        return Section(TITLE, (paragraph(baseline.reason),))
    if numbers is None:
        return Section(
            TITLE,
            (*_searched(findings, baseline), *_chance(findings)),
            tuple(tasks.parts(findings, figures)),
        )
    return Section(
        TITLE,
        (*_beside(numbers), *_optimism(findings, baseline, numbers), *_chance(findings)),
        (_gains(numbers, figures), *tasks.parts(findings, figures)),
    )


def _searched(findings: Findings, baseline: Baseline) -> Iterator[Block]:
    """The base config's score in the search beside the best trial's."""
    if isinstance(baseline.gain, Unknown):
        yield paragraph(baseline.gain.reason)
    elif baseline.is_base_best:
        yield paragraph("The base config has the best score of the search: no trial improved on it.")
    elif not isinstance(baseline.base, Unknown):
        best = f"Trial {baseline.best.number}"
        row = (
            formats.score(baseline.base.value),
            formats.score(baseline.best.value),
            formats.gain(baseline.gain),
        )
        header = (f"Score{findings.study.on_what}", "Base config", best, "Difference, before rounding")
        yield TableBlock(header, (("one seed each, not confirmed", *row),), frozenset({1, 2, 3}))


def _beside(numbers: verdicts.Numbers) -> Iterator[Block]:
    """The base config, the best of the search, the student alone and the teacher, over seeds and in the search."""
    chosen, split = verdicts.recommended(numbers), numbers["split"]
    best = verdicts.comparison(numbers, "tuning_gain")
    rows: list[tuple[Cell, ...]] = [
        (
            verdicts.named(numbers, name).capitalize()
            + (", the config to use" if name == chosen else ", the best of the search" if is_best else ""),
            formats.over_seeds((about["splits"].get(split) or {}).get("score")),
            formats.score(about["search_score"]),
        )
        for name, about in sorted(
            numbers["contenders"].items(), key=lambda held: (not held[1]["is_base"], held[0] != chosen)
        )
        for is_best in [best is not None and best["first"] == name]
        if is_best or name == chosen or about["is_base"] or about["kind"] in ("student_alone", "teacher")
    ]
    header = ("Model", f"Score on {split}, mean of {verdicts.seeds(numbers)}", "Score in the search")
    yield TableBlock(header, tuple(rows), numeric=frozenset({1, 2}))


def _optimism(findings: Findings, baseline: Baseline, numbers: verdicts.Numbers) -> Iterator[Block]:
    """How much of the best score of the search was luck."""
    optimism = numbers["optimism"] or {}
    loss, searched = optimism.get("loss"), optimism.get("search_score")
    if loss is None or searched is None:
        return
    on = loss["on"] if findings.study.folds is None else "new folds"
    whose = "the base config" if baseline.is_base_best else f"trial {baseline.best.number}"
    difference = formats.over_seeds(loss, formats.gain)
    if loss["low"] is not None and loss["low"] > 0:
        yield paragraph(
            f"The search was too optimistic about {whose}: its score in the search minus the mean of new trainings on "
            f"{on} is {difference}.{_from_dev_to_test(numbers)}"
        )
        return
    again = searched - loss["mean"]
    lower = "no lower" if loss["mean"] <= 0 else "not significantly lower"
    yield paragraph(
        f"Trained again, {whose} scored {formats.score(again)} on {on}, {lower} than in the search (search − new: "
        f"{difference}).{_from_dev_to_test(numbers)}"
    )


def _from_dev_to_test(numbers: verdicts.Numbers) -> str:
    """How much lower all models score where nothing was picked; empty where one does not."""
    if numbers["optimistic"]:
        return ""
    trained = [about["splits"] for _, about in verdicts.trained(numbers)]
    lost = [
        splits["dev"]["score"]["mean"] - splits[numbers["split"]]["score"]["mean"]
        for splits in trained
        if splits.get("dev") is not None and splits.get(numbers["split"]) is not None
    ]
    if not lost or min(lost) <= 0:
        return ""
    return (
        " The confirmation picks epochs on dev; there (scores in the appendix), the trained models score "
        f"{formats.spread(min(lost), max(lost))} higher than on {numbers['split']}: expect scores like those on "
        f"{numbers['split']}."
    )


def _chance(findings: Findings) -> Iterator[Block]:
    """Which trials the size of the dev split allows to distinguish."""
    noise = findings.noise
    if isinstance(noise, Unknown):
        # Of folds it is never known, and a confirmation answers the question better.
        if findings.study.folds is None or verdicts.current(findings) is None:
            yield missing("How far the score of the search can move by chance: ", noise.reason)
    elif noise.compared:
        yield paragraph(distinguished(noise))


def distinguished(noise: DevNoise) -> str:
    """Which of the next best trials the size of the dev split allows to distinguish from the best."""
    cases = f" of {counted(noise.groups, 'case')}" if noise.groups is not None else ""
    examples = f"On {counted(noise.examples, 'dev example')}{cases} alone, trial {noise.trial}"
    if not noise.equal:
        every = "all of " * (noise.compared > 1)
        return f"{examples} is significantly better than {every}{_next_best(noise.compared)}."
    equal = f"{noise.equal} of " * (noise.compared > 1)
    return f"{examples} is not significantly better than {equal}{_next_best(noise.compared)}."


def _next_best(count: int) -> str:
    return "the next best trial" if count == 1 else f"the {count} next best trials"


def _gains(numbers: verdicts.Numbers, figures: Mapping[str, Figure]) -> Section:
    """The verdicts on tuning, distillation, teacher and strongest baseline; all comparisons are in the appendix."""
    first, made = verdicts.first_answers(numbers), verdicts.further_answers(numbers)
    if not first and not made:
        return Section("Confirmed gains", (missing("The confirmation compared nothing."),))
    rows: list[tuple[Cell, ...]] = [
        (
            f"{verdicts.named(numbers, each['first'])} − {verdicts.named(numbers, each['second'])}",
            formats.gain(each["difference"]),
            formats.interval(each["low"], each["high"]),
            Strong(verdicts.verdict(each)),
        )
        for each in (*first, *made)
    ]
    header = ("Compared", "Difference", "95 % interval", "Verdict")
    blocks: list[Block] = [
        *([figures["gains"]] if "gains" in figures else []),
        *([TableBlock(header, tuple(rows), frozenset({1, 2}))] if rows else []),
        paragraph(
            "Each interval is for its comparison alone; the verdicts are corrected for multiple comparisons. "
            f"{_power(numbers, (first or made)[0])}" + _excluded(numbers, first)
        ),
    ]
    return Section("Confirmed gains", tuple(blocks))


def _excluded(numbers: verdicts.Numbers, made: Sequence[Mapping[str, Any]]) -> str:
    """Whether answers that are open at least exclude the gain that matters."""
    gain = numbers["relevant_gain"]
    found: dict[str, list[str]] = {"excluded": [], "not excluded": []}
    for each in made:
        if each["verdict"] not in verdicts.ANSWERS:
            what = "distillation" if each["kind"] == "distillation_gain" else "tuning"
            found["excluded" if each["high"] < gain else "not excluded"].append(f"for {what}")
    said = [f"{state} {' and '.join(questions)}" for state, questions in found.items() if questions]
    return f" By the 95 % intervals, such a gain is {', '.join(said)}." if said else ""


def _power(numbers: verdicts.Numbers, made: Mapping[str, Any]) -> str:
    cases = f"{numbers['examples'][numbers['split']]['cases']} cases"
    which = f"{verdicts.named(numbers, made['first'])} and {verdicts.named(numbers, made['second'])}"
    return (
        f"Between {which}, a true difference of {formats.gain(numbers['relevant_gain'])}, the smallest set as "
        f"relevant, would be detected with probability {formats.chance(made['power'])} on {cases}{_detectable(made)}."
    )


def _detectable(made: Mapping[str, Any]) -> str:
    """The gain that would have been called better in four of five confirmations with errors like this one's."""
    if made.get("standard_error") is None or made["power"] >= WANTED:
        return ""
    # Half of the interval's width; one end of it may be cut off, where no difference is larger.
    half = max(made["family_high"] - made["difference"], made["difference"] - made["family_low"])
    gain = half + NormalDist().inv_cdf(WANTED) * made["standard_error"]
    if gain >= 1:
        return ", and none, however large, reliably"
    return f"; for {formats.share(WANTED)} it has to be about {formats.gain(gain)}"

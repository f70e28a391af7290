"""What tuning and distillation brought, and how the recommended model does on each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distune.analysis.baseline import Baseline
from distune.analysis.dev_noise import DevNoise
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import (
    Block,
    Cell,
    Figure,
    Section,
    Strong,
    Table,
    missing,
    paragraph,
)

TITLE = "Performance improvement"


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """The base config beside the best, the gains with their verdicts, and the recommended model task by task."""
    baseline = findings.baseline
    if isinstance(baseline, Unknown):
        return Section(TITLE, (missing(baseline.reason),))
    numbers = verdicts.current(findings)
    blocks = [*_table(findings, baseline, numbers), *_chance(findings)]
    parts = []
    if numbers is not None:
        parts.append(_gains(numbers, figures))
    parts += _model(findings, numbers, figures)
    return Section(TITLE, tuple(blocks), tuple(parts))


def _table(findings: Findings, baseline: Baseline, numbers: verdicts.Numbers | None) -> Iterator[Block]:
    """Base, best and recommended config: in the search, and over seeds where they were trained again."""
    named = [
        ("Base config", baseline.base),
        (f"Trial {baseline.best.number}, the best of the search", baseline.best),
    ]
    if baseline.is_base_best:
        named = [("Base config, the best of the search", baseline.best)]
    chosen = None if numbers is None else numbers["contenders"][verdicts.recommended(numbers)].get("trial")
    other = next((trial for trial in findings.ranking.trials if trial.number == chosen), None)
    if other is not None and other.number not in (baseline.best.number, 0):
        named.append((f"Trial {other.number}, recommended", other))
    by_trial = (
        {}
        if numbers is None
        else {
            about["trial"]: about["splits"].get(numbers["split"])
            for about in numbers["contenders"].values()
            if about["kind"] in ("trial", "base")
        }
    )
    rows: list[tuple[Cell, ...]] = []
    for what, trial in named:
        if isinstance(trial, Unknown):
            continue
        judged = by_trial.get(trial.number)
        again = formats.DASH if judged is None else formats.over_seeds(judged["score"])
        rows.append((what, *((again,) if numbers is not None else ()), formats.score(trial.value)))
    on = f"Score on {numbers['split']}, mean of {verdicts.seeds(numbers)}" if numbers is not None else ""
    header = ("Configuration", *((on,) if on else ()), f"Score{findings.study.on_what}, in the search")
    if numbers is None and len(rows) > 1 and not isinstance(baseline.gain, Unknown):
        header = (*header, "Improvement")
        rows = [(*rows[0], formats.DASH), (*rows[1], formats.gain(baseline.gain))]
    yield Table(header, tuple(rows), numeric=frozenset(range(1, len(header))))
    if isinstance(baseline.gain, Unknown):
        yield missing(baseline.gain.reason)
    if numbers is not None and (loss := (numbers["optimism"] or {}).get("loss")) is not None:
        on = f"the same {loss['on']}" if findings.study.folds is None else "new folds"
        shown = loss["low"] is not None and loss["low"] > 0
        said = "The search was too optimistic about" if shown else "No optimism of the search is shown for"
        whose = "the base config" if baseline.is_base_best else f"trial {baseline.best.number}"
        yield paragraph(
            f"{said} {whose}: its score in the search minus the mean of new trainings on "
            f"{on} is {formats.over_seeds(loss, formats.gain)}."
        )


def _chance(findings: Findings) -> Iterator[Block]:
    """Which trials the size of the dev split allows to distinguish."""
    noise = findings.noise
    if findings.study.is_table:
        yield missing("A table of trials does not hold how far its scores can move by chance.")
    elif isinstance(noise, Unknown):
        yield missing("How far the score of the search can move by chance: ", noise.reason)
    elif noise.compared:
        yield paragraph(distinguished(noise))


def distinguished(noise: DevNoise) -> str:
    """Which of the next best trials the size of the dev split allows to distinguish from the best."""
    cases = f" of {noise.groups} cases" if noise.groups is not None else ""
    examples = f"The {noise.examples} dev examples{cases} alone"
    if not noise.equal:
        return (
            f"{examples} distinguish trial {noise.trial} from all of the {noise.compared} next best trials."
        )
    return (
        f"{examples} cannot distinguish trial {noise.trial} from {noise.equal} of the {noise.compared} next "
        "best trials."
    )


def _gains(numbers: verdicts.Numbers, figures: Mapping[str, Figure]) -> Section:
    """The questions that a confirmation is made for; all of its comparisons are in the appendix."""
    made = verdicts.main_comparisons(numbers)
    if not made:
        return Section("Confirmed gains", (missing("The confirmation compared nothing."),))
    rows: list[tuple[Cell, ...]] = [
        (
            verdicts.QUESTIONS[each["kind"]],
            f"{verdicts.named(numbers, each['first'])} − {verdicts.named(numbers, each['second'])}",
            formats.gain(each["difference"]),
            formats.interval(each["low"], each["high"]),
            Strong(verdicts.verdict(each)),
        )
        for each in made
    ]
    blocks: list[Block] = [
        Table(
            ("Question", "Compared", "Difference", "95 % interval", "Verdict"), tuple(rows), frozenset({2, 3})
        ),
        *([figures["gains"]] if "gains" in figures else []),
        paragraph(
            "Verdicts are corrected for the number of comparisons, so an interval that just excludes 0 can be not "
            f"significantly different. {_power(numbers, made[0])}"
        ),
    ]
    return Section("Confirmed gains", tuple(blocks))


def _power(numbers: verdicts.Numbers, made: Mapping[str, Any]) -> str:
    return (
        f"A true gain of {formats.gain(numbers['relevant_gain'])}, the smallest that was set as relevant, would have "
        f"been detected with probability {formats.chance(made['power'])} on "
        f"{numbers['examples'][numbers['split']]['cases']} cases."
    )


def _model(
    findings: Findings, numbers: verdicts.Numbers | None, figures: Mapping[str, Figure]
) -> list[Section]:
    """Each task of the recommended model: scores over seeds, and its confusions."""
    blocks: list[Block] = []
    if numbers is not None:
        judged = numbers["contenders"][verdicts.recommended(numbers)]["splits"].get(numbers["split"])
        if judged is not None:
            blocks.append(_tasks(judged["tasks"]))
    if "confusion" in figures:
        blocks.append(figures["confusion"])
    elif isinstance(findings.judged_run.run, Unknown) and not findings.study.is_table:
        blocks.append(missing(findings.judged_run.run.reason))
    return (
        [Section(f"{findings.judged_run.name.capitalize()} on {findings.judged_run.on}", tuple(blocks))]
        if blocks
        else []
    )


def _tasks(tasks: Mapping[str, Any]) -> Table:
    keys = ["macro_f1", "accuracy", "auc", "calibration_error_scaled"]
    header = ["Task", "Macro F1", "Accuracy", "AUC", "Calibration error after scaling"]
    if any("score" in values for values in tasks.values()):
        keys.append("score")
        header.append("What the task counts with")
    rows: list[tuple[Cell, ...]] = [
        (formats.plain(task), *(verdicts.metric(values, key) for key in keys))
        for task, values in tasks.items()
    ]
    return Table(tuple(header), tuple(rows), frozenset(range(1, len(header))))

"""The first screen: which config to use, how good it is, how sure that is, what helped, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from distune.analysis.baseline import Baseline
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.data.audit.findings import counted
from distune.reporting import commands, formats, verdicts
from distune.reporting.document import Block, Commands, Headline, Strong, caution
from distune.reporting.model_size import size_of
from distune.reporting.paths import quoted
from distune.training.teacher_check import WHAT_TO_CHANGE

CONFIG, TUNING, DISTILLATION = "Config to use", "Did tuning help?", "Did distillation help?"


def headlines(findings: Findings) -> tuple[Headline, ...]:
    """One answer a question; what was not measured says so."""
    numbers = verdicts.current(findings)
    if numbers is not None:
        return tuple(_confirmed(findings, numbers))
    return tuple(_searched(findings))


def lead(findings: Findings) -> tuple[Block, ...]:
    """What has to be known before any number is used, and the next command."""
    return (*_cautions(findings), *_next(findings))


def _confirmed(findings: Findings, numbers: verdicts.Numbers) -> Iterator[Headline]:
    split, chosen = numbers["split"], verdicts.recommended(numbers)
    about = (numbers["recommendation"].get("candidates") or {}).get(chosen) or {}
    chance = about.get("probability_best")
    yield Headline(
        CONFIG,
        verdicts.named(numbers, chosen),
        "" if chance is None else f"with probability {formats.share(chance)} the best of the candidates",
    )
    judged = numbers["contenders"][chosen]["splits"].get(split)
    if judged is not None:
        score = judged["score"]
        flatters = ", which the search has seen" if numbers["optimistic"] else ""
        yield Headline(
            f"Score on {split}{flatters}",
            formats.score(score["mean"]),
            "no interval: too few cases"
            if score["low"] is None
            else f"mean of {verdicts.seeds(numbers)}; 95 % interval over cases and seeds {formats.score(score['low'])} "
            f"to {formats.score(score['high'])}",
        )
        if (forecast := judged.get("forecast")) is not None:
            yield Headline(
                f"Forecast for {forecast['cases']} new cases",
                f"{formats.score(forecast['low'])} to {formats.score(forecast['high'])}",
                "in 95 % of such sets" + ("; flatters" if numbers["optimistic"] else ""),
            )
    yield _tuning(numbers)
    yield _distillation(numbers)
    yield from _size(findings, verdicts.recommended_config(findings, findings.confirmation))  # type: ignore[arg-type]


def _tuning(numbers: verdicts.Numbers) -> Headline:
    made = verdicts.gain_over_base(numbers)
    if made is None:
        return Headline(TUNING, "Not known", "the base config was not compared")
    compared = f"{verdicts.named(numbers, made['first'])} over the base config"
    return Headline(
        TUNING, verdicts.answer(made), f"{compared}; {verdicts.between(made)}: {verdicts.verdict(made)}"
    )


def _distillation(numbers: verdicts.Numbers) -> Headline:
    made = verdicts.comparison(numbers, "distillation_gain")
    if made is None:
        return Headline(DISTILLATION, "Not measured", "no student was trained without a teacher")
    compared = f"{verdicts.named(numbers, made['first'])} over the same student without a teacher"
    return Headline(
        DISTILLATION, verdicts.answer(made), f"{compared}; {verdicts.between(made)}: {verdicts.verdict(made)}"
    )


def _searched(findings: Findings) -> Iterator[Headline]:
    best, ranking = findings.ranking.best, findings.ranking
    if best is None:
        yield Headline(CONFIG, "None yet", "no trial is complete")
        return
    yield Headline(CONFIG, f"trial {best.number}", "the best of the search so far; not confirmed")
    yield Headline(
        f"Score{findings.study.on_what}",
        formats.score(best.value),
        f"{_interval(findings)}; it flatters, as the trial was picked by it",
    )
    baseline = findings.baseline
    if isinstance(baseline, Baseline):
        yield _searched_gain(baseline)
    yield Headline(
        DISTILLATION,
        "Not measured",
        "a table of trials does not say" if findings.study.is_table else "distune confirm measures it",
    )
    yield from _size(findings, None)
    if len(ranking.trials) == 1:
        yield Headline("Complete trials", "1", "too few to choose from")


def _interval(findings: Findings) -> str:
    noise = findings.noise
    if isinstance(noise, Unknown):
        return "its interval is not known"
    return f"95 % interval over cases {formats.score(noise.low)} to {formats.score(noise.high)}"


def _searched_gain(baseline: Baseline) -> Headline:
    if baseline.is_base_best:
        return Headline(TUNING, "No", "the base config is the best trial")
    if isinstance(baseline.gain, Unknown):
        return Headline(TUNING, "Not known", "the base config has no score in this study")
    return Headline(
        TUNING, "Not confirmed", f"{formats.gain(baseline.gain)} over the base config in the search, one seed"
    )


def _size(findings: Findings, config: Path | None) -> Iterator[Headline]:
    found = size_of(findings, config)
    if found is not None:
        milliseconds = found.milliseconds
        yield Headline(
            "Student's size",
            f"{found.parameters:,} parameters",
            ""
            if milliseconds is None
            else f"its encoders take about {formats.milliseconds(milliseconds)} an example on one server CPU thread",
        )


def _cautions(findings: Findings) -> Iterator[Block]:
    yield from _teacher(findings)
    audit = findings.audit
    if not isinstance(audit, Unknown):
        severe = [found for found in audit["findings"] if found["severity"] == "severe"]
        if severe:
            titles = "; ".join(formats.plain(found["title"]) for found in severe)
            yield caution(
                Strong("The scores mislead."),
                f" The audit found {counted(['severe'] * len(severe))}: {titles}.",
            )
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown):
        folder = findings.study.folder
        if folder is not None and (folder / "confirmation.json").exists():
            yield caution(confirmation.reason)
        return
    if not confirmation.is_current:
        yield caution(
            Strong("The confirmation is out of date."),
            " It was made of another best trial than the study has now; the numbers here are those of the search.",
        )
    elif not confirmation.numbers.get("complete", True):
        yield caution("Some runs of the confirmation failed; the same command resumes them.")


def _teacher(findings: Findings) -> Iterator[Block]:
    """That the teacher has nothing to teach."""
    judged = findings.teacher
    if judged is None or not (judged.is_below_its_student or judged.is_below_regression):
        return
    below = [f"its student ({formats.score(judged.student)})"] if judged.is_below_its_student else []
    if judged.is_below_regression:
        below.append(f"logistic regression on frozen features ({formats.score(judged.regression)})")
    yield caution(
        Strong("The teacher has little to teach."),
        f" It scores {formats.score(judged.score)} on {judged.on}, below {' and '.join(below)}: {WHAT_TO_CHANGE}.",
    )


def _next(findings: Findings) -> Iterator[Block]:
    study = findings.study
    if verdicts.current(findings) is not None:
        yield Commands(
            "# next: the recommended student as files for the device that will run it\n"
            f"distune export {commands.named(study)} --out bundle"
        )
    elif study.is_table:
        yield Commands(
            "# next: a study of your own data, whose gain can be confirmed\ndistune init metadata.csv --out mydata"
        )
    elif findings.ranking.best is None:
        yield Commands(f"# next: why no trial is complete\ndistune status {quoted(study.name or 'STUDY')}")
    else:
        yield Commands(
            "# next: train the best trials again over several seeds, and judge them once on the test split\n"
            + commands.confirm(study)
        )

"""The answers of the first screen: which config to use, how good it is, how sure that is, and what helped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from distune.analysis.baseline import Baseline
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Headline
from distune.reporting.model_size import size_of
from distune.utils.text import counted

OF_TEXTS = "same_captions_across_splits"
CONFIG, TUNING, DISTILLATION = "Config to use", "Did tuning help?", "Did distillation help?"


def headlines(findings: Findings) -> tuple[Headline, ...]:
    """One answer a question; what was not measured says so."""
    numbers = verdicts.current(findings)
    if numbers is not None:
        return tuple(_confirmed(findings, numbers))
    return tuple(_searched(findings))


def _confirmed(findings: Findings, numbers: verdicts.Numbers) -> Iterator[Headline]:
    split, chosen = numbers["split"], verdicts.recommended(numbers)
    yield Headline(CONFIG, verdicts.named(numbers, chosen), _file_and(findings, _how_sure(numbers)))
    evaluated = numbers["contenders"][chosen]["splits"].get(split)
    if evaluated is not None:
        score, counted_as = evaluated["score"], verdicts.counted_as(numbers)
        look = f"; {verdicts.look(numbers)}" if verdicts.look(numbers) else ""
        flatters = ", which the search has seen" if numbers["optimistic"] else f" (held-out cases{look})"
        yield Headline(
            f"Score on {split}{flatters}",
            formats.score(score["mean"]),
            f"{f'{counted_as}; ' if counted_as else ''}mean of {verdicts.seeds(numbers)}; "
            + (
                f"no interval: {verdicts.too_few(evaluated)}"
                if score["low"] is None
                else f"95 % interval {formats.score(score['low'])} to {formats.score(score['high'])}, over cases and "
                f"seeds{_of_few(numbers)}"
            )
            + _loaded(numbers)
            + _shared_with_other_splits(findings),
        )
        if (forecast := evaluated.get("forecast")) is not None:
            of_one = ", by this one training; others were not tried" * (forecast["seeds"] == 1)
            seen = "; too optimistic, as the search has used these cases" if numbers["optimistic"] else ""
            yield Headline(
                f"Expected on {forecast['cases']} new cases of the same kind",
                f"{formats.score(forecast['low'])} to {formats.score(forecast['high'])}",
                f"with 95 % probability{of_one}{seen}{_of_few(numbers)}",
            )
    yield _tuning(numbers)
    yield _distillation(numbers)
    yield from _baseline(findings, numbers)
    yield from _failed(findings)
    yield from _size(findings, verdicts.config_to_use(findings))


def _of_few(numbers: verdicts.Numbers) -> str:
    """That an interval over two seeds is itself uncertain; from three on, simulations find it calibrated."""
    return "; two seeds make it uncertain" if len(numbers["seeds"]) == 2 else ""


def _loaded(numbers: verdicts.Numbers) -> str:
    """What the one model scores that is handed over, beside the mean over seeds."""
    score = verdicts.score_of_first_seed(numbers)
    if score is None or len(numbers["seeds"]) == 1:
        return ""
    return f"; the exported model, of the first seed: {formats.score(score)}"


def _shared_with_other_splits(findings: Findings) -> str:
    """How many of the held-out examples the audit found in another split too."""
    if isinstance(findings.audit, Unknown):
        return ""
    return "".join(
        f"; not all held out: {formats.plain(found['title'])}, {formats.plain(found['detail']).partition(' (')[0]}"
        for found in findings.audit["findings"]
        if str(found.get("kind")).endswith("across_splits")
        and found["severity"] == "warning"
        and not (found["kind"] == OF_TEXTS and verdicts.reads_no_text(findings))
    )


def _failed(findings: Findings) -> Iterator[Headline]:
    if findings.recommendations.many_failures:
        failed, trials = findings.ranking.counts["failed"], len(findings.study.trials)
        yield Headline(
            "Failed trials", f"{failed} of {trials}", "causes and remedies come first under Recommendations"
        )


def _file_and(findings: Findings, reason: str) -> str:
    config = verdicts.config_to_use(findings)
    return "; ".join(part for part in (config.name if config else "", reason) if part)


def _how_sure(numbers: verdicts.Numbers) -> str:
    """Why this config: no probability beside a gain over the base that is not shown."""
    found, made = numbers["recommendation"], verdicts.gain_over_base(numbers)
    if found["reason"] == "base_is_best":
        return f"none of {found['searched']} complete trials scored higher in the search"
    if found["reason"] == "one_case_decides":
        return "the highest mean score, which a single case decides"
    candidates = found.get("candidates") or {}
    chance = (candidates.get(found["contender"]) or {}).get("probability_best")
    is_own = made is not None and made["first"] == found["contender"]
    if is_own and made is not None and made["verdict"] not in verdicts.ANSWERS:
        of_equals = "the smallest of those whose expected scores are about equal"
        why = of_equals if found["reason"] == "smallest_of_equals" else "the highest expected score"
        return f"{why}; not shown to beat the base config"
    return (
        ""
        if chance is None
        else f"with probability {formats.chance(chance)} the best of {_compared(numbers, candidates)}"
    )


def _compared(numbers: verdicts.Numbers, candidates: Iterable[str]) -> str:
    """The candidates by kind: `3 trials, the base config and a student without a teacher`."""
    trials = len(set(verdicts.tried(numbers)).intersection(candidates))
    others = [numbers["contenders"].get(name) or {} for name in candidates]
    said = [
        *([counted(trials, "trial")] if trials else []),
        *("the base config" for about in others if about.get("is_base")),
        *("a student without a teacher" for about in others if about.get("kind") == "student_alone"),
    ]
    return " and ".join(part for part in (", ".join(said[:-1]), said[-1]) if part)


def _tuning(numbers: verdicts.Numbers) -> Headline:
    made = verdicts.gain_over_base(numbers)
    if made is None and verdicts.is_base_ahead(numbers):
        searched = numbers["recommendation"]["searched"]
        return Headline(
            TUNING,
            "No gain found",
            f"none of the {searched} complete trials scored above the base config in the search",
        )
    if made is None:
        why = verdicts.why_missing(numbers, "tuning_gain")
        return Headline(TUNING, "Not known", why or "the base config was not compared")
    compared = f"{verdicts.named(numbers, made['first'])} over the base config"
    return Headline(
        TUNING,
        verdicts.answer(made),
        f"{compared}; {verdicts.judged(made)}{_of_few(numbers)}{_shrunk(numbers, made)}",
    )


def _shrunk(numbers: verdicts.Numbers, made: verdicts.Numbers) -> str:
    """What is left of the gain without the luck of the trial that these very scores picked."""
    held = (numbers["recommendation"].get("candidates") or {}).get(made["first"])
    if held is None or len(verdicts.tried(numbers)) < 2 or made["first"] != verdicts.recommended(numbers):
        return ""
    return (
        f"; picked by these scores from {verdicts.picked_from(numbers)}, so expect "
        f"{formats.gain(held['expected_gain'])}"
    )


def _distillation(numbers: verdicts.Numbers) -> Headline:
    made = verdicts.comparison(numbers, "distillation_gain")
    if made is None:
        why = verdicts.why_missing(numbers, "distillation_gain")
        return Headline(DISTILLATION, "Not measured", why or "no student was trained without a teacher")
    measured, chosen = verdicts.named(numbers, made["first"]), verdicts.recommended(numbers)
    is_other = made["first"] != chosen
    unmeasured = f"; not measured for {verdicts.named(numbers, chosen)}" if is_other else ""
    return Headline(
        DISTILLATION,
        verdicts.answer(made, measured if is_other else ""),
        f"{measured} over the same student without a teacher; {verdicts.judged(made)}{_of_few(numbers)}{unmeasured}",
    )


def _baseline(findings: Findings, numbers: verdicts.Numbers) -> Iterator[Headline]:
    """How far a simple model gets, where the strongest baseline was compared and is not beaten."""
    made = verdicts.against_strongest_baseline(numbers)
    if made is None or made["verdict"] == "better":
        return
    evaluated = ((numbers["contenders"].get(made["second"]) or {}).get("splits") or {}).get(numbers["split"])
    if evaluated is not None:
        ahead = (
            "significantly better than" if made["verdict"] == "worse" else "not significantly different from"
        )
        is_other = made["first"] != verdicts.recommended(numbers)
        alone = ", the one that baselines are compared with" if is_other else ""
        leaked, without = verdicts.leaked(findings, made["second"]), verdicts.strongest_without_text(numbers)
        unfair = ""
        if leaked is not None:
            unfair = f"; this student does not read the texts, {formats.share(leaked[1])} of which name the {leaked[0]}"
            unfair += "" if without is None else f"; best without them: {formats.score(without)}"
        yield Headline(
            "Strongest simple baseline",
            formats.score(evaluated["score"]["mean"]),
            f"{verdicts.named(numbers, made['second'])}; {ahead} {verdicts.named(numbers, made['first'])}{alone}"
            f"{unfair}",
        )


def _searched(findings: Findings) -> Iterator[Headline]:
    best, ranking = findings.ranking.best, findings.ranking
    if best is None:
        yield Headline(CONFIG, "None yet", "no trial is complete")
        return
    baseline = findings.baseline
    is_base = isinstance(baseline, Baseline) and baseline.is_base_best
    yield Headline(
        CONFIG,
        "the base config" if is_base else f"trial {best.number}",
        _file_and(
            findings,
            f"the best of the {findings.study.called}; not confirmed; its values are under Best hyperparameters, no "
            "config file"
            if findings.study.is_foreign
            else "the best of the search so far; not confirmed",
        ),
    )
    yield Headline(
        f"Score{findings.study.on_what}",
        formats.score(best.value),
        f"{_metric(findings)}{_interval(findings)}; too optimistic, as the trial was picked by it",
    )
    if isinstance(baseline, Baseline):
        yield _searched_gain(baseline)
    yield Headline(
        DISTILLATION,
        *(
            ("Not known", f"this {findings.study.called} does not say")
            if findings.study.is_foreign
            else ("Not measured", "distune confirm measures it")
        ),
    )
    yield from _failed(findings)
    yield from _size(findings, None)
    if len(ranking.trials) == 1:
        yield Headline("Complete trials", "1", "too few to choose from")


def _metric(findings: Findings) -> str:
    metric = findings.study.metric
    return f"{formats.plain(metric)}; " if metric else ""


def _interval(findings: Findings) -> str:
    noise = findings.noise
    if isinstance(noise, Unknown):
        return "its interval is not known"
    return f"95 % interval over cases {formats.score(noise.low)} to {formats.score(noise.high)}"


def _searched_gain(baseline: Baseline) -> Headline:
    if baseline.is_base_best:
        return Headline(TUNING, "No", "the base config is the best trial")
    if isinstance(baseline.gain, Unknown):
        return Headline(TUNING, "Not known", "no trial with a score is marked as the base config")
    return Headline(
        TUNING, "Not confirmed", f"{formats.gain(baseline.gain)} over the base config in the search, one seed"
    )


def _size(findings: Findings, config: Path | None) -> Iterator[Headline]:
    found = size_of(findings, config)
    if found is not None:
        milliseconds = found.milliseconds
        yield Headline(
            "Student's size",
            counted(found.parameters, "parameter"),
            ""
            if milliseconds is None
            else f"about {formats.milliseconds(milliseconds)} an example on one server CPU thread, estimated from its "
            f"{'encoder' if found.encoders == 1 else 'encoders, without the fusion'}",
        )

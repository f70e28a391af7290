"""The study in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.baseline import Baseline
from distune.analysis.findings import Findings
from distune.analysis.records.study_files import Confirmation
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Block, Bullets, Figure, Line, Section, Strong, line, missing, names
from distune.reporting.sections.confirmation import advice, confirmed_gain, in_words
from distune.reporting.sections.efficiency import saved_between
from distune.reporting.sections.insights import NOTHING_STANDS_OUT
from distune.training.teacher_check import WHAT_TO_CHANGE

RANDOM_TRIALS = 10
"""Optuna's TPE learns once so many trials have ended."""


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """Score, gain, what mattered, cost, and the whole study in one figure."""
    baseline = findings.baseline
    if isinstance(baseline, Unknown):
        return Section("Conclusion", (missing(baseline.reason),))
    items = [*_teacher(findings), _score(findings, baseline)]
    if unbeaten := _unbeaten(findings, baseline):
        items.append(line(unbeaten))
    confirmation = findings.confirmation
    if not isinstance(confirmation, Unknown) and confirmation.is_current:
        items.append(line("Recommended by the confirmation: ", *advice(findings, confirmation)))
        items += _other_verdicts(findings, confirmation)
    items.append(_mattered(findings))
    saved = saved_between(findings.phases)
    if saved is not None:
        below = ": below zero it cost time" if saved[0] < 0 else ""
        items.append(line(f"Pruning saved {formats.span_of_time(*saved)} of the workers' time{below}."))
    blocks: list[Block] = [Bullets(tuple(items))]
    if "history" in figures:
        blocks.append(figures["history"])
    return Section("Conclusion", tuple(blocks))


def _teacher(findings: Findings) -> list[Line]:
    """That the teacher has nothing to teach, before anything else."""
    judged = findings.teacher
    if judged is None or not (judged.is_below_its_student or judged.is_below_regression):
        return []
    over = f", mean over {judged.seeds} seeds," if judged.seeds > 1 else ""
    below = [f"its student, {formats.score(judged.student)}"] if judged.is_below_its_student else []
    if judged.is_below_regression:
        below.append(
            f"logistic regression on the student's frozen features, {formats.score(judged.regression)}"
        )
    said = (
        f" It scores {formats.score(judged.score)} on {judged.on}{over} below {' and below '.join(below)}: "
    )
    return [line(Strong("The teacher has little to teach."), said, f"{WHAT_TO_CHANGE}.")]


def _score(findings: Findings, baseline: Baseline) -> Line:
    best = baseline.best
    start = line(
        f"The best trial is {best.number}, with ",
        Strong(formats.score(best.value)),
        findings.study.on_what,
    )
    confirmed = confirmed_gain(findings)
    if confirmed is not None:
        said = in_words(findings, confirmed)
        if isinstance(baseline.gain, Unknown):
            return (*start, f". Against the base config: {said}.")
        searched = formats.gain(baseline.gain)
        return (*start, f", {searched} over the base config in the search. Trained again: {said}.")
    if isinstance(baseline.base, Unknown):
        return (*start, "; the base config was not measured in this study, so there is no gain to state.")
    if isinstance(baseline.gain, Unknown):
        return (*start, "; the base config has no final score, so there is no gain to state.")
    if baseline.is_base_best:
        return (*start, "; it is the base config itself: the search found nothing better.")
    return (*start, f", {formats.gain(baseline.gain)} over the base config. This gain is not confirmed.")


def _unbeaten(findings: Findings, baseline: Baseline) -> str | None:
    """That the best trial owes nothing to the sampler's learning or to pruning, where it came too early for them."""
    study, number = findings.study, baseline.best.number
    later = [trial.number for trial in study.trials if trial.number > number]
    if baseline.is_base_best or not later or study.sampler is None:
        return None
    pruned = [trial.number for trial in study.of("pruned")]
    reasons = []
    if study.sampler.lower() == "tpe" and number < RANDOM_TRIALS < len(study.trials):
        reasons.append(
            f"it is one of the first {RANDOM_TRIALS}, which the sampler drew without having learnt"
        )
    if pruned and min(pruned) > number:
        reasons.append("it came before the first trial was pruned")
    if not reasons:
        return None
    return f"None of the {len(later)} trials after trial {number} beat it: {', and '.join(reasons)}."


def _other_verdicts(findings: Findings, confirmation: Confirmation) -> list[Line]:
    """What distillation brought, and the baselines that the best trial is not better than."""
    made = confirmation.numbers["comparisons"]
    said = [
        line(f"Distillation gain: {in_words(findings, each)}.")
        for each in made
        if each["kind"] == "distillation_gain"
    ]
    unbeaten = [
        each["second"] for each in made if each["kind"] == "against_baseline" and each["verdict"] != "better"
    ]
    if unbeaten:
        said.append(
            line("The best trial is not significantly better than these baselines: ", *names(unbeaten), ".")
        )
    return said


def _mattered(findings: Findings) -> Line:
    importance = findings.importance
    if isinstance(importance, Unknown):
        return line("The study is too small to say which parameters matter.")
    if not importance.named:
        return line(NOTHING_STANDS_OUT)
    return line("Parameters that matter: ", *names(importance.named), ". No other stands out from noise.")

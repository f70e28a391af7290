"""The study in a few sentences."""

from __future__ import annotations

from distune.analysis.baseline import Baseline
from distune.analysis.findings import Findings
from distune.analysis.phases import pruning_of
from distune.analysis.study_files import Confirmation
from distune.analysis.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Block, Bullets, Line, Section, Strong, line, missing, names
from distune.reporting.sections.confirmation import advice, confirmed_gain, in_words
from distune.reporting.sections.insights import NOTHING_CLEAR


def section(findings: Findings) -> Section:
    """Score, gain, what mattered, cost."""
    baseline = findings.baseline
    if isinstance(baseline, Unknown):
        return Section("Conclusion", (missing(baseline.reason),))
    items = [_score(findings, baseline)]
    confirmation = findings.confirmation
    if not isinstance(confirmation, Unknown) and confirmation.is_current:
        items.append(line("Recommended by the confirmation: ", *advice(findings, confirmation)))
        items += _other_verdicts(findings, confirmation)
    items.append(_mattered(findings))
    pruning = pruning_of(findings.phases)
    if pruning is not None:
        items.append(
            line(
                f"Pruning {'saved' if pruning.saved >= 0 else 'cost'} {formats.duration(abs(pruning.saved))} of "
                f"{formats.duration(pruning.without)}, {formats.share(abs(pruning.share))} of the trials' time."
            )
        )
    blocks: list[Block] = [Bullets(tuple(items))]
    return Section("Conclusion", tuple(blocks))


def _score(findings: Findings, baseline: Baseline) -> Line:
    best = baseline.best
    start = line(
        f"The best trial is {best.number}, with ",
        Strong(formats.score(best.value)),
        f" on {findings.study.judged_on}",
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
            line("The best trial is not told to be better than these baselines: ", *names(unbeaten), ".")
        )
    return said


def _mattered(findings: Findings) -> Line:
    effects = findings.effects
    if isinstance(effects, Unknown):
        return line("The study is too small to say which parameters matter.")
    clear = list(dict.fromkeys(effect.parameter for effect in effects.clear()))
    if not clear:
        return line(NOTHING_CLEAR)
    return line("Clear effects: ", *names(clear), ". All others are not distinguishable from none.")

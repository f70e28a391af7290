"""What to do next."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from distune.analysis.findings import Findings
from distune.analysis.recommendations import More
from distune.analysis.records.study_files import Confirmation
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Bullets, Code, Line, Section, Strong, line, names
from distune.reporting.sections.confirmation import advice, command
from distune.reporting.sections.confirmation_comparisons import needed

MORE: dict[More, str] = {
    "still_improving": "The best score was still rising: more trials are likely to help.",
    "too_few": "The best score has stopped rising, but the trials are few for so many parameters.",
    "flat": "The best score has stopped rising: more trials of this space are unlikely to help much.",
    "unknown": "The study is too short to tell whether more trials would help.",
}


def section(findings: Findings) -> Section:
    """One item a decision, each with its reason."""
    decided = findings.recommendations
    items: list[Line] = [
        _use(findings),
        line(Strong("Noise over seeds."), " ", _noise_over_seeds(findings)),
        line(Strong("More trials?"), " ", MORE[decided.more_trials], _trend(findings)),
    ]
    for found in decided.widen:
        parameter = findings.study.space[found.parameter]
        items.append(
            line(
                Strong("Widen the range of"),
                " ",
                Code(found.parameter),
                f". The best trials lie at its {found.bound} end, {formats.bounds(parameter)}; "
                "what is beyond it was not tried.",
            )
        )
    items += _at_a_bound(findings)
    if decided.many_failures:
        failed = findings.ranking.counts.get("failed", 0)
        items.append(
            line(
                Strong("Look at the failures."),
                " ",
                f"{failed} of {len(findings.study.trials)} trials failed, most often for ",
                Code(findings.ranking.failures[0].kind),
                ".",
            )
        )
    return Section("Recommendations", (Bullets(tuple(items), numbered=True),))


def _at_a_bound(findings: Findings) -> list[Line]:
    """The ranges whose ends the best trials came to, but that there is no reason to widen."""
    widened = {found.parameter for found in findings.recommendations.widen}
    others = [one.parameter for one in findings.bounds if one.parameter not in widened]
    if not others:
        return []
    said = ": the best trials lie at an end, but nothing shows that the parameter matters; the sampler may crowd there."
    return [line(Strong("At a bound."), " ", *names(others), said)]


def _use(findings: Findings) -> Line:
    confirmation = findings.confirmation
    if findings.study.is_table:
        return line(Strong("Confirm before use."), " ", "Train the best trials again over several seeds.")
    if isinstance(confirmation, Unknown) or not confirmation.is_current:
        return line(
            Strong("Confirm before use."), " ", *_why_confirm(findings), " ", Code(command(findings)), "."
        )
    said = line(Strong("Use"), " ", *advice(findings, confirmation))
    gain = confirmation.gain
    if gain is None or gain["verdict"] != "not significantly different" or needed(gain) == formats.DASH:
        return said
    relevant = confirmation.numbers["relevant_gain"]
    return (
        *said,
        f" The confirmation had a power of {formats.share(gain['power'])} for a gain of {formats.gain(relevant)}; 80 % "
        f"would have taken {needed(gain)}.",
    )


def _noise_over_seeds(findings: Findings) -> str:
    """How much the seed alone moves a single run of the best trial."""
    if findings.study.is_table:
        return "Not in the table: a gain smaller than what the seed alone moves would be none."
    confirmation, folds = findings.confirmation, findings.study.folds
    if isinstance(confirmation, Unknown) or not confirmation.is_current:
        return "Not measured: every trial ran with one seed. A gain smaller than it would be none; confirmation tells."
    split = confirmation.numbers["split"]
    judged = confirmation.numbers["contenders"][confirmation.best]["splits"][split]
    if judged is None or len(judged["scores"]) < 2:
        return "Not measured: the best trial was not trained again with two seeds."
    scatter = statistics.stdev(judged["scores"])
    apart = _between_two_runs(judged["scores"])
    seeds = len(judged["scores"])
    said = (
        f"Trained again with {seeds} seeds, the best trial's score on {split} scatters by {formats.score(scatter)} "
        "(standard deviation)"
    )
    if apart >= 1:
        said = f"{said}; {seeds} seeds are too few to tell how far two single runs differ."
    else:
        said = (
            f"{said}, so by the seed alone two single runs of one config differ in 19 of 20 cases by less than "
            f"{formats.score(apart)} (√2 times Student's quantile for so few seeds)."
            f"{_against_gain(confirmation, apart)}"
        )
    if folds is None:
        return said
    return f"{said} The scores of the search are means over {folds} folds, which scatter differently."


def _between_two_runs(scores: Sequence[float]) -> float:
    """How far two new runs lie apart in 95 % of cases, with the deviation estimated from these scores."""
    from scipy import stats

    return float(math.sqrt(2) * stats.t.ppf(0.975, len(scores) - 1) * statistics.stdev(scores))


def _against_gain(confirmation: Confirmation, apart: float) -> str:
    """Whether the noise over seeds is larger than the gain, both measured on the same split."""
    gain = confirmation.gain
    if gain is None or gain["difference"] <= 0:
        return ""
    size = "larger" if apart > gain["difference"] else "smaller"
    return (
        f" That is {size} than the gain of the best trial over the base config, {formats.gain(gain['difference'])} "
        "over all seeds."
    )


def _why_confirm(findings: Findings) -> Line:
    within, baseline = findings.recommendations.gain_within_noise, findings.baseline
    if not isinstance(baseline, Unknown) and baseline.is_base_best:
        return line(
            "The search found nothing better than the base config; how good that is, confirmation measures:"
        )
    if within is None:
        return line("The best of many trials is partly luck, and how much of it is not known yet:")
    if within:
        return line(
            "The gain over the base config is smaller than what the dev examples alone can move the score by:"
        )
    return line(
        "The gain over the base config is larger than what the dev examples alone move, but the best is partly luck:"
    )


def _trend(findings: Findings) -> str:
    trend = findings.progress
    if isinstance(trend, Unknown):
        return f" {trend.reason}"
    parameters = len(findings.study.space)
    return (
        f" The last third added {formats.gain(trend.late_gain)} to the best score; {trend.since_best} trials came "
        f"after the best one; {trend.ended} complete and pruned trials searched {parameters} parameters."
    )

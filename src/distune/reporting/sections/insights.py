"""What the study shows about the parameters, each statement with its evidence."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.dev_noise import DevNoise
from distune.analysis.findings import Findings
from distune.analysis.parameters.effects import Effect, Effects
from distune.analysis.parameters.importance import Importance
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Figure,
    Line,
    Section,
    Span,
    Strong,
    Table,
    caution,
    line,
    missing,
    names,
    paragraph,
)

NOTHING_CLEAR = "No parameter has an effect that this study can tell from noise."


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """Statements first, then the evidence: effects, importance, coverage."""
    return Section(
        "Insights",
        (Bullets(tuple(statements(findings)), numbered=True),),
        parts=(_effects(findings, figures), _importance(findings, figures), _coverage(findings, figures)),
    )


def statements(findings: Findings) -> list[Line]:
    """What can be said of the parameters, and what cannot."""
    said: list[Line] = []
    if not isinstance(findings.effects, Unknown):
        said += _effect_statements(findings.effects)
    if not isinstance(findings.importance, Unknown):
        said.append(_importance_statement(findings.importance))
    if findings.coverage.concentrated:
        said.append(
            line(
                "The sampler came to try mostly values near the best trial's for ",
                *names([found.parameter for found in findings.coverage.concentrated]),
                ". That the best trials share them is therefore no evidence by itself.",
            )
        )
    if not isinstance(findings.noise, Unknown):
        said.append(noise_statement(findings.noise))
    return said or [line("The study is too small to say anything about its parameters.")]


def _effect_statements(effects: Effects) -> list[Line]:
    clear = effects.clear()
    if not clear:
        return [
            line(
                NOTHING_CLEAR,
                f" Of {len(effects.effects)} contrasts none survives Holm's correction ({effects.complete} complete "
                f"and {effects.pruned} pruned trials).",
            )
        ]
    return [
        line(
            *_contrast(effect),
            f" goes with {formats.gain(effect.estimate)} in the score "
            f"(95 % interval {formats.interval(effect.low, effect.high)}; p {formats.probability(effect.p_holm)} after "
            f"Holm's correction over {len(effects.effects)} contrasts).",
        )
        for effect in clear
    ]


def _contrast(effect: Effect) -> Line:
    before, after = effect.contrast
    shown: list[Span] = [
        Code(effect.parameter),
        " = ",
        formats.value(effect.parameter, after),
        " instead of ",
    ]
    return (*shown, formats.value(effect.parameter, before))


def _importance_statement(importance: Importance) -> Line:
    above = importance.above_noise
    if not above:
        return line(
            "PED-ANOVA and fANOVA agree on no parameter that matters more than shuffled copies of the parameters would."
        )
    return line(
        "Both PED-ANOVA and fANOVA put ",
        *names([share.parameter for share in above]),
        f" above every shuffled copy of a parameter ({importance.trials} complete trials), which chance does in one "
        "study of 20. That says not in which direction.",
    )


def noise_statement(noise: DevNoise) -> Line:
    """Which trials the size of the dev split allows to distinguish."""
    cases = f" of {noise.groups} cases" if noise.groups is not None else ""
    ranking: Line = ()
    if noise.compared:
        told = (
            f"{noise.equal} of the {noise.compared} next best trials cannot be distinguished from it"
            if noise.equal
            else f"All of the {noise.compared} next best trials can be distinguished from it"
        )
        ranking = (
            f" {told} by these examples alone (95 % interval of the difference, both scored on the same resamples; one "
            "training each).",
        )
    return line(
        f"The dev split has {noise.examples} examples{cases}: resampling them moves the score of trial {noise.trial} "
        f"between {formats.score(noise.low)} and {formats.score(noise.high)} (95 %).",
        *ranking,
    )


def _effects(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    found = findings.effects
    if isinstance(found, Unknown):
        return Section("Effect of each parameter", (missing(found.reason),))
    rows: list[tuple[Cell, ...]] = [
        (
            Code(effect.parameter),
            f"{formats.value(effect.parameter, effect.contrast[0])} → "
            f"{formats.value(effect.parameter, effect.contrast[1])}",
            formats.gain(effect.estimate),
            formats.interval(effect.low, effect.high),
            formats.probability(effect.p_holm),
            Strong("clear") if effect.is_clear else "not distinguishable from none",
        )
        for effect in found.effects
    ]
    step = "epoch" if findings.study.folds is None else "fold"
    blocks: list[Block] = [
        paragraph(
            f"From a linear model over all {found.complete} complete and {found.pruned} pruned trials. The final score "
            "of a pruned trial is imputed 20 times from its parameters and its last score, by what complete trials "
            f"did after the same {step}, and its uncertainty widens the intervals. Numbers go from one end of their "
            "range to the other."
        ),
        *([figures["effects"]] if "effects" in figures else []),
        Table(
            ("Parameter", "Contrast", "Effect on the score", "95 % interval", "p (Holm)", "Verdict"),
            tuple(rows),
            numeric=frozenset({2, 3, 4}),
        ),
        caution(
            "The model sees straight lines: a best value in the middle of a range, and interactions, are invisible to "
            "it. "
            f"What the parameters do not explain scatters by {formats.score(found.noise)} (standard deviation)."
        ),
        *(caution(sentence) for sentence in found.left_out),
    ]
    if "slices" in figures:
        blocks.append(figures["slices"])
    if "contour" in figures:
        blocks.append(figures["contour"])
    return Section("Effect of each parameter", tuple(blocks))


def _importance(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    found = findings.importance
    if isinstance(found, Unknown):
        return Section("Importance", (missing(found.reason),))
    rows: list[tuple[Cell, ...]] = [
        (
            Code(share.parameter),
            formats.share(share.ped_anova),
            formats.DASH
            if share.fanova is None
            else f"{formats.share(share.fanova)} ± {100 * (share.fanova_spread or 0):.0f}",
            "yes" if share in found.above_noise else "no",
        )
        for share in found.shares
    ]
    rows.append(
        (
            "the largest of the shuffled copies",
            formats.share(found.noise_ped_anova),
            formats.share(found.noise_fanova),
            "",
        )
    )
    blocks: list[Block] = [
        *([figures["importance"]] if "importance" in figures else []),
        Table(
            ("Parameter", "PED-ANOVA", "fANOVA", "Above them in both"),
            tuple(rows),
            numeric=frozenset({1, 2}),
        ),
        paragraph(
            f"PED-ANOVA compares the best {found.best} of {found.trials} complete trials with all of them; fANOVA "
            "explains the variance of a random forest (± over five forests). A shuffled copy has a parameter's own "
            "values in an order that is random within each quarter of the study, so it shares what the sampler's "
            "concentration explains. The last row is the most that any copy got, of every parameter in 19 draws "
            "(fANOVA: five)."
        ),
        *(caution(sentence) for sentence in found.left_out),
    ]
    return Section("Importance", tuple(blocks))


def _coverage(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    found = findings.coverage
    if not found.parameters:
        return Section(
            "The part of the space that was explored", (missing("The trials record no parameters."),)
        )
    rows: list[tuple[Cell, ...]] = [
        (
            Code(one.parameter),
            f"{one.tried} of {one.parts} {'tenths' if _is_range(findings, one.parameter) else 'values'}",
            _percent(one.early),
            _percent(one.late),
            formats.share(one.expected),
            {"low": "at the low end", "high": "at the high end", None: ""}[one.bound],
        )
        for one in found.parameters
    ]
    header = (
        "Parameter",
        "Tried",
        "First third near best",
        "Last third near best",
        "If spread evenly",
        "Best trials lie",
    )
    blocks: list[Block] = [Table(header, tuple(rows), numeric=frozenset({2, 3, 4}))]
    if found.combinations:
        blocks.append(
            paragraph(
                f"{found.combinations_tried} of the {found.combinations:,} combinations of the discrete parameters "
                f"were tried by {found.trials} trials."
            )
        )
    if findings.study.is_table:
        blocks.append(
            caution("The searched ranges are not known; these shares are of the values in the table.")
        )
    if "parallel" in figures:
        blocks.append(figures["parallel"])
    return Section("The part of the space that was explored", tuple(blocks))


def _is_range(findings: Findings, name: str) -> bool:
    return findings.study.space[name].levels is None


def _percent(value: float | None) -> str:
    return formats.DASH if value is None else formats.share(value)

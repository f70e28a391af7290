"""What the study shows about the parameters, each statement with its evidence."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.dev_noise import DevNoise
from distune.analysis.findings import Findings
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
    Table,
    caution,
    line,
    names,
    paragraph,
)

NOTHING_STANDS_OUT = "No parameter stands out from what shuffled scores give."
FIGURES = ("slices", "parallel")


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """Statements first, then the evidence; a study of few trials has no more than the statements."""
    parts = () if isinstance(findings.importance, Unknown) else (_importance(findings.importance, figures),)
    return Section("Insights", (Bullets(tuple(statements(findings)), numbered=True),), parts=parts)


def statements(findings: Findings) -> list[Line]:
    """What can be said of the parameters and of the dev split, and what cannot."""
    found = findings.importance
    said = [line(found.reason) if isinstance(found, Unknown) else _mattered(found)]
    if not isinstance(findings.noise, Unknown):
        said.append(noise_statement(findings.noise))
    return said


def _mattered(found: Importance) -> Line:
    missed = (
        f"With {found.trials} complete trials, four such studies of five would show an effect of "
        f"{formats.score(found.detects)} from end to end of a range; smaller ones may be missed."
    )
    if not found.named:
        return line(f"{NOTHING_STANDS_OUT} {missed}")
    matter = "matters" if len(found.named) == 1 else "matter"
    return line(*names(found.named), f" {matter} more than shuffled scores give in one study of 20. {missed}")


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


def _importance(found: Importance, figures: Mapping[str, Figure]) -> Section:
    rows: list[tuple[Cell, ...]] = [
        (Code(share.parameter), formats.share(share.share), "yes" if share.parameter in found.named else "no")
        for share in found.shares
    ]
    rows.append(("shuffled scores, 95th percentile of the largest", formats.share(found.floor), ""))
    blocks: list[Block] = [
        *([figures["importance"]] if "importance" in figures else []),
        Table(("Parameter", "Importance", "Above shuffled scores"), tuple(rows), numeric=frozenset({1})),
        paragraph(
            f"Optuna's mean decrease of impurity in a random forest over {found.trials} complete trials. It says not "
            "in which direction: see the slices."
        ),
    ]
    if found.left_out:
        blocks.append(
            caution(
                f"Without an importance, as they do not vary in every trial: {', '.join(found.left_out)}."
            )
        )
    return Section("Importance", (*blocks, *(figures[name] for name in FIGURES if name in figures)))

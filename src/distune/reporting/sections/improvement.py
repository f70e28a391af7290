"""Base config against best trial."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Block, Cell, Paragraph, Section, Strong, Table, missing, paragraph
from distune.reporting.sections.confirmation import confirmed_gain, in_words
from distune.reporting.sections.insights import noise_statement

UNCONFIRMED = "not confirmed"


def section(findings: Findings) -> Section:
    """The measured score of the base beside that of the best."""
    baseline = findings.baseline
    if isinstance(baseline, Unknown):
        return Section("Baseline against optimised", (missing(baseline.reason),))
    best = baseline.best
    rows: list[tuple[Cell, ...]] = []
    if not isinstance(baseline.base, Unknown):
        base_score = formats.score(baseline.base.value)
        rows.append((f"Base config (trial {baseline.base.number})", base_score, formats.DASH))
    gain: Cell = "not known"
    confirmed = confirmed_gain(findings)
    if not isinstance(baseline.gain, Unknown):
        remark = UNCONFIRMED if confirmed is None else f"in the search; {confirmed['verdict']} over seeds"
        gain = f"{formats.gain(baseline.gain)} ({remark})"
    if baseline.is_base_best:
        gain = "the base config is the best trial"
        rows = []
    rows.append((f"Best trial (trial {best.number})", Strong(formats.score(best.value)), gain))
    blocks: list[Block] = [
        Table(("Configuration", "Score on dev", "Gain"), tuple(rows), numeric=frozenset({1}))
    ]
    if isinstance(baseline.gain, Unknown):
        blocks.append(missing(baseline.gain.reason))
    if confirmed is not None:
        blocks.append(paragraph(Strong("Confirmation."), f" {in_words(findings, confirmed)}."))
    if isinstance(findings.noise, Unknown):
        blocks.append(
            missing("How far the dev score can move by chance is not known. ", findings.noise.reason)
        )
    else:
        blocks.append(Paragraph(noise_statement(findings.noise)))
    return Section("Baseline against optimised", tuple(blocks))

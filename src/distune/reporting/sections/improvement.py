"""Base config against best trial."""

from __future__ import annotations

from distune.analysis.baseline import Baseline
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
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
        Table(
            ("Configuration", f"Score{findings.study.on_what}", "Gain"),
            tuple(rows),
            numeric=frozenset({1}),
        )
    ]
    if isinstance(baseline.gain, Unknown):
        blocks.append(missing(baseline.gain.reason))
    if confirmed is not None:
        blocks.append(paragraph(Strong("Confirmation."), f" {in_words(findings, confirmed)}."))
    if isinstance(findings.noise, Unknown):
        blocks += _fold_by_fold(baseline)
        blocks.append(missing("How far the score can move by chance is not known. ", findings.noise.reason))
    else:
        blocks.append(Paragraph(noise_statement(findings.noise)))
    return Section("Baseline against optimised", tuple(blocks))


def _fold_by_fold(baseline: Baseline) -> list[Block]:
    """Base and best on the same folds; nothing where the scores are of the dev split."""
    best = baseline.best.fold_scores
    if best is None:
        return []
    base = None if isinstance(baseline.base, Unknown) or baseline.is_base_best else baseline.base.fold_scores
    if base is None or len(base) != len(best):
        plain: list[tuple[Cell, ...]] = [(str(n), formats.score(score)) for n, score in enumerate(best, 1)]
        return [Table(("Fold", "Best trial"), tuple(plain), numeric=frozenset({0, 1}))]
    rows: list[tuple[Cell, ...]] = [
        (str(number), formats.score(before), formats.score(after), formats.gain(after - before))
        for number, (before, after) in enumerate(zip(base, best, strict=True), start=1)
    ]
    header = ("Fold", "Base config", "Best trial", "Difference")
    caption = (
        "Both on the same folds. Folds share most of what they train on, so this is no test of the gain."
    )
    return [Table(header, tuple(rows), frozenset({0, 1, 2, 3}), caption)]

"""How the trials learned: all of them, the best one, and the best one beside the base fold by fold."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.baseline import Baseline
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Block, Cell, Figure, Section, TableBlock, missing

TITLE = "Learning curves"


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section | None:
    """The curves, what is missing of them, and the folds; None where there is nothing to show."""
    blocks: list[Block] = [figures[name] for name in ("intermediate", "learning") if name in figures]
    if not findings.scored_run.is_confirmed and "reliability" in figures:
        blocks.append(figures["reliability"])
    run = findings.best_run
    if isinstance(run, Unknown):
        blocks.append(missing(run.reason))
    else:
        # Where the confirmation shows its own model's answers, those of the search are not missed.
        is_shown = findings.scored_run.is_confirmed
        parts = (run.curves,) if is_shown else (run.curves, run.confusions, run.predictions)
        reasons = [part.reason for part in parts if isinstance(part, Unknown)]
        blocks += [missing(reason) for reason in dict.fromkeys(reasons)]
    if isinstance(findings.baseline, Baseline):
        blocks += _fold_by_fold(findings.baseline)
    return Section(TITLE, tuple(blocks)) if blocks else None


def _fold_by_fold(baseline: Baseline) -> list[Block]:
    """Base and best on the same folds; nothing where the scores are of the dev split."""
    best = baseline.best.fold_scores
    if best is None:
        return []
    base = None if isinstance(baseline.base, Unknown) or baseline.is_base_best else baseline.base.fold_scores
    if base is None or len(base) != len(best):
        plain: list[tuple[Cell, ...]] = [(str(n), formats.score(score)) for n, score in enumerate(best, 1)]
        return [TableBlock(("Fold", "Best trial"), tuple(plain), numeric=frozenset({0, 1}))]
    rows: list[tuple[Cell, ...]] = [
        (str(number), formats.score(before), formats.score(after), formats.gain(after - before))
        for number, (before, after) in enumerate(zip(base, best, strict=True), start=1)
    ]
    header = ("Fold", "Base config", "Best trial", "Difference")
    caption = "Base config and best trial fold by fold. Folds share most of what they train on: no test of the gain."
    return [TableBlock(header, tuple(rows), frozenset({0, 1, 2, 3}), caption)]

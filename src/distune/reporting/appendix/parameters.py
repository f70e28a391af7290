"""The importance of each parameter beside what shuffled scores give, and the scores by parameter."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.findings import Findings
from distune.analysis.parameters.importance import Importance
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Block, Cell, Code, Figure, Section, TableBlock, caution, paragraph
from distune.utils.text import counted


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section | None:
    """The evidence behind what the page says of the parameters; None where the trials are too few for any."""
    found = findings.importance
    return None if isinstance(found, Unknown) else _importance(found, figures)


def _importance(found: Importance, figures: Mapping[str, Figure]) -> Section:
    rows: list[tuple[Cell, ...]] = [
        (Code(share.parameter), formats.share(share.share), "yes" if share.parameter in found.named else "no")
        for share in found.shares
    ]
    rows.append(("shuffled scores, 95th percentile of the largest", formats.share(found.floor), ""))
    blocks: list[Block] = [
        *([figures["importance"]] if "importance" in figures else []),
        TableBlock(("Parameter", "Importance", "Above shuffled scores"), tuple(rows), numeric=frozenset({1})),
        paragraph(
            f"Optuna's mean decrease of impurity in a random forest over "
            f"{counted(found.trials, 'complete trial')}. It says not "
            "in which direction: see the slices."
        ),
    ]
    if found.left_out:
        blocks.append(
            caution(
                f"Without an importance, as they do not vary in every trial: {', '.join(found.left_out)}."
            )
        )
    blocks += [figures["slices"]] if "slices" in figures else []
    return Section("Importance of the parameters", tuple(blocks))

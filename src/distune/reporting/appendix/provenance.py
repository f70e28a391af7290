"""Where the numbers come from: versions, seeds, fingerprints, and what the study does not record."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.reporting import formats
from distune.reporting.document import Block, Bullets, Cell, Code, Section, TableBlock, line

UNRECORDED = "not recorded"


def section(findings: Findings) -> Section:
    """One row a fact; then what is missing, so that no reader takes silence for a zero."""
    study = findings.study
    facts: list[tuple[str, str | None, bool]] = [
        ("Sampler", study.sampler, False),
        ("Pruner", study.pruner, False),
        ("Seed", None if study.seed is None else str(study.seed), False),
        ("Distune version", study.distune_version, False),
        ("Data fingerprint", study.data_fingerprint, True),
        ("Read from", study.source, True),
    ]
    rows: list[tuple[Cell, Cell]] = [
        (what, UNRECORDED if held is None else Code(held) if is_name else formats.plain(held))
        for what, held, is_name in facts
        if held is not None or not study.is_table
    ]
    blocks: list[Block] = [TableBlock(("Environment", "Details"), tuple(rows))]
    if study.missing:
        blocks.append(Bullets(tuple(line(sentence) for sentence in study.missing)))
    return Section("Provenance", tuple(blocks))

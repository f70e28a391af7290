"""What the study ran on."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from distune.analysis.findings import Findings
from distune.analysis.search_phases import trials_of
from distune.reporting import formats
from distune.reporting.document import Block, Cell, Section, TableBlock, missing
from distune.utils.text import counted


def section(findings: Findings) -> Section:
    """Devices, memory and workers."""
    trials = trials_of(findings.phases)
    rows: list[tuple[Cell, Cell]] = []
    devices = Counter(trial.device.replace(" 1 threads", " 1 thread") for trial in trials if trial.device)
    if devices:
        by_use = devices.most_common()
        named = [f"{device} ({count} of {counted(len(trials), 'trial')})" for device, count in by_use]
        if by_use[0][1] == len(trials):
            named = [by_use[0][0]]
        rows.append(("Devices", formats.listing(named)))
    memory = [trial.memory_mb for trial in trials if trial.memory_mb is not None]
    rows += _memory("memory of a worker", memory)
    on_device = [trial.device_memory_mb for trial in trials if trial.device_memory_mb is not None]
    rows += _memory("memory of the device", [used for used in on_device if used > 0])
    workers = {trial.worker for trial in trials if trial.worker}
    if workers:
        rows.append(("Workers", str(len(workers))))
    blocks: list[Block] = [TableBlock(("Resource", "Used"), tuple(rows))] if rows else []
    absent = [
        what
        for what, known in (
            ("devices", devices),
            ("peak memory", memory),
            ("peak device memory", on_device),
            ("workers", workers),
        )
        if not known
    ]
    if absent:
        blocks.append(missing(f"Not recorded by the trials: {', '.join(absent)}."))
    return Section("Resources", tuple(blocks))


def _memory(what: str, megabytes: Sequence[float]) -> list[tuple[Cell, Cell]]:
    if not megabytes:
        return []
    highest, mean = formats.memory(max(megabytes)), formats.memory(statistics.fmean(megabytes))
    return [(f"Peak {what}", highest if highest == mean else f"{highest}, on average {mean}")]

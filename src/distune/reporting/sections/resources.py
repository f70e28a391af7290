"""What the study ran on."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from distune.analysis.findings import Findings
from distune.analysis.phases import Phase, trials_of
from distune.reporting import formats
from distune.reporting.document import Block, Cell, Section, Table, missing


def section(findings: Findings) -> Section:
    """Devices, memory and workers."""
    trials = trials_of(findings.phases)
    rows: list[tuple[Cell, Cell]] = []
    devices = Counter(trial.device.replace(" 1 threads", " 1 thread") for trial in trials if trial.device)
    if devices:
        named = [f"{device} ({count} of {len(trials)} trials)" for device, count in devices.most_common()]
        rows.append(("Devices", formats.listing(named)))
    memory = [trial.memory_mb for trial in trials if trial.memory_mb is not None]
    rows += _memory("memory of a worker", memory)
    on_device = [trial.device_memory_mb for trial in trials if trial.device_memory_mb is not None]
    rows += _memory("memory of the device", [used for used in on_device if used > 0])
    workers = {trial.worker for trial in trials if trial.worker}
    if workers:
        rows.append(("Workers that ran trials", str(len(workers))))
    runs = [row for phase in findings.phases for row in _runs(phase)]
    rows += runs
    blocks: list[Block] = [Table(("Resource", "Used"), tuple(rows))] if rows else []
    absent = [
        what
        for what, known in (
            ("devices", devices),
            ("peak memory", memory),
            ("peak device memory", on_device),
            ("workers", workers or runs),
        )
        if not known
    ]
    if absent:
        blocks.append(missing(f"Not recorded by the trials: {', '.join(absent)}."))
    return Section("Resource utilisation", tuple(blocks))


def _runs(phase: Phase) -> list[tuple[Cell, Cell]]:
    """When the tuning command ran, and what for."""
    rows: list[tuple[Cell, Cell]] = []
    of = f", {phase.title}" if phase.title else ""
    for number, run in enumerate(phase.study.sessions or (), start=1):
        parts = [
            f"started {formats.moment(run.started)}",
            f"ended {formats.moment(run.finished)}" if run.finished else "left no end",
            f"{run.workers} worker{'s' if run.workers != 1 else ''}" if run.workers is not None else "",
            formats.listing([device for device in run.devices if device != "auto"]),
            f"reason: {run.reason}" if run.reason else "",
        ]
        rows.append((f"Run {number} of the tuning command{of}", "; ".join(part for part in parts if part)))
    return rows


def _memory(what: str, megabytes: Sequence[float]) -> list[tuple[Cell, Cell]]:
    if not megabytes:
        return []
    return [
        (f"Peak {what}, highest trial", formats.memory(max(megabytes))),
        (f"Peak {what}, mean over trials", formats.memory(statistics.fmean(megabytes))),
    ]

"""What `distune tune` prints at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from distune.cli.output import say


def print_outcome(summary: Mapping[str, Any], files: Iterable[Path | str]) -> None:
    """Prints whether the best trial's teacher is of use, counts, best and base, time, and the files that were written.

    Args:
        summary: the content of `study_summary.json`.
        files: what was written.
    """
    trials, seconds, best, base = (summary[key] for key in ("trials", "seconds", "best", "base"))
    folds = summary.get("folds")
    score = "dev score" if folds is None else f"mean over {folds} folds"
    flatters = (
        "on one dev split flatters; `distune confirm` measures by how much"
        if folds is None
        else "on the same folds flatters; `distune confirm` trains it again"
    )
    say()
    if best is not None and best.get("teacher_warning"):  # first: a useless teacher makes the rest idle
        say(f"warning    {best['teacher_warning']}")
    say(f"study      {summary['study']}")
    say(
        f"trials     {trials['finished']} finished: {trials['complete']} complete, {trials['pruned']} pruned; "
        f"{trials['failed']} failed"
    )
    if first := summary.get("teacher_study"):
        say(f"teachers   {first['finished']} finished before, in {first['seconds']:.0f} s of trials")
    if best is None:
        say(f"best       {summary['note']}")
    else:
        say(f"best       {best['value']:.4f} {score}, trial {best['number']}")
    if base is not None:
        say(f"base       {base['value']:.4f} {score}, trial {base['number']} (the config as given)")
    if best is not None:
        say(f"           the best of many {flatters}")
    say(
        f"wall time  {seconds['wall']:.0f} s; peak memory {summary['machine']['peak_memory_mb']:.0f} MiB a worker"
    )
    say("files")
    for path in dict.fromkeys(str(file) for file in files):
        say(f"           {path}")

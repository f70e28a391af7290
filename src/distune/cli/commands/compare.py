"""`distune compare`: several studies and runs in one table."""

from __future__ import annotations

from typing import Annotated

import typer

from distune.cli.output import say

ROW = "{:40} {:6} {:>8} {:>8} {:>9} {:>8} {:>7}  {}"


def compare(
    sources: Annotated[list[str], typer.Argument(help="Studies (name, folder, .db) and run folders.")],
) -> None:
    """Put studies and runs side by side, the best on dev first."""
    from distune.analysis.side_by_side import are_counted_differently, on_different_data, side_by_side

    found = side_by_side(sources)
    say(ROW.format("name", "kind", "dev", "base", "confirmed", "test", "trials", "tasks on dev"))
    for one in found:
        scores = [_shown(value) for value in (one.dev, one.base, one.confirmed, one.test)]
        tasks = ", ".join(f"{task} {name} {value:.4f}" for task, (name, value) in (one.tasks or {}).items())
        trials = "" if one.trials is None else str(one.trials)
        say(ROW.format(one.name, one.kind, *scores, trials, tasks).rstrip())
    if any(one.kind == "study" for one in found):
        say(
            "dev of a study is the best of its trials and flatters; confirmed is the mean over seeds of the config "
            "that `distune confirm` recommends."
        )
    for one in found:
        if one.confirmed_on not in (None, "test"):
            say(
                f"confirmed of {one.name} is on {one.confirmed_on}, which the search has seen: it flatters, too."
            )
    for one in found:
        if one.folds:
            say(f"dev and base of {one.name} are means over {one.folds} folds of train and dev, not of dev.")
        if one.minimises:
            say(f"{one.name} minimises: its dev is its lowest value, which no score beside it compares with.")
    if are_counted_differently(found):
        say(
            "These count their tasks with other scores or weights (data.tasks), so what they score cannot be compared."
        )
    if on_different_data(found):
        say("These rest on different data: their scores cannot be compared.")


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"

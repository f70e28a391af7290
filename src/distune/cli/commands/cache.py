"""`distune cache`: what the store keeps."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import typer

from distune.cli.output import say, say_message
from distune.errors import UserError
from distune.utils.text import counted, first_of, one_line

app = typer.Typer(
    help="The store of expensive results (DISTUNE_CACHE, else the user's cache).", no_args_is_help=True
)


@app.command("list")
def list_entries() -> None:
    """List the entries: size, last use, kind, encoders, data set, name."""
    from distune.store import Store

    store = Store()
    entries = store.entries()
    for entry in sorted(entries, key=lambda entry: -entry.last_used):
        used = datetime.fromtimestamp(entry.last_used)
        encoders, dataset = one_line(", ".join(entry.encoders) or "-"), one_line(entry.dataset or "-")
        say(
            f"{entry.size / 1e6:10.1f} MB  {used:%Y-%m-%d %H:%M}  {entry.kind:8}  {encoders:20}  {dataset:20}  "
            f"{entry.name}"
        )
    total = sum(entry.size for entry in entries)
    say(f"{counted(len(entries), 'entry', 'entries')}, {total / 1e9:.2f} GB in {store.root}")


@app.command("clear")
def clear(
    older_than: Annotated[
        str | None, typer.Option(help="Only entries that were not used for so long: 30d, 12h, 90m.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only entries of a kind: images, tokens, features, teachers, targets.")
    ] = None,
) -> None:
    """Remove the entries that no process uses; exit code 1 where one of them could not be deleted."""
    from distune.store import KINDS, Store

    if kind is not None and kind not in KINDS:
        raise UserError(f"--kind: {kind!r} is unknown; use {', '.join(KINDS)}")
    store = Store()
    removed = store.clear(kind, 0.0 if older_than is None else _seconds(older_than))
    rest = ("stays", "stay") if older_than or kind else ("is in use and stays", "are in use and stay")
    left = sum(entry.name not in store.undeleted for entry in store.entries())
    say(f"removed {counted(len(removed), 'entry', 'entries')} from {store.root}; {counted(left, *rest)}")
    if store.undeleted:
        shown = first_of(store.undeleted, 3)
        say_message(f"error: cannot be deleted: {shown}; check the disk and the permissions in {store.root}")
        raise typer.Exit(1)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([dhm])", text.strip())
    if found is None:
        raise UserError(
            f"--older-than: {one_line(text, 40)!r} is no time; write up to six digits and d, h or m, such as 30d"
        )
    return int(found[1]) * {"d": 86400.0, "h": 3600.0, "m": 60.0}[found[2]]


@app.command("verify")
def verify() -> None:
    """Read every byte; name what is torn, altered or foreign. Such entries are computed again when needed."""
    from distune.store import Store

    store = Store()
    faults = store.verify()
    for name, fault in faults.items():
        say(f"{name}: {fault}")
    sound = counted(len(store.entries()) - len(faults), "entry is sound", "entries are sound")
    say(f"{sound}, {counted(len(faults), 'is not', 'are not')}")
    if faults:
        raise typer.Exit(1)

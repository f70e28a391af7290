"""`distune cache`: what the store keeps."""

from __future__ import annotations

from datetime import datetime

import typer

from distune.cli.output import say

app = typer.Typer(
    help="The store of expensive results (DISTUNE_CACHE, else the user's cache).", no_args_is_help=True
)


@app.command("list")
def list_entries() -> None:
    """List the entries, their size and when they were last used."""
    from distune.store import Store

    store = Store()
    entries = store.entries()
    for entry in sorted(entries, key=lambda entry: -entry.last_used):
        used = datetime.fromtimestamp(entry.last_used)
        say(f"{entry.size / 1e6:10.1f} MB  {used:%Y-%m-%d %H:%M}  {entry.name}")
    total = sum(entry.size for entry in entries)
    say(f"{len(entries)} entries, {total / 1e9:.2f} GB in {store.root}")


@app.command("clear")
def clear() -> None:
    """Remove every entry that no process uses."""
    from distune.store import Store

    store = Store()
    removed = store.clear()
    say(f"removed {len(removed)} entries from {store.root}; {len(store.entries())} are in use and stay")


@app.command("verify")
def verify() -> None:
    """Read every byte; name what is torn, altered or foreign. Such entries are computed again when needed."""
    from distune.store import Store

    store = Store()
    faults = store.verify()
    for name, fault in faults.items():
        say(f"{name}: {fault}")
    say(f"{len(store.entries()) - len(faults)} entries are sound, {len(faults)} are not")
    if faults:
        raise typer.Exit(1)

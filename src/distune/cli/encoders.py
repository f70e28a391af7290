"""`distune encoders`: what can be named in a config."""

from __future__ import annotations

import typer

app = typer.Typer(help="The encoders that have a friendly name.", no_args_is_help=True)


@app.command("list")
def list_encoders() -> None:
    """List name, hub id, size, input and licence of each encoder."""
    from rich.console import Console
    from rich.table import Table

    from distune.models.encoders.catalogue import CATALOGUE

    table = Table("name", "kind", "source", "million parameters", "input", "licence")
    for name, entry in CATALOGUE.items():
        table.add_row(
            name, entry.kind, entry.source, f"{entry.parameters:.1f}", str(entry.input), entry.licence
        )
    Console().print(table)

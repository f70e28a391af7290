"""`distune encoders`: what can be named in a config."""

from __future__ import annotations

import typer

from distune.cli.output import say

app = typer.Typer(help="The encoders that have a friendly name.", no_args_is_help=True)

ROW = "{:20} {:7} {:9} {:>8} {:>7} {:>8}  {:18} {}"


@app.command("list")
def list_encoders() -> None:
    """List name, size, input, latency, licence and origin of each encoder.

    Latency: one example (texts of 64 tokens), fp32, on one CPU thread, good to about a quarter.
    """
    from distune.models.encoders.catalogue import CATALOGUE, MILLISECONDS

    say(ROW.format("name", "kind", "from", "million", "pixels", "CPU ms", "licence", "location"))
    for name, entry in CATALOGUE.items():
        latency = f"{MILLISECONDS[name]:.0f}" if name in MILLISECONDS else ""
        size, pixels = f"{entry.millions:.1f}", str(entry.image_size or "")
        say(ROW.format(name, entry.kind, entry.source, size, pixels, latency, entry.licence, entry.location))

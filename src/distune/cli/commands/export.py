"""`distune export`: a bundle that stands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distune.cli.options import DataRoot, Storage, refuse
from distune.cli.output import say


def export(
    source: Annotated[str, typer.Argument(help="Run folder, or study (name, folder, .db).")],
    out: Annotated[
        Path | None, typer.Option(help="New folder for the bundle; default: logs/bundles/<name>_<run>.")
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="none, or int8: 8-bit weights; those of convolutions where the score allows. Default: none."
        ),
    ] = None,
    max_score_drop: Annotated[
        float | None,
        typer.Option(
            min=0, help="Most that int8 may cost in dev score; above it nothing is written. Default: 0.01."
        ),
    ] = None,
    data_root: DataRoot = None,
    storage: Storage = None,
) -> None:
    """Export a trained student to ONNX, with its tokenizer, labels, preprocessing and a model card.

    The bundle predicts without torch (`distune.edge`). Every dev example is predicted by both; the differences are
    stated in the card.
    """
    if quantize in (None, "none"):
        refuse("only with --quantize int8", {"--max-score-drop": max_score_drop})

    from distune.deployment.export import export_source

    folder, parity = export_source(
        source,
        out,
        storage=storage,
        quantisation=quantize or "none",
        max_score_drop=max_score_drop,
        data_root=data_root,
        show=say,
    )
    compared = (
        "dev examples" if parity.score is not None else "generated images, as the data set is not there"
    )
    say(
        f"parity     {parity.examples} {compared}: largest difference {parity.largest_difference:.2g}, "
        f"{parity.changed} changed predictions"
    )
    if parity.changed_from_run:
        say(f"           {parity.changed_from_run} differ from what the run recorded, in its own precision")
    if parity.score is not None:
        say(f"dev score  {parity.score:.4f} in torch, {parity.exported_score:.4f} exported")
    say(f"wrote {folder}")

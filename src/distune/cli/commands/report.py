"""`distune report`: the page of a study, or of a table of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distune.analysis.records.study_record import Direction
from distune.cli.options import Overwrite, Storage, refuse
from distune.cli.output import say
from distune.utils.files.default_folders import STUDIES


def report(
    study: Annotated[
        str | None, typer.Argument(help=f"Name under {STUDIES}, a study's folder, or its .db file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: the study's.")] = None,
    from_csv: Annotated[
        Path | None,
        typer.Option(help="A table of trials, as Optuna's trials_dataframe().to_csv() writes it."),
    ] = None,
    direction: Annotated[
        Direction | None,
        typer.Option(help="With --from-csv: which values of the table are good. Default: maximize."),
    ] = None,
    examples: Annotated[
        bool,
        typer.Option(
            "--examples",
            help="Show the most confident mistakes: images and texts of patients are on the page.",
        ),
    ] = False,
    checklist: Annotated[
        str | None,
        typer.Option(
            metavar="tripod-ai", help="Also write which items of this reporting guideline the report answers."
        ),
    ] = None,
    overwrite: Overwrite = False,
    storage: Storage = None,
) -> None:
    """Write report.md, report.html and figures of a study, or of a table of trials."""
    from distune import reporting
    from distune.errors import UserError

    reporting.require()
    from distune.reporting.report import study_folder, write_report, write_report_from_csv

    if (study is None) == (from_csv is None):
        raise UserError("report needs a study or --from-csv, one of the two")
    if from_csv is not None:
        of_a_study = {"--checklist": checklist, "--examples": examples, "--storage": storage}
        refuse("only of a study, not of a table of trials (--from-csv)", of_a_study)
        folder = out or from_csv.parent / from_csv.stem
        written = write_report_from_csv(
            from_csv, folder, direction=direction or "maximize", overwrite=overwrite
        )
    else:
        refuse("only with --from-csv; a study knows its own", {"--direction": direction})
        folder = out or study_folder(str(study), storage)
        written = write_report(
            str(study), folder, storage=storage, examples=examples, checklist=checklist, overwrite=overwrite
        )
    for path in written:
        say(f"wrote {path}")

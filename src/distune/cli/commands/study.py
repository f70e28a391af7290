"""`distune tune`, `report`, `status`, `dashboard`: everything about a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from distune.analysis.records.study_record import Direction
from distune.cli.options import (
    Assignments,
    DataRoot,
    Overwrite,
    Seed,
    Storage,
    chosen_config,
    listed,
    overrides,
)
from distune.cli.output import say
from distune.cli.section_options import takes_section
from distune.config import StudyConfig
from distune.utils.places import STUDIES

EXIT_CODES = {"finished": 0, "failed_alike": 1, "timeout": 3, "low_disk": 4, "interrupted": 130}
"""How `distune tune` ends, by reason; 2 is bad input."""
OPTION_NAMES = {"name": "study_name"}


@takes_section("study", StudyConfig, OPTION_NAMES)
def tune(
    config: Annotated[
        Path, typer.Option(help="Base config (YAML); it is trial 0, and its study section says how.")
    ],
    given: dict[str, Any],
    gpu: Annotated[str | None, typer.Option(help="One device: cuda:0, cpu, ...")] = None,
    fork: Annotated[
        str | None,
        typer.Option(help="Copy the trials of --study-name that still count to a study of this name."),
    ] = None,
    seed: Seed = None,
    data_root: DataRoot = None,
    assignments: Assignments = None,
) -> None:
    """Tune teacher and student; the same command resumes a study that was interrupted.

    Options lie over the config's study section. Exit code: 0 finished, 1 stopped as trials fail for one reason,
    2 bad input, 3 out of time, 4 disk nearly full, 130 interrupted.
    """
    if gpu is not None and "study.gpus" not in given:
        given["study.gpus"] = list(listed("--gpu", gpu))
    chosen = chosen_config(config, assignments, {**overrides(data_root=data_root, seed=seed), **given})

    from distune.tuning.tune import TuneRequest
    from distune.tuning.tune import tune as run_study

    result = run_study(TuneRequest(config=chosen, config_path=str(config), fork=fork))
    storage = chosen.study.storage

    from distune import reporting
    from distune.cli.commands.outcome import print_outcome

    written: list[Path] = []
    if reporting.installed():
        from distune.reporting.report import write_report

        source = result.study_name if storage else result.folder
        written = write_report(source, result.folder, storage=storage)
    print_outcome(result.summary, [*result.summary["files"].values(), *written])
    if not written:
        say(f"no report: {reporting.INSTALL}, then distune report", err=True)
    if result.failure:
        say(
            f"stopped: trials fail for one reason ({result.failure.kind}): {result.failure.message}",
            err=True,
        )
    raise typer.Exit(EXIT_CODES[result.reason])


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
        Direction, typer.Option(help="With --from-csv: which values of the table are good.")
    ] = "maximize",
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
    if from_csv is not None and checklist is not None:
        raise UserError("--checklist is of a study; a table of trials (--from-csv) answers too little of it")
    if from_csv is not None:
        folder = out or from_csv.parent / from_csv.stem
        written = write_report_from_csv(from_csv, folder, direction=direction, overwrite=overwrite)
    else:
        folder = out or study_folder(str(study), storage)
        written = write_report(
            str(study), folder, storage=storage, examples=examples, checklist=checklist, overwrite=overwrite
        )
    for path in written:
        say(f"wrote {path}")


def add_commands(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("tune")(tune)
    app.command("report")(report)

"""`distune tune`, `report`, `status`, `dashboard`: everything about a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distune.analysis.records.study_record import Direction
from distune.cli.options import (
    DataRoot,
    Executor,
    Gpu,
    Gpus,
    GpusPerTrial,
    RayAddress,
    Seed,
    Storage,
    StudentEpochs,
    TeacherEpochs,
    Workers,
    devices_of,
    listed,
    overrides,
)
from distune.config import load_config

EXIT_CODES = {"finished": 0, "failed_alike": 1, "timeout": 3, "low_disk": 4, "interrupted": 130}
"""How `distune tune` ends, by reason; 2 is bad input."""


def tune(
    config: Annotated[Path, typer.Option(help="Base config (YAML); it is trial 0.")],
    n_trials: Annotated[
        int, typer.Option(min=1, help="Finished trials that the study shall have, over all restarts.")
    ] = 30,
    gpu: Gpu = None,
    gpus: Gpus = None,
    workers: Workers = None,
    study_name: Annotated[
        str | None, typer.Option(help="A new name, or that of a study to go on with.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds; running trials stop at their next epoch.")
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="tpe: the default, for 15 to 1,000 trials; random: an unbiased picture of the space; gp: few, "
            "expensive trials with mostly numeric parameters; qmc: an even spread over the space."
        ),
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            help="median: the default; percentile: stops only the worst quarter; hyperband: for very many "
            "trials; patient: median that waits out noise; none: every trial runs to its end."
        ),
    ] = None,
    storage: Storage = None,
    teacher_epochs: TeacherEpochs = None,
    student_epochs: StudentEpochs = None,
    tune_fusion: Annotated[
        bool, typer.Option("--tune-fusion", help="Also search the fusion modules.")
    ] = False,
    tune_loss: Annotated[
        bool, typer.Option("--tune-loss", help="Also search the distillation loss.")
    ] = False,
    tune_backbones: Annotated[
        bool, typer.Option("--tune-backbones", help="Also search the student's encoders.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(help="Search these parameters alone, separated by commas.")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="recommended: the narrow ranges of the classic MedPix study; or a YAML file with a search_space "
            "section, such as a report's recommended_space.yaml."
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Lay this config's fusion, dropout, learning rates and loss over the base config: another study's "
            "best_config.yaml. With --only alpha,beta,T it fine-tunes them on other data."
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="joint: teacher and student together, judged by the student; staged: first the teacher by its own "
            "score, in a third of the trials, then the student with the best few teachers."
        ),
    ] = "joint",
    prune_teacher: Annotated[
        bool,
        typer.Option(
            "--prune-teacher",
            help="joint: stop a trial whose teacher falls behind the median teacher, before its student trains.",
        ),
    ] = False,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="joint: score a trial by its mean over so many folds of train and dev, not by the dev split; for dev "
            "splits of few cases, which cannot tell trials apart. Trains each trial so many times. Pruners: median, "
            "percentile, none.",
        ),
    ] = None,
    on_oom: Annotated[
        str, typer.Option(help="Out of memory: fail, or retry once with half the batch in memory.")
    ] = "fail",
    executor: Executor = "local",
    ray_address: RayAddress = None,
    gpus_per_trial: GpusPerTrial = 0.0,
    fork: Annotated[
        str | None,
        typer.Option(help="Copy the trials of --study-name that still count to a study of this name."),
    ] = None,
    accept_leaks: Annotated[
        bool, typer.Option("--accept-leaks", help="Tune on data whose audit has severe findings.")
    ] = False,
    seed: Seed = None,
    data_root: DataRoot = None,
) -> None:
    """Tune teacher and student; the same command goes on with a study that was interrupted.

    Exit code: 0 finished, 1 given up as trials fail alike, 2 bad input, 3 out of time, 4 disk nearly full, 130
    interrupted.
    """
    chosen = load_config(
        config,
        overrides(
            data_root=data_root, teacher_epochs=teacher_epochs, student_epochs=student_epochs, seed=seed
        ),
    )

    from distune.tuning.tune import TuneRequest
    from distune.tuning.tune import tune as run_study

    devices = devices_of(gpu, gpus, executor)
    result = run_study(
        TuneRequest(
            config=chosen,
            config_path=str(config),
            n_trials=n_trials,
            study_name=study_name,
            timeout=timeout,
            sampler=sampler,
            pruner=pruner,
            storage=storage,
            workers=workers or max(1, len(devices)),
            devices=devices,
            executor=executor,
            ray_address=ray_address,
            gpus_per_trial=gpus_per_trial,
            tune_fusion=tune_fusion,
            tune_loss=tune_loss,
            tune_backbones=tune_backbones,
            only=listed(only),
            space=space,
            start_from=start_from,
            strategy=strategy,
            prune_teacher=prune_teacher,
            folds=folds,
            on_oom=on_oom,
            fork=fork,
            accept_leaks=accept_leaks,
        )
    )

    from distune import reporting
    from distune.cli.outcome import print_outcome

    written: list[Path] = []
    if reporting.installed():
        from distune.reporting.report import write_report

        source = result.study_name if storage else result.folder
        written = write_report(source, result.folder, storage=storage)
    print_outcome(result.summary, [*result.summary["files"].values(), *written])
    if not written:
        typer.echo(f"no report: {reporting.INSTALL}, then distune report", err=True)
    if result.failure:
        typer.echo(
            f"given up: one trial after the other failed alike ({result.failure.kind}): {result.failure.message}",
            err=True,
        )
    raise typer.Exit(EXIT_CODES[result.reason])


def report(
    study: Annotated[
        str | None, typer.Argument(help="Name under logs/optuna, a study's folder, or its .db file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: the study's.")] = None,
    from_csv: Annotated[
        Path | None,
        typer.Option(help="A table of trials, as Optuna's trials_dataframe().to_csv() writes it."),
    ] = None,
    direction: Annotated[
        Direction, typer.Option(help="With --from-csv: which values of the table are good.")
    ] = "maximize",
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
        written = write_report_from_csv(from_csv, out or from_csv.with_suffix(""), direction=direction)
    else:
        written = write_report(str(study), out or study_folder(str(study), storage), storage=storage)
    for path in written:
        typer.echo(f"wrote {path}")


def add_commands(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("tune")(tune)
    app.command("report")(report)

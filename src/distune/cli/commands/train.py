"""`distune train`: one teacher, one student, one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from distune.cli.options import (
    Assignments,
    DataRoot,
    Seed,
    StudentEpochs,
    TeacherEpochs,
    chosen_config,
    overrides,
    refuse,
    refuse_settings,
)
from distune.cli.output import say
from distune.cli.plugin_option import note_unused_plugins
from distune.training.callbacks import Callback, EpochRecord
from distune.utils.files.default_folders import RUNS
from distune.utils.progress import ProgressLines
from distune.utils.text import counted


class _ShowEpochs(Callback):
    """Prints a line after each epoch, and now and then within a stage that takes long."""

    def __init__(self) -> None:
        self._progress = ProgressLines(say)
        self._replayed = 0

    def on_progress(self, step: str, done: int, total: int) -> None:
        self._progress(step, done, total)

    def on_replay(self, stage: str, epochs: int) -> None:
        self._replayed = epochs
        say(f"{stage}: {counted(epochs, 'epoch')} trained before")

    def on_epoch_end(self, record: EpochRecord) -> None:
        before, self._replayed = self._replayed > 0, max(0, self._replayed - 1)
        say(
            f"{record.stage:8}epoch {record.epoch:3}  loss {record.train_loss:8.4f}  "
            f"dev score {record.dev_score:.4f}  {record.seconds:6.1f} s{'  trained before' if before else ''}"
        )


def train(
    config: Annotated[Path, typer.Argument(help="Config file (YAML).")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder. Default: the newest unfinished run of this config in logs/runs, which is resumed, "
            "else logs/runs/<name>_<time>."
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Delete the run that the folder holds; without it that is an error."
        ),
    ] = False,
    test: Annotated[
        bool,
        typer.Option(
            "--test/--no-test",
            help="Also evaluate the test split, where there is one; every opening is recorded beside the runs.",
        ),
    ] = False,
    gpu: Annotated[str | None, typer.Option(help="Device: cuda:0, cpu, ...; default: the config's.")] = None,
    data_root: DataRoot = None,
    teacher_epochs: TeacherEpochs = None,
    student_epochs: StudentEpochs = None,
    seed: Seed = None,
    assignments: Assignments = None,
) -> None:
    """Train a teacher and its student once, and evaluate them."""
    refuse_settings(
        assignments,
        "says how tune searches, which is nothing to a single training",
        lambda section: section not in ("study", "search_space"),
    )
    chosen = chosen_config(
        config,
        assignments,
        overrides(
            data_root=data_root,
            teacher_epochs=teacher_epochs,
            student_epochs=student_epochs,
            seed=seed,
            device=gpu,
        ),
    )

    from distune.training.files.claim import claimed
    from distune.training.files.run_folder import CONFIG
    from distune.training.keys import uses_teacher
    from distune.training.run import run
    from distune.tuning.space.inert import inert_values
    from distune.tuning.space.space import Space
    from distune.tuning.space.without_effect import fields_without_effect

    if not uses_teacher(chosen):
        refuse("the config trains no teacher", {"--teacher-epochs": teacher_epochs})

    with claimed(chosen, out, RUNS, overwrite=overwrite) as folder:
        # How much of it is resumed, if any, is said stage by stage.
        resumes = (folder / CONFIG).exists() and not overwrite
        say(f"run folder {folder}{' of an unfinished run' if resumes else ''}")
        for line in inert_values(Space({}, fields_without_effect(chosen)), chosen):
            say(f"note: {line}")
        note_unused_plugins(chosen)
        result = run(chosen, folder, callback=_ShowEpochs(), open_test=test, overwrite=overwrite)
    print_results(result.results)
    say(f"wrote {folder}")


def print_results(results: Mapping[str, Any]) -> None:
    """Prints the scores of a run; that its teacher has little to teach comes first.

    Args:
        results: the content of `results.json`.
    """
    from distune.training.scoring.scores import named_score
    from distune.training.teacher.check import run_warning

    if warning := run_warning(results):
        say(f"warning: {warning}")
    for split, metrics in results["splits"].items():
        scored = ((task, *named_score(values)) for task, values in metrics["tasks"].items())
        tasks = ", ".join(f"{task} {name} {value:.4f}" for task, name, value in scored)
        say(f"{split:5}score {metrics['score']:.4f}  ({tasks})")
    if results["test_split"] == "none":
        say("test: this data set has no test split")
    elif results["test_split"] == "shut":
        say("test: left shut; --test opens it, and records that")

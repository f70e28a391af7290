"""`distune tune`: a study, from its first trial to its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from distune.cli.options import Assignments, DataRoot, Gpu, Seed, assigned, devices_of, overrides, refuse
from distune.cli.output import say, say_message
from distune.cli.section_options import takes_section
from distune.config import StudyConfig, load_config

EXIT_CODES = {"finished": 0, "failed_alike": 1, "timeout": 3, "low_disk": 4, "interrupted": 130}
"""How `distune tune` ends, by reason; 2 is bad input."""
STOPPED = {
    "timeout": "stopped: its time is over",
    "low_disk": "stopped: too little disk space is left for another trial; free some",
    "interrupted": "interrupted",
}
"""What is said of a study that can go on, by reason."""
OPTION_NAMES = {"name": "study_name"}
OF_OTHER: dict[str, dict[str, Any]] = {
    "local": {"study.ray_address": None, "study.gpus_per_trial": 0.0},
    "ray": {"study.gpus": []},
}
"""By executor, what says something to the other one alone, as it is where the config does not say it."""


@takes_section("study", StudyConfig, OPTION_NAMES)
def tune(
    config: Annotated[
        Path, typer.Option(help="Base config (YAML); it is trial 0, and its study section says how.")
    ],
    given: dict[str, Any],
    gpu: Gpu = None,
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
    given |= overrides(data_root=data_root, seed=seed)
    taken = list(given)
    if devices := devices_of(gpu, given.get("study.gpus", ())):
        given["study.gpus"] = list(devices)
        taken += ["study.gpus", "training.device"]  # which would have no effect beside them
    taken += [f"{model}.epochs" for model in ("teacher", "student") if f"study.{model}_epochs" in given]
    settings = assigned(assignments, taken)
    # What the config says of an executor that an option replaces no longer counts.
    of_other = OF_OTHER.get(str(given.get("study.executor")), {})
    chosen = load_config(config, {**of_other, **settings, **given})
    if chosen.study.gpus:
        refuse(
            f"the config's study.gpus, {', '.join(chosen.study.gpus)}, name the devices",
            {"--set training.device": settings.get("training.device")},
        )

    from distune.tuning.coordinator.failures import is_of_place
    from distune.tuning.tune import TuneRequest
    from distune.tuning.tune import tune as run_study

    result = run_study(TuneRequest(config=chosen, config_path=str(config), fork=fork))
    storage = chosen.study.storage

    from distune import reporting
    from distune.cli.tune_output import print_outcome

    written: list[Path] = []
    if reporting.installed():
        from distune.reporting.report import refresh_report

        source = result.study_name if storage else result.folder
        written = refresh_report(source, result.folder, storage=storage)
    print_outcome(result.summary, [*result.summary["files"].values(), *written])
    if not reporting.installed():
        say(f"no report: {reporting.INSTALL}, then distune report", err=True)
    if result.failure:
        say_message(f"stopped: trials fail for one reason ({result.failure.kind}): {result.failure.message}")
        if is_of_place(result.failure):
            say("once that is put right, the same command resumes it", err=True)
    if result.reason in STOPPED:
        say(f"{STOPPED[result.reason]}; the same command resumes it", err=True)
    raise typer.Exit(EXIT_CODES[result.reason])

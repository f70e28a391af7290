"""`distune confirm`: does the gain hold over seeds and on the test split?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from distune.cli.options import (
    DataRoot,
    Executor,
    Gpu,
    Gpus,
    GpusPerTrial,
    RayAddress,
    Storage,
    Study,
    Workers,
    assigned,
    devices_of,
    listed,
)
from distune.cli.output import say
from distune.confirmation.request import LEAST_GAIN, RELEVANT_GAIN
from distune.utils.text import LONGEST_MESSAGE, one_line

EXIT_CODES = {"finished": 0, "incomplete": 1, "low_disk": 4, "interrupted": 130}
"""How `distune confirm` ends, by reason; 2 is bad input."""

KINDS = {
    "tuning_gain": "tuning gain",
    "distillation_gain": "distillation gain",
    "teacher_gap": "gap to the teacher",
    "against_trial": "against another trial",
    "trial_gain": "another trial's gain",
    "against_baseline": "against a baseline",
    "modality_gain": "gain from reading both",
}


def confirm(
    study: Study,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials take part.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each contender.")] = 5,
    relevant_gain: Annotated[
        float,
        typer.Option(
            min=LEAST_GAIN, max=1.0, help="The smallest gain in score that matters; power is for it."
        ),
    ] = RELEVANT_GAIN,
    new_cases: Annotated[
        int | None,
        typer.Option(
            min=1, help="Cases of the set whose score is forecast; default: as many as were evaluated."
        ),
    ] = None,
    workers: Workers = None,
    gpu: Gpu = None,
    gpus: Gpus = None,
    storage: Storage = None,
    executor: Executor = "local",
    ray_address: RayAddress = None,
    gpus_per_trial: GpusPerTrial = 0.0,
    again: Annotated[
        bool, typer.Option("--again", help="Open the test split once more; it is recorded.")
    ] = False,
    one_modality: Annotated[
        bool,
        typer.Option(
            "--one-modality", help="Also train the best student on the image alone and on the text alone."
        ),
    ] = False,
    subgroup_columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...", help="Score these columns' values apart, in place of data.subgroup_columns."
        ),
    ] = None,
    data_root: DataRoot = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A config value that says where it runs: --set training.threads=1. What is trained is the study's.",
        ),
    ] = None,
) -> None:
    """Train the best trials again over seeds, evaluate them once on the test split, and compare them."""
    from distune.confirmation.confirm import confirm as run_confirmation
    from distune.confirmation.request import ConfirmRequest

    devices = devices_of(gpu, listed("--gpus", gpus))
    of_options = {
        "data.root": data_root,
        "data.subgroup_columns": subgroup_columns,
        "training.device": devices,
    }
    request = ConfirmRequest(
        study=study,
        top=top,
        seeds=seeds,
        relevant_gain=relevant_gain,
        new_cases=new_cases,
        workers=workers or max(1, len(devices)),
        devices=devices,
        storage=storage,
        data_root=data_root,
        again=again,
        executor=executor,
        ray_address=ray_address,
        gpus_per_trial=gpus_per_trial,
        one_modality=one_modality,
        subgroup_columns=listed("--subgroup-columns", subgroup_columns),
        settings=assigned(assignments, [key for key, value in of_options.items() if value]),
    )
    result = run_confirmation(request, show=say)
    if result.reason == "interrupted":
        say("interrupted; the same command resumes it")
    elif result.reason == "low_disk":
        say(
            f"stopped before anything was evaluated: {result.folder} has too little disk space for another run; "
            "free some, and the same command resumes it"
        )
    else:
        print_numbers(result.numbers, result.folder)
        _refresh_report(study, storage, result.folder)
    raise typer.Exit(EXIT_CODES[result.reason])


def _refresh_report(study: str, storage: str | None, folder: Path) -> None:
    """A report that was written before the confirmation would no longer be true."""
    from distune import reporting

    if not reporting.installed():
        say(f"no report: {reporting.INSTALL}, then distune report", err=True)
        return
    from distune.reporting.report import MARKDOWN_FILE, refresh_report

    if refresh_report(study, folder, storage=storage):
        say(f"             {folder / MARKDOWN_FILE}")


def print_numbers(numbers: Mapping[str, Any], folder: Path) -> None:
    """Prints scores, comparisons, optimism and recommendation."""
    split = numbers["split"]
    say()
    splits = ("dev", split if split != "dev" else "test")
    say(f"{'score, mean and 95 % interval, seeds and cases':48}{splits[0]:>24}{splits[1]:>24}")
    for name, about in numbers["contenders"].items():
        shown = [_interval(about["splits"].get(each)) for each in splits]
        say(f"{name:48}{shown[0]:>24}{shown[1]:>24}")
    say()
    say(f"differences on {split}" + (", which the search has seen: optimistic" * numbers["optimistic"]))
    for each in numbers["comparisons"]:
        pair = f"{KINDS[each['kind']]}: {each['first']} - {each['second']}"
        say(f"{pair:64}{_difference(each)}  {each['verdict']}, power {each['power']:.0%}")
    say(f"power: the chance to show a true gain of {numbers['relevant_gain']:g}")
    for each in numbers["comparisons_missing"]:
        say(f"{KINDS[each['kind']]}: not known, {each['reason']}")
    _print_optimism(numbers["optimism"])
    for failure in numbers["failures"]:
        why = one_line(failure["message"], LONGEST_MESSAGE)
        say(f"missing: {failure['contender']} seed {failure['seed']} ({failure['kind']}: {why})")
    for note in numbers["notes"]:
        say(f"note: {note}")
    recommendation = numbers["recommendation"]
    say()
    say(f"recommended: {recommendation['contender']}. {recommendation['text']}")
    scored = numbers["contenders"][recommendation["contender"]]["splits"][split]
    if scored is not None:
        flatters = f" (from {split}, which the search has seen: it flatters)" * numbers["optimistic"]
        say(_forecast(scored["forecast"], flatters))
    say(f"files        {folder / 'confirmation.json'}")
    say(f"             {folder / recommendation['config']}")


def _forecast(forecast: Mapping[str, Any] | None, flatters: str) -> str:
    if forecast is None:
        return "forecast: none; so few cases and seeds, or cases that are all answered alike, say nothing of new ones"
    of_one = ", by this one training: one seed does not say how far others lie" * (forecast["seeds"] == 1)
    return (
        f"forecast: a new set of {forecast['cases']} cases will score between {forecast['low']:.3f} and "
        f"{forecast['high']:.3f} in 95 %{of_one}{flatters}"
    )


def _print_optimism(optimism: Mapping[str, Any] | None) -> None:
    if optimism is None or optimism["search_score"] is None:
        return
    test = f", {optimism['test']['mean']:.4f} on test" if optimism["test"] else ""
    say()
    folds = optimism.get("folds")
    of = f" (mean over {folds} folds of train and dev, not dev alone)" if folds else ""
    say(
        f"{optimism['contender']}: {optimism['search_score']:.4f} in the search{of}, "
        f"{optimism['dev']['mean']:.4f} over seeds on dev{test}{_again(optimism)}"
    )


def _interval(split: Mapping[str, Any] | None) -> str:
    if split is None:
        return "-"
    score = split["score"]
    if score["low"] is None:
        return f"{score['mean']:.4f}"
    return f"{score['mean']:.4f} [{score['low']:.3f}, {score['high']:.3f}]"


def _difference(comparison: Mapping[str, Any]) -> str:
    return f"{comparison['difference']:+.4f} [{comparison['low']:+.4f}, {comparison['high']:+.4f}]"


def _again(optimism: Mapping[str, Any]) -> str:
    loss = optimism["loss"]
    if loss is None:
        return ""
    return (
        f"; luck of the search {loss['mean']:+.4f} [{loss['low']:+.4f}, {loss['high']:+.4f}] on {loss['on']}"
    )

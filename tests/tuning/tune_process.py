"""`tune` in a process of its own, for tests that kill it; its trials are those of `closed_form_trials`."""

from __future__ import annotations

from pathlib import Path

from study_helpers import base_config, tune_request

from distune.errors import UserError
from distune.tuning.tune import tune
from tests.forked import Forked


def start(folder, n_trials, workers=1, function="slow", epoch_seconds=0.05, as_threads=False, **options):
    """Starts the command; with `as_threads` its workers are threads: coordinators cost half as many processes."""
    request = tune_request(
        base_config(student__epochs=6),
        n_trials=n_trials,
        workers=workers,
        logs=Path(folder),
        dataset="sha256:0",
        trial_function=f"closed_form_trials:{function}",
        teacher_trial_function=f"closed_form_trials:{function}_teacher",
        **{"study_name": "study", "strategy": "joint", **options},
    )
    output = Path(folder) / f"output_{len(list(Path(folder).glob('output_*')))}.txt"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.touch()
    return Forked(output, _run, request, as_threads, EPOCH_SECONDS=str(epoch_seconds))


def _run(request, as_threads):
    if as_threads:
        import pytest

        from tests.in_this_process import workers_in_this_process

        workers_in_this_process(pytest.MonkeyPatch())
    try:
        result = tune(request)
    except UserError as error:
        print("error:", error)
        raise SystemExit(2) from None
    print("reason", result.reason)

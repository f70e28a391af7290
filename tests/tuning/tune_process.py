"""`tune` in a process of its own, for tests that kill it: FOLDER N_TRIALS WORKERS FUNCTION [key=value ...].

With `as_threads=yes` its workers are threads: several coordinators cost half as many processes."""

from __future__ import annotations

import sys
from pathlib import Path

from study_helpers import base_config, tune_request

from distune.errors import UserError
from distune.tuning.tune import tune


def main() -> None:
    folder, n_trials, workers, function, *others = sys.argv[1:]
    options = dict(item.split("=", 1) for item in others)
    if "as_threads" in options:
        import pytest

        from tests.in_this_process import workers_in_this_process

        workers_in_this_process(pytest.MonkeyPatch())
    try:
        result = tune(request(folder, int(n_trials), int(workers), function, options))
    except UserError as error:
        print("error:", error)
        raise SystemExit(2) from None
    print("reason", result.reason)


def request(folder, n_trials, workers, function, options):
    return tune_request(
        base_config(student__epochs=6),
        n_trials=n_trials,
        study_name=options.get("study_name", "study") or None,
        sampler=options.get("sampler"),
        pruner=options.get("pruner"),
        workers=workers,
        logs=Path(folder),
        storage=options.get("storage"),
        dataset="sha256:0",
        trial_function=f"closed_form_trials:{function}",
        strategy=options.get("strategy", "joint"),
        teacher_trial_function=f"closed_form_trials:{function}_teacher",
    )


if __name__ == "__main__":
    main()

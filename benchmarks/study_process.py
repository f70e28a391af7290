"""A coordinator in a process of its own, so that it can be killed: `start(logs, ...)`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

STUDY = "study"


def start(
    logs: Path,
    config: dict[str, Any],
    *,
    n_trials: int,
    workers: int,
    trial_function: str,
    pruner: str = "none",
    sampler: str = "tpe",
    storage: str | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Starts one; what it prints goes to `coordinator.log` beside the study, and its request through stdin."""
    logs.mkdir(parents=True, exist_ok=True)
    request = {
        "config": config, "n_trials": n_trials, "workers": workers, "trial_function": trial_function,
        "pruner": pruner, "sampler": sampler, "storage": storage, "logs": str(logs),
    }  # fmt: skip
    with (logs / "coordinator.log").open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.study_process"], stdin=subprocess.PIPE, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}, text=True,
        )  # fmt: skip
    if process.stdin is not None:
        process.stdin.write(json.dumps(request))
        process.stdin.close()
    return process


def main() -> None:
    """Reads a request and runs its study; the exit code is 0 if it is finished."""
    from distune.config import parse_config
    from distune.tuning.tune import TrialFunctions, TuneRequest, tune

    values = json.load(sys.stdin)
    config, logs = parse_config(values.pop("config")), Path(values.pop("logs"))
    functions = TrialFunctions(values.pop("trial_function"))
    settings = {"name": STUDY, **values}
    result = tune(TuneRequest.of(config, settings, logs=logs, dataset="benchmark", functions=functions))
    sys.exit(0 if result.reason == "finished" else 1)


if __name__ == "__main__":
    main()

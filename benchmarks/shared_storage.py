"""Several coordinators on one study in PostgreSQL or MariaDB, whose server is stopped in the middle.

    python -m benchmarks.shared_storage [--server postgresql|mariadb] [--trials 200] [--coordinators 4] [--workers 2]
        [--stopped 20] [--out FILE]

Starts a private server on loopback: Debian's, or for PostgreSQL the one of the package pgserver.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.study import Study

from benchmarks.guarantees import FINISHED, Figure, exactly, guarantees, publish
from benchmarks.resumable import undisturbed
from benchmarks.study_process import STUDY, start
from distune.config import Config, as_dict, with_values
from distune.tuning.study.storage import open_storage
from distune.tuning.study.storage_retry import StorageRetry

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tuning"))
from mariadb import MariaDB
from postgresql import PostgreSQL
from servers import Server, running

LIMIT_SECONDS = 900.0
SERVERS: dict[str, type[Server]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", choices=SERVERS, default="postgresql")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--coordinators", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="of each coordinator")
    parser.add_argument("--stopped", type=float, default=20.0, help="seconds without a server")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, running(SERVERS[given.server]) as server:
        figures = shared(Path(folder), server, given)
    publish(figures, given.out)


def shared(logs: Path, server: Server, given: argparse.Namespace) -> list[Figure]:
    """Runs the coordinators and stops the server when half of the trials are finished."""
    config = with_values(Config(), {"student.epochs": 4})
    began = time.perf_counter()
    processes = [
        start(
            logs, as_dict(config), n_trials=given.trials, workers=given.workers, storage=server.url,
            trial_function="benchmarks.resumable:train",
            environment={"EPOCH_SECONDS": "0.05", "OMP_NUM_THREADS": "1"},
        )
        for _ in range(given.coordinators)
    ]  # fmt: skip
    study = _wait_for(server, given.trials // 2, processes)
    before = _finished(study)
    server.stop()
    time.sleep(given.stopped)
    alive = sum(process.poll() is None for process in processes)
    server.start()
    codes = [process.wait(timeout=LIMIT_SECONDS) for process in processes]
    seconds = time.perf_counter() - began
    trials = StorageRetry()(lambda: study.get_trials(deepcopy=False))
    shares = [trial.user_attrs.get("coordinator") for trial in trials if trial.state in FINISHED]
    by_coordinator = sorted((shares.count(name) for name in set(shares)), reverse=True)
    shown = [
        path for path in logs.rglob("*") if path.is_file() and server.password.encode() in path.read_bytes()
    ]
    return [
        Figure("server", server.version),
        Figure("server stopped for", f"{given.stopped:g} s, after {before} trials"),
        exactly("coordinators alive after that", alive, given.coordinators),
        exactly("coordinators that found the study finished", codes.count(0), given.coordinators),
        *guarantees(
            study, given.trials, lambda _, one: undisturbed(as_dict(one)), logs / STUDY / "study.log"
        ),
        exactly("files with the password", len(shown), 0),
        Figure("trials by coordinator", ", ".join(map(str, by_coordinator))),
        Figure("wall time", f"{seconds:.0f} s"),
    ]


def _wait_for(server: Server, finished: int, coordinators: Sequence[subprocess.Popen[str]]) -> Study:
    storage, until = open_storage(server.url), time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < until and any(process.poll() is None for process in coordinators):
        time.sleep(0.25)
        try:
            study = optuna.load_study(study_name=STUDY, storage=storage)
        except KeyError:
            continue
        if _finished(study) >= finished:
            return study
    raise SystemExit("the study never got half of its trials")


def _finished(study: Study) -> int:
    return len(study.get_trials(deepcopy=False, states=FINISHED))


if __name__ == "__main__":
    main()

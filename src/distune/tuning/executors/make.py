"""The executor that a user asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from distune.errors import UserError
from distune.tuning.executors.base import Executor
from distune.tuning.executors.local import LocalExecutor
from distune.utils.text import counted
from distune.utils.threads import usable_cores

EXECUTORS = ("local", "ray")
WORKERS_PER_CORE = 8
"""More local processes than that share a core to no use, and each holds half a gigabyte."""


def check_executor(
    name: str,
    *,
    devices: Sequence[str] = (),
    ray_address: str | None = None,
    gpus_per_trial: float = 0.0,
) -> None:
    """Refuses an executor that there is not, and what the one that is asked for would not look at.

    Args:
        name: one of `EXECUTORS`.
        devices: that the user names for its workers.
        ray_address: of a Ray cluster.
        gpus_per_trial: GPUs that Ray sets aside for a trial.

    Raises:
        UserError: names those that there are, or what has no effect.
    """
    if name not in EXECUTORS:
        raise UserError(f"executor: {name}; there are {', '.join(EXECUTORS)}")
    if name == "ray" and devices:
        raise UserError(
            f"gpus: {','.join(devices)}; Ray itself chooses the GPUs of its workers, so leave --gpus and --gpu out "
            "and say with --gpus-per-trial how many a training gets"
        )
    of_ray = {"ray_address": ray_address, "gpus_per_trial": gpus_per_trial}
    given = [f"{option}: {value}" for option, value in of_ray.items() if value]
    if name != "ray" and given:
        raise UserError(f"{', '.join(given)}: for Ray alone; leave it out, or add --executor ray")


def devices_for(
    executor: str,
    asked: Sequence[str],
    workers: int,
    gpus_per_trial: float = 0.0,
    *,
    ray_address: str | None = None,
) -> tuple[str, ...]:
    """The device of each worker of an executor; nothing is started.

    Args:
        executor: one of `EXECUTORS`, which `check_executor` has seen.
        asked: names of devices; auto stands for every GPU of this machine.
        workers: trials at once.
        gpus_per_trial: GPUs that Ray sets aside for a trial.
        ray_address: of the Ray cluster; "local" is a private one on this machine.

    Raises:
        UserError: too many workers are asked for, or a device is not there.
    """
    from distune.training.devices import worker_devices

    most = max(WORKERS_PER_CORE * usable_cores(), len(asked))
    if "local" in (executor, ray_address) and workers > most:
        raise UserError(
            f"workers: {workers:,} processes are too many for {usable_cores()} cores; ask for at most {most}"
        )
    return worker_devices(asked, workers, gpus_per_trial=gpus_per_trial if executor == "ray" else None)


def described(executor: str, devices: Sequence[str], gpus_per_trial: float = 0.0) -> str:
    """Who gets what, in one line."""
    if executor == "local":
        return ", ".join(f"worker-{number}: {device}" for number, device in enumerate(devices))
    what = f"{gpus_per_trial:g} of a GPU" if gpus_per_trial else "no GPU"
    return f"{counted(len(devices), 'worker')} of the Ray cluster with {what} each"


def make_executor(
    name: str,
    function: str,
    folder: Path,
    *,
    workers: int,
    devices: Sequence[str],
    threads: int | None,
    ray_address: str | None = None,
    gpus_per_trial: float = 0.0,
    interrupted: Callable[[], int] = lambda: 0,
) -> Executor:
    """Starts the workers.

    Args:
        name: one of `EXECUTORS`.
        function: the trial function as `package.module:function`.
        folder: where the workers' output goes.
        workers: trials at once.
        devices: what `devices_for` gives.
        threads: CPU threads a worker; empty divides the cores.
        ray_address: of the Ray cluster; empty is this machine's.
        gpus_per_trial: GPUs that Ray sets aside for a trial.
        interrupted: how often the user asked for an end; ends the wait for room in the cluster.

    Raises:
        UserError: there is no such cluster.
    """
    if name == "local":
        return LocalExecutor(function, folder, workers=workers, devices=devices, threads=threads)
    from distune.tuning.executors.ray import RayExecutor

    return RayExecutor(
        function,
        folder,
        address=ray_address or "auto",
        workers=workers,
        gpus_per_trial=gpus_per_trial,
        threads=threads,
        interrupted=interrupted,
    )

"""Executors: local processes, or a simulation with virtual time."""

from distune.tuning.executors.base import Executor
from distune.tuning.executors.local import LocalExecutor
from distune.tuning.executors.simulated import SimulatedExecutor

__all__ = ["Executor", "LocalExecutor", "SimulatedExecutor"]

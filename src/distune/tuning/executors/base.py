"""What an executor is: the place where workers live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from distune.tuning.trials.messages import Event, TrialTask


class Executor(ABC):
    """Runs trials on workers and reports what happens, without knowing studies.

    The contract (held by one test class for all executors): a submitted trial yields any number of `EpochReported`
    events, in order, each waiting for one `answer`, and then exactly one `TrialFinished`; a worker that dies yields a
    `TrialFinished` with a failure and is replaced; nothing is reported of a trial after its `TrialFinished`.
    """

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many trials run at once."""

    @abstractmethod
    def free(self) -> int:
        """How many trials can be submitted now."""

    @abstractmethod
    def submit(self, task: TrialTask) -> None:
        """Gives a trial to a free worker, which sets the task's device and threads."""

    @abstractmethod
    def answer(self, number: int, proceed: bool) -> None:
        """Answers the last `EpochReported` of a trial; an answer to a trial that has ended is ignored."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Event]:
        """What happened, oldest first; returns at the first events, or with none after some seconds."""

    @abstractmethod
    def now(self) -> float:
        """The executor's clock in seconds; only differences mean anything."""

    @abstractmethod
    def close(self) -> None:
        """Ends all workers within seconds, whatever they do."""

    def __enter__(self) -> Executor:
        """The executor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the executor."""
        self.close()

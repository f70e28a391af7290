"""Training the runs of a confirmation on the executors of the study."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from distune.confirmation.jobs import Job
from distune.tuning.coordinator.coordinator import SHOW_SECONDS
from distune.tuning.coordinator.failures import is_of_place
from distune.tuning.coordinator.retry_policy import STALLED_LIMIT
from distune.tuning.executors.base import Executor
from distune.tuning.trials.messages import EpochReported, Failure, TrialFinished
from distune.tuning.trials.trial import read_progress
from distune.utils.progress import duration
from distune.utils.text import LONGEST_MESSAGE, counted, one_line

ATTEMPTS = 2
"""How often a run that fails is tried; one whose worker was only lost is tried more often."""
_log = logging.getLogger(__name__)


@dataclass
class TrainingEnd:
    """How the runs ended.

    Attributes:
        failed: the last failure by job number.
        interrupted: whether runs were left for later.
        low_disk: whether that was because the disk is nearly full.
        stopped_by: what every other run would meet as well: data that have changed, no access to a folder, a disk that
            fails.
    """

    failed: dict[int, Failure] = field(default_factory=dict)
    stopped_by: Failure | None = None
    interrupted: bool = False
    low_disk: bool = False


def train_all(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    interrupted: Callable[[], int] = lambda: 0,
    has_room: Callable[[], bool] = lambda: True,
    show: Callable[[str], None] = lambda line: None,
) -> TrainingEnd:
    """Runs all jobs; one that was started before resumes from its last checkpoint.

    Args:
        jobs: those that are not done.
        executor: where workers live.
        interrupted: asked at every turn: 0 continue, 1 stop at the next epoch, 2 stop now.
        has_room: asked before a run begins whether the disk has space for it; those that run end in any case.
        show: called with one line on how each run ended.
    """
    training = _Training(jobs, executor, show)
    said = executor.now()
    while training.active or (training.waiting and not interrupted() and training.end.stopped_by is None):
        if interrupted() > 1:
            break
        if not training.active and (training.end.low_disk or not has_room()):
            training.end.low_disk = True
            break
        while training.may_begin() and not interrupted() and has_room():
            training.begin_next()
        if executor.now() - said >= SHOW_SECONDS:
            said = executor.now()
            _show_within(training.active.values(), show)
        for event in executor.wait(0.5):
            if isinstance(event, EpochReported):
                executor.answer(event.number, not interrupted())
            elif isinstance(event, TrialFinished):
                training.finish(event)
    training.end.interrupted = bool(interrupted()) and training.ended < len(jobs)
    return training.end


class _Training:
    """The runs that wait, those that are active, and how the others ended."""

    def __init__(self, jobs: Sequence[Job], executor: Executor, show: Callable[[str], None]):
        self.waiting, self.active = deque(jobs), dict[int, Job]()
        self.end, self.ended = TrainingEnd(), 0
        self._executor, self._show, self._jobs = executor, show, len(jobs)
        self._tries, self._lost = Counter[int](), Counter[int]()
        self._began = executor.now()

    def may_begin(self) -> bool:
        """Whether a run waits, a worker is free, and nothing was met that would end this run as well."""
        is_sound = self.end.stopped_by is None and not self.end.low_disk
        return bool(self.waiting) and is_sound and self._executor.free() > 0

    def begin_next(self) -> None:
        """Sends the next run to a worker."""
        job = self.waiting.popleft()
        self._tries[job.number] += 1
        self.active[job.number] = job
        self._executor.submit(job.task(self._tries[job.number]))

    def finish(self, event: TrialFinished) -> None:
        """Notes how a run ended, or lets it wait to be tried again."""
        job = self.active.pop(event.number, None)
        if job is None:
            return
        if isinstance(event.result, Failure):
            self._fail(job, event.result)
        elif event.result.state == "complete":
            self.ended += 1
            self._say(job, f"dev score {event.result.score:.4f}{self._ends()}")

    def _fail(self, job: Job, failure: Failure) -> None:
        _log.warning("%s seed %d: %s: %s", job.contender, job.seed, failure.kind, failure.message)
        if failure.kind == "disk_full":
            self.end.low_disk = True
        elif is_of_place(failure):
            self.end.stopped_by = failure
        elif self._is_tried_again(job, failure):
            self.waiting.append(job)
        else:
            self.ended += 1
            self.end.failed[job.number] = failure
            self._say(job, f"failed ({failure.kind}): {one_line(failure.message, LONGEST_MESSAGE)}")

    def _is_tried_again(self, job: Job, failure: Failure) -> bool:
        if failure.kind == "preempted":
            self._lost[job.number] += 1
            return self._lost[job.number] < STALLED_LIMIT
        return failure.kind != "config" and self._tries[job.number] - self._lost[job.number] < ATTEMPTS

    def _ends(self) -> str:
        if self.ended == self._jobs:
            return ""
        left = (self._executor.now() - self._began) / self.ended * (self._jobs - self.ended)
        return f", all end in {duration(left)}"

    def _say(self, job: Job, result: str) -> None:
        by = f", {counted(job.folds, 'fold')}" if job.folds is not None else ""
        self._show(f"{self.ended}/{self._jobs}  {job.contender} seed {job.seed}{by}: {result}")


def _show_within(active: Iterable[Job], show: Callable[[str], None]) -> None:
    """Shows what the first run that takes long between or within its epochs is at."""
    for job in active:
        if at := read_progress(job.folder):
            show(f"{job.contender} seed {job.seed}: {at}")
            return

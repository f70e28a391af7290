"""What a study cost, and what pruning saved of it.

Saved time = sum over pruned trials p of (mean seconds of complete trials - seconds of p): a pruned trial is
taken to have cost as much as the mean complete one. Its share is of the time that complete and pruned trials
would then have taken together; failed trials are not part of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from distune.analysis.records.study_record import State, StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.utils.text import counted

ENDED: tuple[State, ...] = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class Times:
    """Seconds of the trials in one state.

    Attributes:
        trials: number of trials in the state.
        timed: how many of them have a time.
        mean: mean seconds.
        median: median seconds.
        total: sum of seconds.
    """

    trials: int
    timed: int
    mean: float
    median: float
    total: float


@dataclass(frozen=True)
class Saving:
    """The time that pruning saved.

    Attributes:
        spent: seconds that complete and pruned trials took.
        saved: seconds that pruned trials would have taken more; below zero where they took longer than complete ones.
        by_median: saved seconds where the median complete trial is the yardstick.
        by_steps: saved seconds where each pruned trial's own evaluated epochs or folds are; Unknown without them.
        untimed: pruned trials that have no time and count as having saved nothing.
    """

    spent: float
    saved: float
    by_median: float
    by_steps: float | Unknown
    untimed: int

    def share(self, saved: float) -> float:
        """Seconds saved by any yardstick / seconds that all would have taken by it."""
        return saved / (self.spent + saved) if self.spent + saved else 0.0


@dataclass(frozen=True)
class Wall:
    """How long the study took on the clock.

    Attributes:
        seconds: the duration.
        rule: how it was found, as part of a sentence.
        started: first moment.
        finished: last moment.
    """

    seconds: float
    rule: str
    started: datetime
    finished: datetime


@dataclass(frozen=True)
class StudyCost:
    """All numbers about time.

    Attributes:
        times: seconds by state, states without timed trials left out.
        saving: what pruning saved.
        wall: the duration on the clock.
        stages: total seconds by stage over the trials that record them.
        staged_trials: how many trials record stages.
        cache: sums of what the store reports over all trials, by name; empty where nothing is reported.
    """

    times: Mapping[State, Times]
    saving: Saving | Unknown
    wall: Wall | Unknown
    stages: Mapping[str, float]
    staged_trials: int
    cache: Mapping[str, float]


CLOCK_SET_BACK = Unknown("The clock was set back while the study ran, so how long it took is not known.")


def cost(study: StudyRecord) -> StudyCost:
    """Adds up the times of what ran in a study; the trials that a fork copied ran in another one."""
    study = replace(study, trials=tuple(trial for trial in study.trials if trial.copied_from is None))
    times = {state: found for state in ENDED if (found := _times(study.of(state)))}
    staged = [trial.stage_seconds for trial in study.trials if trial.stage_seconds]
    return StudyCost(
        times=times,
        saving=_saving(study, times),
        wall=_wall(study),
        stages=sums(staged),
        staged_trials=len(staged),
        cache=sums([trial.cache for trial in study.trials if trial.cache]),
    )


def _times(trials: Sequence[TrialRecord]) -> Times | None:
    seconds = [trial.seconds for trial in trials if trial.seconds is not None]
    if not seconds:
        return None
    return Times(
        trials=len(trials),
        timed=len(seconds),
        mean=statistics.fmean(seconds),
        median=statistics.median(seconds),
        total=sum(seconds),
    )


def _saving(study: StudyRecord, times: Mapping[State, Times]) -> Saving | Unknown:
    pruned = study.of("pruned")
    if not pruned and study.absent:
        return Unknown("The table may hold the best trials alone, so what pruning saved is not known.")
    if not pruned:
        return Unknown("No trial was pruned in this study, so pruning saved nothing.")
    if "complete" not in times:
        return Unknown("No complete trial has a time, so what the pruned ones would have cost is not known.")
    if "pruned" not in times:
        return Unknown("No pruned trial has a time, so what pruning saved is not known.")
    complete, ended_early = times["complete"], times["pruned"]
    spent = complete.total + ended_early.total
    saved = ended_early.timed * complete.mean - ended_early.total
    return Saving(
        spent=spent,
        saved=saved,
        by_median=ended_early.timed * complete.median - ended_early.total,
        by_steps=_saved_steps(pruned, study),
        untimed=ended_early.trials - ended_early.timed,
    )


def _saved_steps(pruned: Sequence[TrialRecord], study: StudyRecord) -> float | Unknown:
    """Seconds of the evaluated epochs or folds that were not run, each as long as the trial's own mean one."""
    whole = _steps(study)
    if whole is None:
        return Unknown(f"The study does not record the {study.scored_stage}'s epochs.")
    saved = 0.0
    for trial in pruned:
        by_stage = (trial.stage_seconds or {}).get(study.scored_stage)
        spent, done = by_stage if study.folds is None else trial.seconds, len(trial.intermediate)
        if spent is None or not done:
            return Unknown("Not every pruned trial records what it had done and the seconds that took.")
        saved += max(whole - done, 0) * spent / done
    return saved


def _steps(study: StudyRecord) -> int | None:
    """Evaluated epochs of a complete trial, or its folds."""
    if study.folds is not None:
        return study.folds
    return study.student_epochs if study.scored_stage == "student" else study.teacher_epochs


def _wall(study: StudyRecord) -> Wall | Unknown:
    from_sessions = _wall_of_sessions(study)
    if from_sessions is not None:
        return from_sessions
    timed = [trial for trial in study.trials if trial.seconds is not None]
    starts = [_naive(trial.started) for trial in timed if trial.started is not None]
    ends = [_naive(trial.finished) for trial in timed if trial.finished is not None]
    if not starts or not ends:
        return Unknown("The trials do not record when they started and finished.")
    first, last = min(starts), max(ends)
    rule = "from the start of the first trial to the end of the last, pauses included"
    return CLOCK_SET_BACK if last < first else Wall((last - first).total_seconds(), rule, first, last)


def _wall_of_sessions(study: StudyRecord) -> Wall | Unknown | None:
    """Time in which a session ran; one that was killed ends with the last trial that finished in it."""
    sessions = [session for session in study.sessions or () if session.started is not None]
    if not sessions:
        return None
    sessions.sort(key=lambda session: _naive(session.started))
    total, killed, moments, reached = timedelta(), 0, [], datetime.min
    for session, following in zip(sessions, [*sessions[1:], None], strict=True):
        start, end = session.started, session.finished
        assert start is not None
        if end is None:
            killed += 1
            end = _last_end(study, start, following.started if following else None)
        first, last = _naive(start), _naive(end)
        if last < first:
            return CLOCK_SET_BACK
        total += max(last - max(first, reached), timedelta())
        reached = max(reached, last)
        moments += [first, last]
    rule = f"{counted(len(sessions), 'run')} of the tuning command, pauses left out"
    if killed:
        rule += f", {killed} of which left no end and count{'s' if killed == 1 else ''} to its last finished trial"
    return Wall(total.total_seconds(), rule, min(moments), max(moments))


def _last_end(study: StudyRecord, start: datetime, before: datetime | None) -> datetime:
    """The end of the last trial that finished between two moments, else the first moment."""
    low, high = _naive(start), _naive(before) if before else None
    ends = [_naive(trial.finished) for trial in study.trials if trial.finished is not None]
    inside = [end for end in ends if end >= low and (high is None or end <= high)]
    last = max(inside, default=low)
    return start + (last - low)


def _naive(moment: datetime | None) -> datetime:
    """Optuna's times are local and without a zone; so are these, to be compared with them."""
    assert moment is not None
    return moment.astimezone().replace(tzinfo=None) if moment.tzinfo else moment


def sums(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The numbers of several mappings added up by name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}

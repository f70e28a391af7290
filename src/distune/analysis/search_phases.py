"""The phases of a search, each with its cost: a staged search tuned its teachers first, in a study of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distune.analysis.cost import ENDED, StudyCost, Wall, cost, sums
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown


@dataclass(frozen=True)
class Phase:
    """One study of a search.

    Attributes:
        title: teachers or students; empty where the search is one study.
        study: its record.
        cost: its times.
    """

    title: str
    study: StudyRecord
    cost: StudyCost


def phases(study: StudyRecord) -> tuple[Phase, ...]:
    """The phases in the order in which they ran; one where there was no study of teachers, or it cannot be read."""
    students = Phase("students" if study.teacher_record else "", study, cost(study))
    if study.teacher_record is None:
        return (students,)
    return (Phase("teachers", study.teacher_record, cost(study.teacher_record)), students)


def trials_of(searched: Sequence[Phase]) -> list[TrialRecord]:
    """The trials of all phases."""
    return [trial for phase in searched for trial in phase.study.trials]


def own_trials_of(searched: Sequence[Phase]) -> list[TrialRecord]:
    """Those that ended here, in this study's duration; a fork copied the others."""
    return [trial for trial in trials_of(searched) if trial.copied_from is None and trial.state in ENDED]


def wall_of(searched: Sequence[Phase]) -> Wall | Unknown:
    """Time on the clock. A phase begins when the one before it has ended, so the times add up."""
    walls: list[tuple[str, Wall]] = []
    for phase in searched:
        if isinstance(phase.cost.wall, Unknown):
            return phase.cost.wall
        walls.append((phase.title, phase.cost.wall))
    if len(walls) == 1:
        return walls[0][1]
    return Wall(
        seconds=sum(wall.seconds for _, wall in walls),
        rule="; ".join(f"{title}: {wall.rule}" for title, wall in walls),
        started=min(wall.started for _, wall in walls),
        finished=max(wall.finished for _, wall in walls),
    )


def parallelism_of(searched: Sequence[Phase]) -> float | Unknown:
    """Seconds of all trials / seconds on the clock: how many trials ran at once, on average."""
    wall = wall_of(searched)
    if isinstance(wall, Unknown):
        return wall
    timed = [trial.seconds for trial in own_trials_of(searched) if trial.seconds is not None]
    spent = sum(timed)
    if wall.seconds <= 0 or not spent:
        return Unknown("No trial has a time.")
    if spent / wall.seconds > len(timed):
        return Unknown("The trials took longer than all of them at once could have in this study's duration.")
    return spent / wall.seconds


def seconds_by_stage(searched: Sequence[Phase]) -> dict[str, float]:
    """Seconds by stage of a trial (data, teacher, ...) over the trials of all phases."""
    return sums([phase.cost.stages for phase in searched])


def store_of(searched: Sequence[Phase]) -> dict[str, float]:
    """What the store reports over the trials of all phases."""
    return sums([phase.cost.cache for phase in searched])

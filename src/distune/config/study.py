"""How a study searches: the `study:` section. Each field is an option of `distune tune` as well."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distune.config.section import ConfigSection, HomeName, HomePath, Name
from distune.config.training import DeviceName

MOST_TRIALS, MOST_WORKERS = 1_000_000, 10_000
"""More than anybody waits for, and than any machine has."""


class StudyConfig(ConfigSection):
    """How `distune tune` searches; it decides nothing about what one training computes."""

    n_trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 30
    """Finished trials that the study shall have, over all restarts."""
    gpus: tuple[DeviceName, ...] = ()
    """Devices of the workers, one each in turn: cuda:0, cuda:1; empty takes training.device."""
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] | None = None
    """Trainings at once; empty: one for each device. They share the machine's cores as if they were alone on it:
    beside another study, set training.threads to each one's share."""
    name: str | None = None
    """A new name, or that of a study to resume; empty resumes the last unfinished study on the same question."""
    timeout: Annotated[float, Field(ge=0.0, le=1e9)] | None = None
    """Seconds; running trials stop at their next epoch."""
    sampler: Literal["tpe", "random", "gp", "qmc"] | None = None
    """tpe: the default, for 15 to 1,000 trials; random: an unbiased picture of the space; gp: few, expensive trials
    with mostly numeric parameters; qmc: an even spread over the space. Empty keeps an existing study's."""
    pruner: Literal["median", "percentile", "hyperband", "patient", "none"] | None = None
    """median: the default; percentile: stops only the worst quarter; hyperband: for very many trials; patient: median
    that waits out noise; none: every trial runs to its end. Empty keeps an existing study's."""
    storage: Name | None = None
    """Database of the study (SQLAlchemy URL); empty: its SQLite file."""
    teacher_epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of a trial's teacher, instead of teacher.epochs."""
    student_epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of a trial's student, instead of student.epochs."""
    tune_fusion: bool = False
    """Also search the fusion modules."""
    tune_loss: bool = False
    """Also search the distillation loss."""
    tune_backbones: bool = False
    """Also search the student's encoders."""
    only: tuple[Name, ...] = ()
    """Search these parameters alone."""
    space: HomeName | None = None
    """recommended: the narrow ranges of the classic MedPix study; or a YAML file with a search_space section, such as a
    report's recommended_space.yaml."""
    start_from: HomePath | None = None
    """Lay this config's fusion, dropout, learning rates and loss over the base config, such as another study's
    best_config.yaml; with only: alpha, beta, T it fine-tunes them on other data."""
    strategy: Literal["joint", "staged"] = "joint"
    """joint: teacher and student together, by the student's score; staged: first the teacher by its own score, in a
    third of the trials, then the student with the best few teachers."""
    prune_teacher: bool = False
    """joint: stop a trial whose teacher falls behind the median teacher, before its student trains."""
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    """joint: score a trial by its mean over so many folds of train and dev, not by the dev split; for dev splits of few
    cases, which cannot tell trials apart. Trains each trial so many times. Pruners: median, percentile, none."""
    on_oom: Literal["fail", "retry"] = "fail"
    """Out of memory: fail, or retry once with half the batch in memory."""
    keep_best: Annotated[int, Field(ge=0, le=MOST_TRIALS)] = 3
    """How many of the best trials keep their weights on disk, from the next trial that ends on."""
    executor: Literal["local", "ray"] = "local"
    """Where workers live: local processes, or ray (pip install 'distune[ray]')."""
    ray_address: Name | None = None
    """Ray cluster, HOST:PORT; local starts a private one; empty: this machine's."""
    gpus_per_trial: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """GPUs that Ray sets aside for a training; below 1 shares one."""
    accept_leaks: bool = False
    """Tune on data whose audit has severe findings."""

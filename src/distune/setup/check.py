"""`distune check`: what can be known of an experiment before any training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from distune.checking import check_experiment
from distune.config import Config
from distune.data.audit.audit import audit
from distune.data.demo.demo import without_writing
from distune.data.table import Table
from distune.setup.downloads import download_lines
from distune.setup.estimate import NO_MEMORY, Estimate, estimate, examples_tried
from distune.store.store import cache_folder
from distune.training.devices import resolve_device
from distune.training.scoring.scores import undefined_scores
from distune.tuning.space.inert import inert_values, without_effect
from distune.tuning.space.without_effect import ignored_in
from distune.tuning.study_dataset import leaks
from distune.tuning.tune import base_of, refused, search_space, values_outside
from distune.utils.short_repr import short_repr
from distune.utils.text import counted


@dataclass(frozen=True)
class Checked:
    """What is known of an experiment that is sound.

    Attributes:
        table: the usable examples; the images of a demo set that is not made yet are gone again.
        estimate: what a trial and the study will take on this machine; None where it was not measured.
        remarks: why there is no estimate, what would be fetched, and why `tune`, or who evaluates the test split, would
            refuse what `train` would not.
    """

    __repr__ = short_repr

    table: Table
    estimate: Estimate | None
    remarks: tuple[str, ...]


def check(config: Config, source: str, *, estimates: bool = True) -> Checked:
    """Checks a config and every example of its data, and measures what a trial and the study will take.

    Args:
        config: a valid config.
        source: its file, named in the errors.
        estimates: measure; takes seconds.

    Raises:
        ConfigError: lists all that is wrong with the loss, encoders, search ranges and data.
        DataError: lists all that is wrong, where only the data are at fault.
    """
    cache_folder()  # which training would refuse
    outside = values_outside(config)
    measured, remarks = None, []
    with without_writing(config) as looked_at:
        # A config without ranges of its own may be made for training alone: `tune` refuses it, `train` does not.
        table = check_experiment(looked_at, source, outside if config.search_space else ())
        if estimates:
            try:
                measured = estimate(looked_at, table)
            except NO_MEMORY as error:
                tried = counted(
                    examples_tried(config.training, resolve_device(config.training.device)), "example"
                )
                remarks.append(f"no estimate: {tried} at once do not fit the memory ({type(error).__name__})")
        refusals = [*outside, *refused(looked_at)]
        if not config.study.accept_leaks:
            refusals += leaks(audit(table))
    base = base_of(config)
    space = search_space(base, config.study, ignored_in(table))
    unread = without_effect(space, base, config.study)
    alone = [line for line in inert_values(replace(space, parameters={}), base) if line not in unread]
    remarks += [
        *unread,
        *(f"to train it without a search: {line}" for line in alone),
        *download_lines(config),
    ]
    remarks += [f"to tune it: {line}" for line in refusals]
    if len(test := table.rows("test")):
        remarks += [
            f"to evaluate the test split: {line}"
            for line in undefined_scores(table.labels[test], table.tasks)
        ]
    return Checked(table, measured, tuple(remarks))

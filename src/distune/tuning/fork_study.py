"""Copying the trials that still count into a new study, after the question has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from distune.config import Config, as_dict, value_at
from distune.errors import UserError
from distune.tuning.coordinator.active_trial import MICRO_BATCHES_KEY
from distune.tuning.coordinator.leases import BEAT_SECONDS, PREFIX, Lease, leases
from distune.tuning.coordinator.ledger import OWNER
from distune.tuning.coordinator.proposals import configured, distribution
from distune.tuning.space.space import contains
from distune.tuning.study.attributes import OVERRIDES
from distune.tuning.study.open_study import (
    FORKED_FROM,
    is_draft,
    is_made_by_tune,
    load,
    write_settings,
)
from distune.tuning.study.read_only import NoStudiesError, reading
from distune.tuning.study.settings import StudySettings, comparable
from distune.tuning.summary import config_of_trial

FORKED_BY = "forked_by"
"""User attribute of a fork: the lease of the process that copies; it is read only while the fork is half made."""
START_SECONDS = 0.5
"""How long a process may take to write it."""
_log = logging.getLogger(__name__)


def fork(old: Study, storage: BaseStorage, name: str, settings: StudySettings) -> Study:
    """Makes a new study and copies every finished trial of an old one that it would have run the same way.

    A trial counts if its config is what the new base config and a point of the new search space give, on the same
    data and metric. Trial 0 stays the base config: copied where it was run, left to be run otherwise.

    Args:
        old: the study to copy from.
        storage: of the new study.
        name: of the new study; a fork of the old one that is there already is opened as it is.
        settings: what the new study is about.

    Raises:
        UserError: another study has that name.
    """
    there = load(storage, name)
    if there is not None and not is_draft(there):
        check_is_fork(there, old)
        return there
    if there is not None:
        _check_nobody_makes(there)  # else a fork that was killed half-way
        optuna.delete_study(study_name=name, storage=storage)
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    except DuplicatedStudyError:
        raise _made_by_another(name) from None
    study.set_user_attr(FORKED_FROM, old.study_name)
    lease = Lease.new(1)
    study.set_user_attr(FORKED_BY, lease.__dict__)
    copies = _copies(old, settings)
    baseline = next((trial for trial in copies if trial.user_attrs.get("baseline")), None)
    if baseline is None:
        study.enqueue_trial({})
    else:
        study.add_trial(baseline)
    for trial in copies:
        if trial is not baseline:
            if time.time() - lease.seen > BEAT_SECONDS:  # thousands of trials take longer than a lease lasts
                lease = lease.renewed()
                study.set_user_attr(FORKED_BY, lease.__dict__)
            study.add_trial(trial)
    write_settings(study, settings)
    level = logging.INFO if copies else logging.WARNING
    _log.log(level, "study %s: copied %d trials of %s that still count", name, len(copies), old.study_name)
    return study


def check_is_fork(study: Study, old: Study) -> None:
    """Refuses a study that is there already and no fork of the old one.

    Raises:
        UserError: it is another study.
    """
    if not _is_fork_of(study, old):
        raise UserError(
            f"fork: there is a study {study.study_name} already, which is no fork of {old.study_name}; choose another "
            "name"
        )


@contextmanager
def study_to_copy(url: str, name: str) -> Iterator[Study]:
    """The study to copy from, to be read only.

    Raises:
        UserError: there is none of that name.
    """
    missing = (
        f"fork: there is no study {name} of distune tune; --study-name names it, and --fork names its copy"
    )
    with ExitStack() as opened:
        try:
            storage = opened.enter_context(reading(url))
        except NoStudiesError as error:
            raise UserError(f"{missing} ({error})") from None
        study = load(storage, name)
        if study is None or not is_made_by_tune(study):
            raise UserError(missing)
        yield study


def _check_nobody_makes(draft: Study) -> None:
    """Refuses a draft whose maker is at work; one that just began has not yet said who it is."""
    if FORKED_BY not in draft.user_attrs:
        time.sleep(START_SECONDS)
    makers = leases({PREFIX + FORKED_BY: draft.user_attrs.get(FORKED_BY)})
    if any(maker.looks_alive(time.time()) for maker in makers.values()):
        raise _made_by_another(draft.study_name)


def _made_by_another(name: str) -> UserError:
    return UserError(
        f"fork: another command makes the study {name} right now; wait for it and run the same command again, or "
        "choose another name"
    )


def _is_fork_of(study: Study, old: Study) -> bool:
    """An older version left no other trace of it than the copied trials."""
    recorded = study.user_attrs.get(FORKED_FROM)
    copied = (trial.user_attrs.get("copied_from") for trial in study.get_trials(deepcopy=False))
    return recorded == old.study_name or (
        recorded is None and any(c and c[0] == old.study_name for c in copied)
    )


def _copies(old: Study, settings: StudySettings) -> list[FrozenTrial]:
    known = old.user_attrs
    if known.get("metric") != settings.metric or known.get("data_fingerprint") != settings.dataset:
        return []
    finished = old.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    copies = (_copy(old, trial, settings) for trial in finished)
    return [copy for copy in copies if copy is not None]


def _copy(old: Study, trial: FrozenTrial, settings: StudySettings) -> FrozenTrial | None:
    if OVERRIDES not in trial.user_attrs:  # another program added it
        return None
    config = config_of_trial(old, trial)
    is_base = _same(config, settings.base)
    params = _point(config, settings)
    inside = {name: v for name, v in params.items() if contains(settings.space.parameters[name], v)}
    overrides = {} if is_base else settings.space.overrides(params)
    if MICRO_BATCHES_KEY in trial.user_attrs[OVERRIDES]:
        overrides[MICRO_BATCHES_KEY] = trial.user_attrs[OVERRIDES][MICRO_BATCHES_KEY]
    if not is_base and (len(inside) < len(params) or not _same(config, configured(settings.base, overrides))):
        return None
    dropped = (OWNER, OVERRIDES, "baseline", "fixed_params")
    attributes: dict[str, Any] = {key: v for key, v in trial.user_attrs.items() if key not in dropped}
    attributes |= {OVERRIDES: overrides, "copied_from": [old.study_name, trial.number]}
    if is_base:
        attributes |= {"baseline": True, "fixed_params": params}
    return create_trial(
        state=trial.state,
        value=trial.value,
        params=inside,
        distributions={name: distribution(settings.space.parameters[name]) for name in inside},
        user_attrs=attributes,
        intermediate_values=trial.intermediate_values,
    )


def _point(config: Config, settings: StudySettings) -> dict[str, Any]:
    """The parameters of the new space that give a config's values."""
    params: dict[str, Any] = {}
    for name in settings.space.parameters:
        if settings.space.is_active(name, settings.space.overrides(params), settings.base):
            params[name] = value_at(config, settings.space.key(name))
    return params


def _same(one: Config, other: Config) -> bool:
    def values(config: Config) -> dict[str, Any]:
        return {key: v for key, v in comparable(as_dict(config)).items() if key != MICRO_BATCHES_KEY}

    return values(one) == values(other)

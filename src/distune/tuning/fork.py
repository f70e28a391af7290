"""Copying the trials that still count into a new study, after the question has changed."""

from __future__ import annotations

import logging
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from distune.config import Config, as_dict, value_at
from distune.errors import UserError
from distune.tuning.coordinator.active_trial import PARTS_KEY
from distune.tuning.coordinator.ledger import OWNER
from distune.tuning.coordinator.proposals import configured
from distune.tuning.space.space import contains
from distune.tuning.space.suggest import distribution
from distune.tuning.study.study import Setup, check_name, comparable, load, write_setup
from distune.tuning.summary import config_of

_log = logging.getLogger(__name__)


def fork(old: Study, storage: BaseStorage, name: str, setup: Setup) -> Study:
    """Makes a new study and copies every finished trial of an old one that it would have run the same way.

    A trial counts if its config is what the new base config and a point of the new search space give, on the same
    data and metric. Trial 0 stays the base config: copied where it was run, left to be run otherwise.

    Args:
        old: the study to copy from.
        storage: of the new study.
        name: of the new study; one that is there already is opened as it is.
        setup: what the new study is about.
    """
    check_name(name)
    there = load(storage, name)
    if there is not None and there.user_attrs.get("ready"):
        return there
    if there is not None:  # a fork that was killed half-way
        optuna.delete_study(study_name=name, storage=storage)
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    copies = _copies(old, setup)
    baseline = next((trial for trial in copies if trial.user_attrs.get("baseline")), None)
    if baseline is None:
        study.enqueue_trial({})
    else:
        study.add_trial(baseline)
    for trial in copies:
        if trial is not baseline:
            study.add_trial(trial)
    write_setup(study, setup)
    _log.info("study %s: copied %d trials of %s", name, len(copies), old.study_name)
    return study


def open_old(storage: BaseStorage, name: str) -> Study:
    """The study to copy from.

    Raises:
        UserError: there is none of that name.
    """
    study = load(storage, name)
    if study is None or not study.user_attrs.get("ready"):
        raise UserError(f"fork: there is no study {name}; name the one to copy from with --study-name")
    return study


def _copies(old: Study, setup: Setup) -> list[FrozenTrial]:
    known = old.user_attrs
    if known.get("metric") != setup.metric or known.get("data_fingerprint") != setup.dataset:
        return []
    finished = old.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    copies = (_copy(old, trial, setup) for trial in finished)
    return [copy for copy in copies if copy is not None]


def _copy(old: Study, trial: FrozenTrial, setup: Setup) -> FrozenTrial | None:
    config = config_of(old, trial)
    is_base = _same(config, setup.base)
    params = _point(config, setup)
    inside = {name: v for name, v in params.items() if contains(setup.space.parameters[name], v)}
    overrides = {} if is_base else setup.space.overrides(params)
    if PARTS_KEY in trial.user_attrs.get("overrides", {}):
        overrides[PARTS_KEY] = trial.user_attrs["overrides"][PARTS_KEY]
    if not is_base and (len(inside) < len(params) or not _same(config, configured(setup.base, overrides))):
        return None
    dropped = (OWNER, "overrides", "baseline", "fixed_params")
    attributes: dict[str, Any] = {key: v for key, v in trial.user_attrs.items() if key not in dropped}
    attributes |= {"overrides": overrides, "copied_from": [old.study_name, trial.number]}
    if is_base:
        attributes |= {"baseline": True, "fixed_params": params}
    return create_trial(
        state=trial.state,
        value=trial.value,
        params=inside,
        distributions={name: distribution(setup.space.parameters[name]) for name in inside},
        user_attrs=attributes,
        intermediate_values=trial.intermediate_values,
    )


def _point(config: Config, setup: Setup) -> dict[str, Any]:
    """The parameters of the new space that give a config's values."""
    params: dict[str, Any] = {}
    for name in setup.space.parameters:
        if setup.space.is_active(name, setup.space.overrides(params), setup.base):
            params[name] = value_at(config, setup.space.key(name))
    return params


def _same(one: Config, other: Config) -> bool:
    def values(config: Config) -> dict[str, Any]:
        return {key: v for key, v in comparable(as_dict(config)).items() if key != PARTS_KEY}

    return values(one) == values(other)

"""Optuna's SQL storage, reading trials by plain columns.

A coordinator reads all running trials after every event. Optuna loads each as objects of its database models and parses
every distribution of every trial twice: at 64 workers that took most of a coordinator's time, and 10,000 trials seconds
to open. Here each distribution's text is parsed once, and rows come as tuples. What is read is the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from distune.tuning.study.storage import is_not_found

MOST_IN_LIST = 500
"""Numbers that a condition may list; SQLite allows no more than 999 in old versions."""
Rows = dict[int, list[Any]]
_distribution = lru_cache(maxsize=10_000)(json_to_distribution)


class DamagedValueError(ValueError):
    """A trial in the database holds what Optuna never wrote there."""


@contextmanager
def _naming_damage() -> Iterator[None]:
    try:
        yield
    # Optuna asserts what a row may hold.
    except (ValueError, TypeError, LookupError, AssertionError) as error:
        if is_not_found(error):
            raise
        raise DamagedValueError(str(error)) from error


class FastReadingStorage(RDBStorage):
    """Reads as `RDBStorage` does, faster; writes are Optuna's own."""

    @_naming_damage()
    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial.

        Raises:
            DamagedValueError: a value of it cannot be read.
        """
        return super().get_trial(trial_id)

    @_naming_damage()
    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """The trials with a higher id, and those of the included ids.

        Raises:
            DamagedValueError: a value cannot be read, SQLite keeps text in any column; or two trials have one number.
        """
        included = [number for number in included_trial_ids if number <= trial_id_greater_than]
        if states is not None or len(included) > MOST_IN_LIST:
            found = super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        else:
            trial = models.TrialModel
            wanted: list[ColumnElement[bool]] = [trial.study_id == study_id]
            if trial_id_greater_than > -1:
                wanted.append(or_(trial.trial_id > trial_id_greater_than, trial.trial_id.in_(included)))
            with Session(self.engine) as session:
                found = _read(session, wanted)
        for each in found:
            _check_numbers(each)
        if len({each.number for each in found}) < len(found):  # Optuna would keep the last of them alone
            raise ValueError("two of its trials have one number")
        return found


def _check_numbers(trial: FrozenTrial) -> None:
    numbers = (
        trial.number,
        *(trial.values or ()),
        *trial.intermediate_values.values(),
        *(
            value
            for name, value in trial.params.items()
            if not isinstance(trial.distributions[name], CategoricalDistribution)
        ),
    )
    if not all(isinstance(number, int | float) for number in numbers):
        raise ValueError(f"trial {trial.number!r} holds text in place of a number")


def _read(session: Session, wanted: list[ColumnElement[bool]]) -> list[FrozenTrial]:
    trial = models.TrialModel
    # The trials come first: what a finished one holds was written before its state.
    heads: Sequence[Any] = session.scalars(select(trial).where(*wanted).order_by(trial.trial_id)).all()
    if not heads:
        return []
    param, value = models.TrialParamModel, models.TrialValueModel
    step = models.TrialIntermediateValueModel
    user, system = models.TrialUserAttributeModel, models.TrialSystemAttributeModel
    order = param.param_id
    params = _rows(
        session, wanted, param, param.param_name, param.param_value, param.distribution_json, by=order
    )
    values = _rows(session, wanted, value, value.value, value.value_type, by=value.objective)
    steps = _rows(session, wanted, step, step.step, step.intermediate_value, step.intermediate_value_type)
    users = _rows(session, wanted, user, user.key, user.value_json)
    systems = _rows(session, wanted, system, system.key, system.value_json)
    found = []
    for head in heads:
        trial_id: int = head.trial_id
        distributions: dict[str, BaseDistribution] = {
            name: _distribution(text) for name, _, text in params[trial_id]
        }
        numbers = [value.stored_repr_to_value(number, kind) for number, kind in values[trial_id]]
        frozen = FrozenTrial(
            number=head.number,
            state=head.state,
            value=None,
            values=numbers or None,
            datetime_start=head.datetime_start,
            datetime_complete=head.datetime_complete,
            params={
                name: distributions[name].to_external_repr(internal) for name, internal, _ in params[trial_id]
            },
            distributions=distributions,
            user_attrs={key: json.loads(text) for key, text in users[trial_id]},
            system_attrs={key: json.loads(text) for key, text in systems[trial_id]},
            intermediate_values={
                at: step.stored_repr_to_intermediate_value(number, kind)
                for at, number, kind in steps[trial_id]
            },
            trial_id=trial_id,
        )
        found.append(frozen)
    return found


def _rows(
    session: Session, wanted: list[ColumnElement[bool]], model: Any, *columns: Any, by: Any = None
) -> Rows:
    """Columns of the rows that belong to the wanted trials, by trial."""
    trial = models.TrialModel
    query = select(model.trial_id, *columns).join(trial, trial.trial_id == model.trial_id).where(*wanted)
    rows: Rows = defaultdict(list)
    for trial_id, *values in session.execute(query if by is None else query.order_by(by)):
        rows[trial_id].append(values)
    return rows

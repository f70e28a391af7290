"""Steps on a trial or a study that Optuna's storage does not offer, each in one transaction.

A storage in memory belongs to one process with one coordinator, so its steps need no transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session


def claim(storage: BaseStorage, trial_id: int, key: str, old: str | None, new: str) -> bool:
    """Replaces a trial's user attribute if it still has the expected value; one of several claimants wins.

    Args:
        storage: the study's storage.
        trial_id: Optuna's id of the trial.
        key: the attribute.
        old: the value that it must have; None where it must not exist yet.
        new: the value that it gets.

    Returns:
        Whether this claimant won.
    """
    engine = _engine(storage)
    if engine is None:
        storage.set_trial_user_attr(trial_id, key, new)
        return True
    from optuna.storages._rdb.models import TrialUserAttributeModel

    return _claimed(engine, TrialUserAttributeModel, {"trial_id": trial_id, "key": key}, old, new)


def claim_of_study(storage: BaseStorage, study_id: int, key: str, old: Any, new: Any) -> bool:
    """As `claim`, for a user attribute of a study; the values are anything that JSON can hold."""
    engine = _engine(storage)
    if engine is None:
        storage.set_study_user_attr(study_id, key, new)
        return True
    from optuna.storages._rdb.models import StudyUserAttributeModel

    return _claimed(engine, StudyUserAttributeModel, {"study_id": study_id, "key": key}, old, new)


def requeue_if_owned(storage: BaseStorage, trial_id: int, key: str, owner: str) -> bool:
    """Lets a running trial wait if it still has its owner; another coordinator claims it before or after.

    Args:
        storage: the study's storage.
        trial_id: Optuna's id of the trial.
        key: the user attribute that names the owner.
        owner: the name that it must have.

    Returns:
        Whether the trial still had its owner.
    """
    from sqlalchemy import update

    engine = _engine(storage)
    if engine is None:
        storage.set_trial_state_values(trial_id, TrialState.WAITING)
        return True
    from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel

    runs = (TrialModel.trial_id == trial_id, TrialModel.state == TrialState.RUNNING)
    with _transaction(engine) as session:
        # Writing the name again locks its row, so that no coordinator claims it before the trial waits.
        names = {"trial_id": trial_id, "key": key}
        is_own = _replaces(session, TrialUserAttributeModel, names, owner, owner)
        if is_own:
            session.execute(update(TrialModel).where(*runs).values(state=TrialState.WAITING))
    return is_own


def set_attributes(storage: BaseStorage, trial_id: int, values: Mapping[str, Any]) -> None:
    """Sets user attributes of a trial that is not finished, all of them or none.

    Args:
        storage: the study's storage.
        trial_id: Optuna's id of the trial.
        values: by attribute.

    Raises:
        UpdateFinishedTrialError: the trial is finished.
    """
    backend: Any = getattr(storage, "_backend", storage)
    if _engine(storage) is None:
        for key, value in values.items():
            storage.set_trial_user_attr(trial_id, key, value)
        return
    from optuna.storages._rdb.models import TrialUserAttributeModel as Attribute
    from optuna.storages._rdb.storage import _create_scoped_session

    with _create_scoped_session(backend.scoped_session, True) as session:
        for key, value in values.items():
            backend._set_trial_attr_without_commit(session, Attribute, trial_id, key, value)


def count_trials(storage: BaseStorage, study_id: int) -> int:
    """How many trials the database holds; Optuna remembers finished ones, also after another program deleted them."""
    engine = _engine(storage)
    if engine is None:
        return storage.get_n_trials(study_id)
    from optuna.storages._rdb.models import TrialModel
    from sqlalchemy import func, select

    with engine.connect() as connection:
        query = select(func.count()).select_from(TrialModel).where(TrialModel.study_id == study_id)
        return int(connection.execute(query).scalar_one())


def waiting_trials(storage: BaseStorage, study_id: int) -> list[int]:
    """Optuna's ids of the trials that wait, in the order of their numbers."""
    from sqlalchemy import select

    engine = _engine(storage)
    if engine is None:
        # Asked for waiting ones alone, Optuna's memory passes over those that waited once and were run meanwhile.
        found = storage.get_all_trials(study_id, deepcopy=False)
        return [trial._trial_id for trial in found if trial.state == TrialState.WAITING]
    from optuna.storages._rdb.models import TrialModel

    waits = (TrialModel.study_id == study_id, TrialModel.state == TrialState.WAITING)
    with _transaction(engine) as session:
        return list(session.scalars(select(TrialModel.trial_id).where(*waits).order_by(TrialModel.number)))


def delete_scores(storage: BaseStorage, trial_id: int) -> None:
    """Deletes the scores that a trial reported: Optuna takes its last step, and a pruned trial's value, from them.

    Args:
        storage: the study's storage.
        trial_id: Optuna's id of the trial.
    """
    from sqlalchemy import delete

    engine = _engine(storage)
    if engine is None:
        storage.get_trial(trial_id).intermediate_values.clear()
        return
    from optuna.storages._rdb.models import TrialIntermediateValueModel as Score

    with _transaction(engine) as session:
        session.execute(delete(Score).where(Score.trial_id == trial_id))


def _engine(storage: BaseStorage) -> Engine | None:
    """The database behind a storage; None where it is in memory."""
    from optuna.storages import RDBStorage

    backend = getattr(storage, "_backend", storage)
    return backend.engine if isinstance(backend, RDBStorage) else None


def _transaction(engine: Engine) -> AbstractContextManager[Session]:
    from sqlalchemy.orm import sessionmaker

    return sessionmaker(engine).begin()


def _claimed(engine: Engine, table: Any, names: Mapping[str, Any], old: Any, new: Any) -> bool:
    """Whether an attribute had the old value, or did not exist where that is None, and has the new one now."""
    from sqlalchemy import insert
    from sqlalchemy.exc import IntegrityError

    with _transaction(engine) as session:
        if old is not None:
            return _replaces(session, table, names, old, new)
        try:
            session.execute(insert(table).values(**names, value_json=json.dumps(new)))
        except IntegrityError:
            # The unique key of (trial or study, attribute) let another claimant in first.
            session.rollback()
            return False
        return True


def _replaces(session: Session, table: Any, names: Mapping[str, Any], old: Any, new: Any) -> bool:
    """Whether the attribute that a table's columns name had the old value and has the new one now."""
    from sqlalchemy import update

    had = update(table).filter_by(**names, value_json=json.dumps(old))
    return bool(getattr(session.execute(had.values(value_json=json.dumps(new))), "rowcount", 0) == 1)

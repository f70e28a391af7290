"""Leaving a running trial to others, as long as it is one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def let_wait(storage: BaseStorage, trial_id: int, key: str, owner: str) -> bool:
    """Lets a running trial wait if it still has its owner, in one step; whoever claims it does so before or after.

    Args:
        storage: the study's storage.
        trial_id: Optuna's id of the trial.
        key: the user attribute that names the owner.
        owner: the name that it must have.

    Returns:
        Whether the trial still had its owner.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy import update
    from sqlalchemy.orm import Session

    backend = getattr(storage, "_backend", storage)
    if not isinstance(backend, RDBStorage):  # in memory: one process, one coordinator
        storage.set_trial_state_values(trial_id, TrialState.WAITING)
        return True
    from optuna.storages._rdb.models import TrialModel
    from optuna.storages._rdb.models import TrialUserAttributeModel as Attribute

    name = json.dumps(owner)
    is_own = (Attribute.trial_id == trial_id, Attribute.key == key, Attribute.value_json == name)
    runs = (TrialModel.trial_id == trial_id, TrialModel.state == TrialState.RUNNING)
    with Session(backend.engine) as session, session.begin():
        # Writing the name again locks its row, so that nobody claims it until the trial waits.
        found = session.execute(update(Attribute).where(*is_own).values(value_json=name))
        if getattr(found, "rowcount", 0) != 1:
            return False
        session.execute(update(TrialModel).where(*runs).values(state=TrialState.WAITING))
    return True

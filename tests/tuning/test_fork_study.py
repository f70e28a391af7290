"""By what a study is known to be the fork of another."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import create_trial

from distune.tuning.fork_study import _is_fork_of
from distune.tuning.study.open_study import FORKED_FROM


@pytest.mark.parametrize(
    ("recorded", "copied", "is_fork"),
    [
        ("old", [], True),
        ("old", [None, "else"], True),
        ("else", [None, "old"], False),
        (None, [None, "old"], True),
        (None, [None, "else"], False),
        (None, [], False),
    ],
)
def test_a_fork_is_known_by_its_record_and_without_one_by_its_trials(
    recorded: str | None, copied: list[str | None], is_fork: bool
) -> None:
    old, new = (optuna.create_study(study_name=name) for name in ("old", "new"))
    if recorded:
        new.set_user_attr(FORKED_FROM, recorded)
    for name in copied:
        new.add_trial(create_trial(value=0.5, user_attrs={"copied_from": [name, 0]} if name else {}))
    assert _is_fork_of(new, old) is is_fork

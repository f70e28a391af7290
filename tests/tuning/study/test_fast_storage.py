"""What the storage reads is what Optuna's own reading gives, field by field."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from distune.tuning.study import fast_storage
from distune.tuning.study.storage import open_storage, opened
from distune.tuning.study.transactions import (
    claim,
    claim_of_study,
    count_trials,
    requeue_if_owned,
    set_attributes,
    waiting_trials,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of the study that each test has a copy of."""
    file = tmp_path_factory.mktemp("original") / "s.db"
    with opened(f"sqlite:///{file}") as storage:
        _fill(optuna.create_study(storage=storage, study_name="s", direction="maximize"))
    return file


@pytest.fixture
def study(tmp_path: Path, original: Path) -> optuna.Study:
    shutil.copyfile(original, tmp_path / "s.db")
    return optuna.load_study(storage=open_storage(f"sqlite:///{tmp_path}/s.db"), study_name="s")


def _fill(study: optuna.Study) -> None:
    """Trials in every state, with parameters, scores, attributes and values that are no numbers."""
    for number in range(12):
        trial = study.ask()
        trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.suggest_int("layers", 1, 3)
        trial.suggest_categorical("fusion", ["a", "b", 3, True])
        trial.set_user_attr("overrides", {"student.lr": number / 7, "none": None})
        trial.report(float("nan") if number == 3 else number / 10, 1)
        trial.report(float("inf") if number == 4 else number / 9, 2)
        if number < 8:
            state = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)[number % 3]
            study.tell(trial, number / 11 if state == TrialState.COMPLETE else None, state)
    study.enqueue_trial({"lr": 1e-3})
    study.ask().set_system_attr("mark", [1, 2]) if hasattr(optuna.Trial, "set_system_attr") else None
    study.enqueue_trial({"lr": 1e-4})


def both(study: optuna.Study, after: int, included: set[int]) -> list[list[FrozenTrial]]:
    backend = study._storage._backend  # type: ignore[attr-defined]
    own = backend._get_trials(study._study_id, None, included, after)
    return [own, RDBStorage._get_trials(backend, study._study_id, None, included, after)]


@pytest.mark.parametrize(
    ("after", "included"), [(-1, set()), (5, set()), (8, {2, 3, 99}), (100, {1}), (100, set())]
)
def test_it_reads_as_optuna_does(study: optuna.Study, after: int, included: set[int]) -> None:
    own, theirs = both(study, after, included)
    assert len(own) == len(theirs)
    for one, other in zip(own, theirs, strict=True):
        assert one._trial_id == other._trial_id and repr(one) == repr(other)
        assert list(one.params) == list(other.params), "in the order in which they were drawn"


def test_trials_of_some_states_are_read_alone(study: optuna.Study) -> None:
    waiting = [trial.number for trial in study.get_trials(states=(TrialState.WAITING,))]
    backend = study._storage._backend  # type: ignore[attr-defined]
    found = backend._get_trials(study._study_id, (TrialState.WAITING,), set(), -1)
    assert [trial.number for trial in found] == waiting == [12, 13]


def test_the_values_of_several_objectives_come_in_their_order(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/two.db")
    two = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    two.tell(two.ask(), [0.5, 0.25])
    with storage.engine.begin() as connection:  # as a server may keep its rows
        connection.exec_driver_sql("UPDATE trial_values SET trial_value_id = 9 WHERE objective = 0")
    assert [trial.values for trial in two.get_trials()] == [[0.5, 0.25]]


def test_a_list_that_is_too_long_is_left_to_optuna(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_storage, "MOST_IN_LIST", 2)
    own, theirs = both(study, 8, {1, 2, 3, 4})
    assert repr(own) == repr(theirs)


def test_a_study_sees_what_other_processes_wrote(study: optuna.Study, tmp_path: Path) -> None:
    known = study.get_trials(deepcopy=False)
    other = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path}/s.db")
    running = next(trial for trial in known if trial.state == TrialState.RUNNING)
    other.tell(running.number, 0.75)
    assert study.trials[running.number].value == 0.75
    assert repr(study.trials) == repr(other.trials)


def test_attributes_are_written_together_or_not_at_all(study: optuna.Study) -> None:
    trials = study.get_trials(deepcopy=False)
    running = next(trial for trial in trials if trial.state == TrialState.RUNNING)
    set_attributes(study._storage, running._trial_id, {"a": 1, "overrides": {"b": [2]}})
    assert study.trials[running.number].user_attrs == {"a": 1, "overrides": {"b": [2]}}
    with pytest.raises(TypeError):
        set_attributes(study._storage, running._trial_id, {"a": 2, "c": object()})
    assert study.trials[running.number].user_attrs["a"] == 1
    with pytest.raises(UpdateFinishedTrialError):
        set_attributes(study._storage, trials[0]._trial_id, {"a": 1})


def test_one_of_two_claimants_wins(study: optuna.Study) -> None:
    held = study._storage
    trial = next(trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING)
    for claimed in (
        lambda old, new: claim(held, trial._trial_id, "owner", old, new),
        lambda old, new: claim_of_study(held, study._study_id, "owner", old, new),
    ):
        claims = [(None, "a"), (None, "b"), ("b", "c"), ("a", "a"), ("a", "b"), ("a", "c")]
        assert [claimed(*each) for each in claims] == [True, False, False, True, True, False]
    assert study.user_attrs["owner"] == study.trials[trial.number].user_attrs["owner"] == "b"


def test_a_running_trial_waits_where_its_owner_asks(study: optuna.Study) -> None:
    for state in (TrialState.RUNNING, TrialState.COMPLETE):
        trial = next(trial for trial in study.get_trials(deepcopy=False) if trial.state == state)
        claim(study._storage, trial._trial_id, "owner", None, "a")
        for name, waits in (("b", False), ("a", state == TrialState.RUNNING)):
            assert requeue_if_owned(study._storage, trial._trial_id, "owner", name) is (name == "a")
            assert (trial._trial_id in waiting_trials(study._storage, study._study_id)) is waits
        assert claim(study._storage, trial._trial_id, "owner", "a", "a"), "it is still the owner's"


def test_waiting_trials_come_in_the_order_of_their_numbers(study: optuna.Study) -> None:
    optuna.create_study(storage=study._storage).enqueue_trial({})  # of another study
    waiting = [trial._trial_id for trial in study.get_trials(states=(TrialState.WAITING,))]
    assert waiting_trials(study._storage, study._study_id) == waiting != []


def test_the_trials_of_one_study_are_counted(study: optuna.Study) -> None:
    other = optuna.create_study(storage=study._storage)
    in_memory = optuna.create_study()
    for each, count in ((other, 2), (in_memory, 3)):
        for _ in range(count):
            each.ask()
        assert count_trials(each._storage, each._study_id) == count
    assert count_trials(study._storage, study._study_id) == len(study.trials)


def test_equal_distributions_are_parsed_once() -> None:
    for distribution in (
        FloatDistribution(0, 1),
        IntDistribution(1, 3),
        CategoricalDistribution(["a", 1, True]),
    ):
        text = optuna.distributions.distribution_to_json(distribution)
        assert fast_storage._distribution(text) == distribution
        assert fast_storage._distribution(text) is fast_storage._distribution(text)


def test_what_is_not_there_is_no_damage(study: optuna.Study) -> None:
    with pytest.raises(KeyError):
        study._storage.get_trial(999)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trial_params SET param_value = 'text' WHERE param_name = 'lr'",
        "UPDATE trial_params SET distribution_json = '{}'",
        "UPDATE trial_user_attributes SET value_json = '{'",
        "UPDATE trial_intermediate_values SET intermediate_value = 'text'",
        "UPDATE trial_values SET value = 'text'",
        "UPDATE trials SET number = 'text' WHERE number = 3",
        "UPDATE trials SET number = 2 WHERE number = 3",
    ],
)
def test_what_another_program_damages_is_told_apart(study: optuna.Study, damage: str) -> None:
    with study._storage._backend.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql(damage)
    with pytest.raises(fast_storage.DamagedValueError):
        both(study, -1, set())

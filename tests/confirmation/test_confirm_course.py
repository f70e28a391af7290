"""What `confirm` hands on, and the course of a confirmation where training and evaluation only pretend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import numpy as np
import pytest
from confirmation_helpers import STUDY, config_on, request_for, write_study
from optuna.storages import InMemoryStorage

from distune.config import Config, with_values
from distune.confirmation import confirm as confirm_module
from distune.confirmation import course
from distune.confirmation.candidates import Candidate, confirmation_seeds
from distune.confirmation.confirm import _about, _alone, _settings, _study, _table, confirm
from distune.confirmation.course import Confirmation
from distune.confirmation.expected_power import ExpectedPower
from distune.confirmation.jobs import Job, jobs_of
from distune.confirmation.opening import Opening
from distune.confirmation.request import ConfirmRequest
from distune.confirmation.statistics.files import PLAN, read_plan
from distune.confirmation.train_candidates import TrainingEnd
from distune.data import Table, read_table
from distune.data.fingerprint import table_fingerprint
from distune.data.table import Task
from distune.errors import DataError, MachineError, UserError
from distune.training.files.run_folder import openings, write_results
from distune.training.keys import versions_behind
from distune.training.student import WEIGHTS
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import opened
from distune.tuning.trials.messages import Failure
from tests.stand_ins import refusing_as


@dataclass
class Given(Confirmation):
    """Notes what it is made of, in place of a course."""

    notes: list[str] = field(default_factory=list)

    def run(self, notes: Sequence[str]) -> Any:
        self.notes = list(notes)
        return self


@pytest.fixture
def base(demo_root: Path) -> Config:
    return config_on(demo_root)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm_module, "Confirmation", Given)


@pytest.mark.slow
@pytest.mark.usefixtures("given")
def test_what_a_confirmation_is_made_of(base: Config, tmp_path: Path) -> None:
    file = write_study(tmp_path / "optuna", base, folds=3)
    request = request_for(file, seeds=3, again=True, one_modality=True, settings={"training.threads": 2})
    made: Any = confirm(request)
    assert (made.request, made.study, made.folder) == (request, STUDY, file.with_suffix(""))
    assert made.seeds == confirmation_seeds(11, 3) and (made.study_seed, made.folds, made.searched) == (
        11,
        3,
        3,
    )
    kinds = ["trial", "trial", "base", "image_alone", "text_alone", "student_alone", "teacher"]
    assert [each.kind for each in made.candidates] == kinds
    assert {each.config.training.threads for each in made.candidates} == {2}
    fingerprint = table_fingerprint(read_table(base.data, check_images=False))
    opening = made.opening
    assert (opening.study_folder, opening.dataset, opening.again) == (made.folder, fingerprint, True)
    assert "3 seeds" in opening.by and made.notes == []
    assert list(made.table.subgroups) == ["sex"]
    plain: Any = confirm(request_for(file, subgroup_columns=("age",)))
    assert list(plain.table.subgroups) == ["age"] and not plain.opening.again and len(plain.candidates) == 5
    assert (made.folder / "confirmation").is_dir() and not openings(made.folder)


@pytest.mark.slow
@pytest.mark.usefixtures("given")
def test_what_cannot_be_confirmed_is_refused_before_the_data_are_read(
    base: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_study(tmp_path / "optuna", base)
    other: Any = confirm(request_for(file))
    replace(other.opening, by="another plan").open()
    monkeypatch.setattr(confirm_module, "read_table", lambda *_, **__: pytest.fail("the data were read"))
    with pytest.raises(UserError, match="another plan"):
        confirm(request_for(file))
    monkeypatch.undo()
    monkeypatch.setattr(confirm_module, "Confirmation", Given)
    confirm(request_for(file, again=True))
    with pytest.raises(UserError, match="cannot be set"):
        confirm(request_for(file, again=True, settings={"student.lr": 1.0}))
    with opened(f"sqlite:///{file}") as storage:
        study_id = storage.get_study_id_from_name(STUDY)
        storage.set_study_user_attr(study_id, "data_fingerprint", "other")
    for columns in ((), ("age",)):
        with pytest.raises(UserError, match="is not the one"):
            confirm(request_for(file, again=True, subgroup_columns=columns))
    with opened(f"sqlite:///{file}") as storage:
        storage.set_study_user_attr(study_id, "ready", False)
    with pytest.raises(UserError, match="not made by distune tune"):
        confirm(request_for(file, again=True))


def test_the_data_are_read_with_the_columns_of_the_subgroups_that_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Any] = []
    reader = refusing_as(read_table, lambda data, **how: read.append((data.subgroup_columns, how)) or "table")
    monkeypatch.setattr(confirm_module, "read_table", reader)
    monkeypatch.setattr(confirm_module, "table_fingerprint", lambda table: f"of {table}")
    one = Candidate("base", "base", with_values(Config(), {"data.subgroup_columns": ["sex"]}))
    for asked, columns in (((), ("sex",)), (("age", "site"), ("age", "site"))):
        assert _table(one, "of table", asked) == "table"  # type: ignore[comparison-overlap]
        assert read.pop() == (columns, {"check_images": False})
    with pytest.raises(UserError, match="is not the one"):
        _table(one, "of another", ())


def test_a_study_s_folder_and_workers_are_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    storage, base, checked = InMemoryStorage(), Config(), []
    open_study(storage, STUDY, StudySettings(base, build_space(base), "data"))
    monkeypatch.setattr(confirm_module, "reading", lambda url: nullcontext(storage))
    monkeypatch.setattr(confirm_module, "_check_folder_is_of", lambda study, folder: checked.append(folder))
    monkeypatch.setattr(confirm_module, "status_of", lambda *given: SimpleNamespace(workers=1))
    with (
        pytest.raises(UserError, match="still running"),
        _study(ConfirmRequest(STUDY, storage="sqlite:///s.db")),
    ):
        pass
    assert checked == [Path("logs/optuna") / STUDY]


@pytest.mark.slow
def test_a_study_that_still_runs_is_not_confirmed(
    base: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_study(tmp_path / "optuna", base)
    status_of = confirm_module.status_of
    monkeypatch.setattr(confirm_module, "status_of", lambda *given: replace(status_of(*given), workers=1))
    with pytest.raises(UserError, match="still running"):
        confirm(request_for(file))


@pytest.mark.slow
def test_the_file_that_was_named_is_confirmed_and_not_one_of_the_same_stem(
    base: Config, tmp_path: Path
) -> None:
    file = write_study(tmp_path / "optuna", base)
    named = file.with_suffix(".zip")
    named.write_text("x")
    with pytest.raises(UserError, match=named.name):
        confirm(request_for(named))
    assert not file.with_suffix("").exists()


def test_a_second_confirmation_of_a_study_does_not_wait(tmp_path: Path) -> None:
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="already"), _alone(tmp_path):
        pass
    with _alone(tmp_path), pytest.raises(UserError, match="already"), _alone(tmp_path):
        pass


def test_what_lies_over_the_configs_says_where_it_runs(tmp_path: Path) -> None:
    assert _settings(ConfirmRequest("s")) == {}
    over = {"training.device": "cpu", "training.threads": 3, "cache.max_gb": 1.0, "data.root": "a"}
    assert _settings(ConfirmRequest("s", settings=over)) == over
    assert _settings(ConfirmRequest("s", settings=over, data_root=Path("b"))) == {**over, "data.root": "b"}
    for key in ("student.lr", "study", "search_space", "data.image_size"):
        with pytest.raises(UserError, match=f"{key} cannot be set"):
            _settings(ConfirmRequest("s", settings={**over, key: 1}))


def table_of(splits: str, labels: Sequence[int] = ()) -> Table:
    names = tuple(map(str, range(len(splits))))
    where: Any = tuple({"t": "train", "d": "dev", "x": "test"}[each] for each in splits)
    given_labels = np.array(labels or [n % 2 for n in range(len(splits))])[:, None]
    return Table(
        Path(), names, names, names, given_labels, names, where, (Task("t", ("a", "b"), score="auroc"),)
    )


def test_without_a_test_split_it_is_said_what_is_evaluated() -> None:
    assert _about(table_of("tdx"), None) == _about(table_of("tdx"), 3) == []
    (on_dev,), (on_folds,) = _about(table_of("td"), None), _about(table_of("td"), 3)
    assert "on dev," in on_dev and "3 folds of train and dev" in on_folds


# The course


@dataclass
class Pretended(Confirmation):
    """Runs are done as a test says, and their numbers are of no answers."""

    trained: Callable[[Sequence[Job]], TrainingEnd] = lambda jobs: TrainingEnd()
    settings: Mapping[str, Any] | None = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)

    def _train(self, jobs: Sequence[Job]) -> TrainingEnd:
        self.steps.append(f"train, {len(openings(self.folder))} opened")
        return self.trained(jobs)

    def _check_data(self) -> None:
        self.steps.append(f"check data, {len(openings(self.folder))} opened")

    def _evaluate(self, done: Sequence[Job], number: int) -> dict[str, Any] | None:
        self.steps.append(f"evaluate {len(done)} on opening {number}, {len(openings(self.folder))} opened")
        return None if self.settings is None else dict(self.settings)

    def _write_numbers(self) -> dict[str, Any]:
        self.steps.append("numbers")
        return {"recommendation": {"contender": "base"}}


def finish(jobs: Sequence[Job], but: Sequence[int] = ()) -> None:
    for job in jobs:
        if job.number not in but:
            for run in job.runs:
                run.mkdir(parents=True, exist_ok=True)
                (run / WEIGHTS).touch()
                parameters = {"total": 10 + job.number, "trained": 1}
                write_results(run, {"versions": versions_behind(job.config), "parameters": parameters})


def of(tmp_path: Path, table: Table | None = None, **known: Any) -> Pretended:
    config = Config()
    candidates = (
        Candidate("best", "trial", with_values(config, {"student.lr": 1e-3}), 7, 1, 0.75),
        Candidate("base", "base", config, 3, None, 0.5),
    )
    table = table or table_of("ttddxx")
    about: dict[str, Any] = {
        "request": ConfirmRequest("s", relevant_gain=0.02, new_cases=9), "study": "s", "folder": tmp_path / "s",
        "candidates": candidates, "seeds": (5, 6), "table": table, "study_seed": 11,
        "opening": Opening(tmp_path / "s", "plan", "data"), "interrupted": lambda: 0, "show": lambda line: None,
        "folds": None, "searched": 4,
        "trial_folders": {number: tmp_path / f"s/trials/trial_{number:04}" for number in (3, 7)},
    }  # fmt: skip
    (tmp_path / "s/confirmation").mkdir(parents=True, exist_ok=True)
    return Pretended(**(about | known))


def test_the_executor_gets_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    @contextmanager
    def started(name: str, *given: Any, **options: Any) -> Iterator[None]:
        asked.update(options, name=name)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(course, "make_executor", refusing_as(course.make_executor, started))
    monkeypatch.setattr(Confirmation, "_fetch", lambda self: None)
    request = ConfirmRequest("s", executor="ray", ray_address="auto", gpus_per_trial=0.25, workers=2)
    made = of(tmp_path, request=request)

    def devices(*given: Any, **named: Any) -> tuple[str, ...]:
        asked["devices of"] = (*given, named)
        return ("cuda:0",) * 2

    monkeypatch.setattr(course, "devices_for", refusing_as(course.devices_for, devices))
    with pytest.raises(KeyboardInterrupt):
        Confirmation._train(made, jobs_of(made.candidates, made.seeds, tmp_path / "s/confirmation"))
    assert (asked["name"], asked["gpus_per_trial"], asked["ray_address"]) == ("ray", 0.25, "auto")
    assert (asked["workers"], asked["devices"]) == (2, ("cuda:0", "cuda:0"))
    assert asked["devices of"] == ("ray", made._devices, 2, 0.25, {"ray_address": "auto"})


def test_room_is_kept_for_a_run_of_this_confirmation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(course, "has_room", asked.append)
    monkeypatch.setattr(course, "make_executor", lambda *given, **options: nullcontext())
    monkeypatch.setattr(course, "train_all", lambda *given, has_room, **options: has_room())
    monkeypatch.setattr(Confirmation, "_fetch", lambda self: None)
    made = of(tmp_path)
    Confirmation._train(made, jobs_of(made.candidates, made.seeds, tmp_path / "s/confirmation"))
    assert asked == [tmp_path / "s/confirmation"]


def all_done(jobs: Sequence[Job]) -> TrainingEnd:
    finish(jobs)
    return TrainingEnd()


def test_the_split_is_opened_after_training_and_before_it_is_read(tmp_path: Path) -> None:
    said: list[str] = []
    made = of(tmp_path, trained=all_done, show=said.append)
    result = made.run(["a note"])
    evaluated = "evaluate 4 on opening 1, 1 opened"
    assert made.steps == ["train, 0 opened", "check data, 0 opened", evaluated, "numbers"]
    assert (result.reason, result.study, result.folder) == ("finished", "s", tmp_path / "s")
    assert said[0] == "a note" and said[1].startswith("power: not known beforehand")
    plan = read_plan(tmp_path / "s/confirmation")
    assert (plan["top"], plan["seeds"], plan["study_seed"], plan["searched"]) == (3, [5, 6], 11, 4)
    assert (plan["relevant_gain"], plan["new_cases"], plan["folds"]) == (0.02, 9, None)
    assert plan["opening"]["number"] == 1 and plan["data_fingerprint"] == "data"
    assert plan["notes"] == ["a note"] and plan["failures"] == [] and plan["baselines"] == []
    parameters = [each["parameters"]["total"] for each in plan["contenders"]]
    assert parameters == [10, 12], "of the first run of each"


def test_the_power_is_said_before_the_runs_and_kept_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    said: list[str] = []
    power = ExpectedPower(0.79, 0.02, 120, 1234)
    monkeypatch.setattr(course, "foresee", refusing_as(course.foresee, lambda *_, **__: power))
    of(tmp_path, trained=all_done, show=said.append).run([])
    assert said[0] == str(power) and said[0] in caplog.text
    assert read_plan(tmp_path / "s/confirmation")["power_before"] == asdict(power)


def test_without_a_test_split_nothing_is_opened(tmp_path: Path) -> None:
    made = of(tmp_path, table_of("ttdd"), trained=all_done)
    assert made.run([]).reason == "finished"
    assert made.steps[2] == "evaluate 4 on opening 0, 0 opened"
    assert read_plan(tmp_path / "s/confirmation")["opening"] is None


@pytest.mark.parametrize(
    ("trained", "interrupted", "reason"),
    [
        (TrainingEnd(interrupted=True), 0, "interrupted"),
        (TrainingEnd(), 1, "interrupted"),
        (TrainingEnd(low_disk=True), 0, "low_disk"),
    ],
)
def test_what_ends_before_the_split_is_opened_leaves_it_shut(
    tmp_path: Path, trained: TrainingEnd, interrupted: int, reason: str
) -> None:
    def train(jobs: Sequence[Job]) -> TrainingEnd:
        finish(jobs)
        return trained

    made = of(tmp_path, trained=train, interrupted=lambda: interrupted)
    result = made.run([])
    assert (result.reason, result.numbers) == (reason, {})
    assert made.steps == ["train, 0 opened"] and not openings(tmp_path / "s")


@pytest.mark.parametrize("kind", ["data", "no_access", "machine_fault"])
def test_other_data_than_those_of_the_study_are_never_evaluated(tmp_path: Path, kind: str) -> None:
    def lacking(jobs: Sequence[Job]) -> TrainingEnd:
        finish(jobs, but=[3])
        return TrainingEnd(stopped_by=Failure(kind, "the data set has changed"))

    made = of(tmp_path, trained=lacking)
    with pytest.raises(UserError, match=r"has changed\nNothing was evaluated") as stopped:
        made.run([])
    assert isinstance(stopped.value, MachineError) == (kind == "machine_fault")
    assert made.steps == ["train, 0 opened"] and not openings(tmp_path / "s")
    with pytest.raises(DataError, match="has changed"):
        Confirmation._check_data(of(tmp_path, replace(table_of("tdx"), images=("", "", ""))))


def test_an_evaluation_that_was_interrupted_writes_no_plan(tmp_path: Path) -> None:
    made = of(tmp_path, trained=all_done, settings=None)
    assert made.run([]).reason == "interrupted" and "numbers" not in made.steps
    assert not (tmp_path / "s/confirmation" / PLAN).exists()


def test_a_run_that_failed_is_listed_and_one_that_is_gone_is_not_left_out(tmp_path: Path) -> None:
    failure = Failure("crash", "the roof fell in")

    def train(jobs: Sequence[Job]) -> TrainingEnd:
        finish(jobs, but=[1])
        return TrainingEnd(failed={1: failure})

    made = of(tmp_path, trained=train)
    assert made.run([]).reason == "incomplete" and "evaluate 3" in made.steps[2]
    plan = read_plan(tmp_path / "s/confirmation")
    told = {"seed": 6, "kind": "crash", "message": "the roof fell in"}
    assert plan["failures"] == [{"contender": "best", **told}]
    assert [each["missing"] for each in plan["contenders"]] == [[told], []]

    def gone(jobs: Sequence[Job]) -> TrainingEnd:
        (jobs[2].folder / WEIGHTS).unlink()
        return TrainingEnd(failed={1: failure})

    with pytest.raises(UserError, match=r"1 of 4 runs, .*moved or deleted"):
        of(tmp_path, trained=gone).run([])


def test_where_no_run_ends_nothing_is_opened(tmp_path: Path) -> None:
    failed = {number: Failure("crash", f"roof {number}") for number in range(4)}
    made = of(tmp_path, trained=lambda jobs: TrainingEnd(failed=failed))
    with pytest.raises(UserError, match=r"no run of the confirmation of s finished:\n.*roof 0"):
        made.run([])
    assert not openings(tmp_path / "s")


def test_what_could_not_be_evaluated_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    made = of(tmp_path, table_of("ttddxx", (0, 1, 0, 1, 1, 1)))
    with pytest.raises(DataError, match="test split"):
        made.run([])
    confused = replace(table_of("ttddxx"), tasks=(Task("t", ("a", "b")),), ids=("1",) * 6)
    with pytest.raises(UserError, match="read back"):
        of(tmp_path, confused).run([])
    job = jobs_of(made.candidates, made.seeds, tmp_path / "s/confirmation")[0]
    finish([job])
    (job.folder / "config.yaml").write_text("student: {lr: 0.5}\n")
    with pytest.raises(UserError, match=r"student\.lr"):
        of(tmp_path).run([])
    assert made.steps == []


def test_runs_of_another_version_are_trained_again(tmp_path: Path) -> None:
    made = of(tmp_path, trained=all_done)
    jobs = jobs_of(made.candidates, made.seeds, tmp_path / "s/confirmation")
    finish(jobs)
    write_results(jobs[0].folder, {"versions": {}})
    left: list[int] = []

    def train(jobs: Sequence[Job]) -> TrainingEnd:
        left.extend(job.number for job in jobs if not job.is_done)
        return all_done(jobs)

    made.trained = train
    assert made.run([]).reason == "finished" and left == [0]


@pytest.mark.parametrize(("devices", "expected"), [((), ("cpu",)), (("cuda:1", "cpu"), ("cuda:1", "cpu"))])
def test_devices_are_those_asked_for_else_the_studys(
    tmp_path: Path, devices: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    made = of(tmp_path, request=ConfirmRequest("s", devices=devices))
    on_cpu = [
        replace(each, config=with_values(each.config, {"training.device": "cpu"})) for each in made.candidates
    ]
    made.candidates = on_cpu
    assert made._devices == expected


def test_the_power_is_that_of_the_best_trial_over_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    foreseen = refusing_as(course.foresee, lambda *given, **more: asked.append((given, more)))
    monkeypatch.setattr(course, "foresee", foreseen)
    made = of(tmp_path, folds=None)
    assert made._expected_power is None and "not known beforehand" in made._why_not_expected
    ((best, base, folds, tasks), more) = asked[0]
    assert (best.name, base.name) == ("trial_0007", "trial_0003") and best.parent == tmp_path / "s/trials"
    assert (folds, tasks, more) == (None, made.table.tasks, {"cases": 2, "gain": 0.02})
    first = replace(made.candidates[1], trial=0)
    folders = {0: tmp_path / "first", 7: tmp_path / "best"}
    again = of(tmp_path, candidates=(made.candidates[0], first), trial_folders=folders)
    assert again._expected_power is None and asked[1][0][:2] == (folders[7], folders[0])
    is_best = of(tmp_path, candidates=(replace(made.candidates[1], rank=1),))
    assert "no trial scored above the base" in is_best._why_not_expected

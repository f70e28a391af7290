"""The steps of a run, each by itself: which stages a loss asks for, and what is written, opened and removed when."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from distune.config import Config
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.data.table import Task
from distune.distillation import LossShapes
from distune.errors import DataError, UserError
from distune.models.parameters import trained_state
from distune.store import Store, key_of
from distune.training import run as run_module
from distune.training.callbacks import Callback, EpochRecord, StopTraining
from distune.training.devices import Compute
from distune.training.files import run_folder
from distune.training.files.run_folder import ENVIRONMENT, environment, openings, read_metrics, read_results
from distune.training.inputs.inputs import InputSteps, files_hash
from distune.training.keys import model_seed, student_key
from distune.training.loop import Fitted, fit
from distune.training.predictions import Targets
from distune.training.run import _Run, run
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.missing_modalities import scores_apart
from distune.training.student import build_student, student_seed
from distune.training.teacher.check import run_warning
from distune.training.teacher.teacher import Teacher, TeacherStage, _Seen
from tests.stand_ins import refusing_as

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)


@dataclass
class Stages(Callback):
    stages: list[tuple[str, str]] = field(default_factory=list)

    def on_stage_start(self, stage: str) -> None:
        self.stages.append(("start", stage))

    def on_stage_end(self, stage: str) -> None:
        self.stages.append(("end", stage))


@dataclass
class Answers:
    """A teacher: its answers on dev, and a model whose weights are all alike."""

    dev_probabilities: Any = ()
    history: Any = (
        EpochRecord("teacher", 1, 0, 0, 0, 0.25, {}, 0, 0),
        EpochRecord("teacher", 2, 0, 0, 0, 0.5, {}, 0, 0),
    )
    build: Any = None
    model_seed: int = 77

    def targets(self) -> str:
        return "targets"

    def regression(self) -> float:
        return 0.125

    def model(self) -> Any:
        return self.build()


class Pretended(_Run):
    """Trains and asks nobody; notes what it was asked for, and how often the test split was opened by then."""

    def train_teacher(self) -> Any:
        with self.timed("teacher"):
            return Answers()

    def train_student(self, teacher: Any, targets: Any) -> Any:
        return teacher, targets

    def evaluate_student(self, split: Any) -> dict[str, Any]:
        self.seconds[f"{split} after {len(openings(self.folder.parent))} openings"] = 0.0
        return {"score": {"dev": 0.75, "test": 0.5}[split]}

    def evaluate_teacher(self, teacher: Any) -> dict[str, Any]:
        return {"score": 0.25}


@pytest.fixture
def make(tiny_config: MakeConfig, tmp_path: Path) -> Callable[..., Any]:
    def made(kind: type[_Run] = Pretended, **values: Any) -> Any:
        config = tiny_config(data__image_size=32, **values)
        job = kind(config, tmp_path / "runs/one", Stages(), Store(tmp_path / "cache"), CPU)
        job.table = read_table(config.data, check_images=False)
        job.fingerprint = "data"
        job.folder.mkdir(parents=True)
        job.begun = b"{}"
        (job.folder / ENVIRONMENT).write_bytes(job.begun)
        return job

    return made


@pytest.mark.parametrize(
    ("values", "teacher", "targets"),
    [
        ({"distillation__loss": "none"}, False, None),
        ({"distillation__loss": "none", "student__init_from_teacher": True}, True, None),
        ({"distillation__loss": "vanilla"}, True, "targets"),
    ],
)
def test_a_teacher_is_trained_where_it_is_used_and_asked_where_its_answers_are(
    make: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    teacher: bool,
    targets: Any,
) -> None:
    def slowly(*given: Any, **more: Any) -> Any:
        time.sleep(0.02)
        return build_student(*given, **more)

    monkeypatch.setattr(run_module, "build_student", refusing_as(build_student, slowly))
    job = make(**values)
    job.build()
    found, (known, given) = job.train()
    assert (known is found, found is not None, given) == (True, teacher, targets)
    expected = (["teacher"] if teacher else []) + (["targets"] if targets else []) + ["student"]
    assert [stage for edge, stage in job.callback.stages if edge == "start"] == expected
    assert 0.02 <= job.seconds["student"] < 60, "the time to build it counts"
    state = build_student(job.config, job.table.tasks).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in job.student.state_dict().items())


def test_times_of_a_stage_add_up_also_of_one_that_failed(make: Callable[..., Any]) -> None:
    job = make()
    for _ in range(2):
        with pytest.raises(KeyError), job.timed("data"):
            time.sleep(0.01)
            raise KeyError
    assert 0.02 <= job.seconds["data"] < 1.0
    assert job.callback.stages == [("start", "data"), ("end", "data")] * 2
    assert job.cost().seconds == job.seconds and job.cost().seconds is not job.seconds


@pytest.mark.parametrize(("said", "expected"), [(None, 0.0), (7.5, 7.5)])
def test_the_memory_of_the_device_is_part_of_the_cost(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, said: float | None, expected: float
) -> None:
    monkeypatch.setattr(Compute, "peak_memory_mb", lambda compute: said)
    assert make().cost().peak_device_mb == expected


@pytest.mark.parametrize("begun", [b"another", None])
def test_an_epoch_is_not_written_where_another_run_began(
    make: Callable[..., Any], begun: bytes | None
) -> None:
    job = make()
    (job.folder / ENVIRONMENT).unlink()
    if begun is not None:
        (job.folder / ENVIRONMENT).write_bytes(begun)
    with pytest.raises(UserError, match="another run began"):
        job.on_epoch_end(EpochRecord("student", 1, 0, 0, 0, 0, {}, 0, 0))
    assert read_metrics(job.folder) == []


def test_an_epoch_is_in_the_file_before_anybody_hears_of_it(make: Callable[..., Any]) -> None:
    job, seen = make(), list[int]()
    job.callback.on_epoch_end = lambda record: seen.append(len(read_metrics(job.folder)))  # type: ignore[method-assign]
    records = [
        EpochRecord("teacher", 1, 1, 2, 3, 0.5, {"t": 0.5}, 0.1, 9),
        EpochRecord("student", 1, 0, 0, 0, 0, {}, 0, 0),
    ]
    for record in records:
        job.on_epoch_end(record)
    assert seen == [1, 2] and read_metrics(job.folder) == records == job.history


@pytest.mark.parametrize("open_test", [True, False])
@pytest.mark.parametrize("teacher", [True, False])
def test_the_test_split_is_opened_on_request_and_recorded_before_it_is_read(
    make: Callable[..., Any], open_test: bool, teacher: bool
) -> None:
    job = make()
    job.student = nn.Linear(2, 3)
    scores = (0.5, 0.75, 0.75)
    job.history = [EpochRecord("teacher", 9, 0, 0, 0, 0.99, {}, 0, 0)]
    job.history += [EpochRecord("student", n, 0, 0, 0, score, {}, 0, 0) for n, score in enumerate(scores, 1)]
    job.checkpoint.path.touch()
    dev = [np.full((len(job.table.rows("dev")), len(task.classes)), 0.5) for task in job.table.tasks]
    job.scores_test = open_test
    results = job.evaluate(Answers(dev) if teacher else None)
    assert results == read_results(job.folder) and not job.checkpoint.path.exists()
    assert (results["score"], results["best_epoch"]) == (0.75, 2)
    assert results["splits"] == {"dev": {"score": 0.75}, **({"test": {"score": 0.5}} if open_test else {})}
    assert results["test_split"] == ("opened" if open_test else "shut")
    assert results["parameters"] == {"total": 9, "trained": 9}
    assert results["key"] == job.key == key_of(student_key(job.config, "data", CPU))
    assert results["data_fingerprint"] == "data" and results["encoders"].keys() == {"vision", "text"}
    assert "dev after 0 openings" in job.seconds and ("test after 1 openings" in job.seconds) is open_test
    assert [(each["by"], each["dataset"]) for each in openings(job.folder.parent)] == [
        ("one", "data")
    ] * open_test
    assert not openings(job.folder)
    if teacher:
        found = evaluate(job.table.labels[job.table.rows("dev")], dev, job.table.tasks)
        assert results["teacher"]["splits"]["dev"] == found and results["teacher"]["regression"] == 0.125
        assert ("test" in results["teacher"]["splits"]) is open_test
    else:
        assert results["teacher"] is None


def test_without_a_test_split_there_is_none_to_open(make: Callable[..., Any]) -> None:
    job = make()
    splits: Any = tuple("train" if split == "test" else split for split in job.table.splits)
    job.table, job.student = replace(job.table, splits=splits), nn.Linear(1, 1)
    job.history = [EpochRecord("student", 1, 0, 0, 0, 0.5, {}, 0, 0)]
    job.scores_test = False
    assert job.evaluate(None)["test_split"] == "none"
    assert not openings(job.folder.parent)


def test_a_teacher_alone_is_scored_by_its_answers_on_dev(make: Callable[..., Any]) -> None:
    """The first of its best epochs."""
    job = make(_Run)
    rows = job.table.rows("dev")
    right = [np.eye(len(task.classes))[job.table.labels[rows, n]] for n, task in enumerate(job.table.tasks)]
    found = job.evaluated_teacher(Answers(right))
    assert (found["score"], found["best_epoch"], found["data_fingerprint"]) == (1.0, 2, "data")
    assert found["teacher"]["splits"]["dev"] == evaluate(job.table.labels[rows], right, job.table.tasks)


def test_scores_of_a_split_where_something_lacks_are_apart_too(make: Callable[..., Any]) -> None:
    job = make(_Run)
    rows = job.table.rows("test")
    even = [np.full((len(rows), len(task.classes)), 1 / len(task.classes)) for task in job.table.tasks]
    assert "apart" not in job.scores(rows, even)
    texts = tuple("" if row in rows[:3] else text for row, text in enumerate(job.table.texts))
    job.table = replace(job.table, texts=texts, may_lack=True)
    found = job.scores(rows, even)
    assert found["apart"] == scores_apart(job.table, rows, even)
    assert found["apart"]["without_text"]["examples"] == 3


def test_what_begins_a_run(
    make: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study has said once how its data set was read."""
    job = make(_Run)
    noted = replace(job.table, notes=("label kind: '1.0' as '1'", "a second"))
    asked: list[Any] = []

    def read(*given: Any, **more: Any) -> Any:
        asked.append((given, more))
        return noted

    monkeypatch.setattr(run_module, "read_table", refusing_as(read_table, read))
    del job.fingerprint
    fingerprint = table_fingerprint(noted)
    with caplog.at_level(logging.WARNING):
        job.check(False, None)
        assert [record.message for record in caplog.records] == list(noted.notes)
        caplog.clear()
        job.check(True, fingerprint)
        assert not caplog.records
    assert asked == [((job.config.data,), {"check_images": check}) for check in (False, True)]
    assert job.fingerprint == fingerprint and job.table is noted
    steps = job.steps
    assert (steps.table, steps.data, steps.store, steps.compute) == (noted, job.config.data, job.store, CPU)
    assert steps.seed == 3 and steps.files == files_hash(run_module.image_fingerprints(noted))
    assert job.store.about["dataset"] == str(job.config.data.root)
    (job.folder / ENVIRONMENT).unlink()
    job.begin()
    assert {path.name for path in job.folder.iterdir()} == {"config.yaml", "environment.json"}
    with pytest.raises(DataError):
        job.check(False, "another")


@pytest.mark.parametrize(
    ("dataset", "refusal"), [(None, "something else"), ("that of a study", "distune data demo")]
)
def test_a_trial_of_a_study_makes_no_demo_set(
    dataset: str | None, refusal: str, make: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine.txt").touch()
    job = make()
    job.config = job.config.replace(**{"data.reader": "demo", "data.root": str(tmp_path / "set")})
    with pytest.raises(DataError, match=refusal):
        job.check(False, dataset)


def test_a_test_split_that_cannot_be_scored_is_refused_before_it_is_opened(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make(_Run)
    tasks = (replace(job.table.tasks[0], score="auroc"), *job.table.tasks[1:])
    labels = job.table.labels.copy()
    labels[job.table.rows("test"), 0] = 0
    held = replace(job.table, tasks=tasks, labels=labels)
    monkeypatch.setattr(run_module, "read_table", refusing_as(read_table, lambda *given, **more: held))
    del job.fingerprint
    with pytest.raises(DataError, match="test split: task"):
        job.check(False, None, open_test=True)
    job.check(False, None)
    job.begin()
    assert not openings(job.folder.parent)


@pytest.mark.parametrize(
    ("values", "roles"),
    [
        ({"distillation__loss": "none"}, ("student",)),
        ({"distillation__loss": "vanilla"}, ("teacher", "student")),
        ({"distillation__loss": "none", "student__init_from_teacher": True}, ("teacher", "student")),
    ],
)
def test_commits_are_asked_for_what_is_trained_alone(
    tiny_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    roles: Any,
) -> None:
    asked: list[Any] = []

    def commits(config: Config, folder: Path, of: Any) -> Config:
        asked.append((folder, of))
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "with_commits", refusing_as(run_module.with_commits, commits))
    with pytest.raises(KeyboardInterrupt):
        run(tiny_config(**values), tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run_module.run_teacher(tiny_config(**values), tmp_path / "run")
    assert asked == [(tmp_path / "run", roles), (tmp_path / "run", ("teacher",))]


def test_the_store_of_a_run_is_as_large_as_the_config_says(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def store(*given: Any, **known: Any) -> Any:
        asked.append((given, known))
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "Store", refusing_as(Store, store))
    for trains in (run, run_module.run_teacher):
        with pytest.raises(KeyboardInterrupt):
            trains(tiny_config(cache__max_gb=3.5), tmp_path / "run")
    assert asked == [((), {"max_gb": 3.5})] * 2
    with pytest.raises(TypeError):  # one that is given is used as it is
        run(tiny_config(), tmp_path / "run", store=object())  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", ["vanilla", "attention_transfer"])
def test_a_student_starts_from_its_teachers_weights_and_reads_what_its_loss_needs(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    job = make(_Run, student__init_from_teacher=True, distillation__loss=loss)
    job.steps = InputSteps(job.table, job.config.data, job.store, CPU, job.config.seed)
    job.student = build_student(job.config, job.table.tasks)
    read: list[Any] = []
    for_model = InputSteps.for_model

    def reading(steps: Any, model: Any, section: Any, seed: int, *, with_map: bool = False) -> Any:
        read.append((model is job.student, section, seed, with_map))
        return for_model(steps, model, section, seed, with_map=with_map)

    monkeypatch.setattr(InputSteps, "for_model", reading)
    ended = Fitted([EpochRecord("student", 1, 0, 0, 0, 0.5, {}, 0, 0)], stopped=True)
    monkeypatch.setattr(run_module, "fit", refusing_as(fit, lambda *_, **__: ended))

    def build() -> Any:
        model = build_student(job.config, job.table.tasks)
        for weight in model.parameters():
            nn.init.constant_(weight, 7.0)
        return model

    heads = job.student.heads[0].weight.clone()
    targets = Targets((), {"image_feature": np.zeros((1, 2, 16), np.float32)})
    assert job.train_student(Answers(build=build), targets) is ended
    for encoder in (job.student.vision, job.student.text):
        assert all((weight == 7.0).all() for weight in encoder.parameters())
    assert torch.equal(job.student.heads[0].weight, heads), "its heads are its own"
    seed = student_seed(job.config)
    assert read == [(True, job.config.student, seed, loss == "attention_transfer")]


def test_a_teacher_is_asked_about_test_with_inputs_of_its_own_seed(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, asked = make(_Run), list[Any]()
    even = [np.full((len(job.table.rows("test")), len(task.classes)), 0.5) for task in job.table.tasks]

    class Steps:
        def for_model(self, model: Any, section: Any, seed: int) -> str:
            asked.append((model, section, seed))
            return "inputs"

    job.steps = Steps()
    monkeypatch.setattr(
        run_module, "predict", refusing_as(run_module.predict, lambda *given: asked.append(given) or even)
    )
    found = job.evaluate_teacher(Answers(build=lambda: "model"))
    rows = job.table.rows("test")
    assert asked[0] == ("model", job.config.teacher, 77)
    assert (
        asked[1][:2] == ("model", "inputs") and asked[1][2].tolist() == rows.tolist() and asked[1][3] is CPU
    )
    assert found == evaluate(job.table.labels[rows], even, job.table.tasks)


def test_a_loss_is_built_for_the_models_and_the_tasks_as_they_are(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label is a task of two classes; a teacher's width is that of its answers, where there are any."""
    job, built = make(_Run, student__vision="none", distillation__loss="vanilla"), list[Any]()
    monkeypatch.setattr(
        run_module, "LossShapes", lambda **known: built.append(known) or LossShapes(**known)
    )  # fmt: skip
    signs = Task("signs", ("a", "b", "c"), "multi_label")
    labels = np.zeros((len(job.table), 4), np.int64)
    job.table = replace(job.table, tasks=(Task("kind", ("x", "y", "z")), signs), labels=labels)
    job.objective(Targets((), {"text_feature": np.zeros((1, 2, 5), np.float32)}), 1)
    job.objective(None, 1)
    shapes = {
        "student_dim": 8, "classes": (3, 2, 2, 2), "examples": len(job.table.taught_rows()), "modalities": ("text",),
        "task_weights": (1.0, 1 / 3, 1 / 3, 1 / 3),
    }  # fmt: skip
    assert built == [{**shapes, "teacher_dim": 5}, {**shapes, "teacher_dim": 16}]


def test_a_run_is_warned_of_a_teacher_below_its_student_or_below_regression() -> None:
    def said(teacher: float, student: float, regression: float | None) -> str | None:
        about = {"splits": {"dev": {"score": teacher}, "test": {"score": 0.123}}, "regression": regression}
        return run_warning({"score": student, "teacher": about})

    assert said(0.9, 0.8, 0.7) is said(0.9, 0.9, 0.9) is said(0.9, 0.8, None) is None
    assert "its student, 0.9000" in (said(0.8, 0.9, None) or "")
    below = said(0.7, 0.6, 0.8) or ""
    assert (
        "regression on its own frozen features, 0.8000" in below and "student" not in below.partition(":")[0]
    )
    assert run_warning({"score": 0.5, "teacher": None}) is None


def test_the_environment_of_a_run_is_that_of_its_compute(tiny_config: MakeConfig) -> None:
    found = environment(tiny_config(seed=9), replace(CPU, bf16=True, deterministic=True))
    assert (found["precision"], found["deterministic"], found["seed"]) == ("bf16", True, 9)
    assert found["device"] == CPU.name and found["packages"]["torch"] == metadata.version("torch")
    assert environment(tiny_config(), CPU)["precision"] == "fp32" and found["encoders"] == {}


def test_the_commit_is_that_of_distune_and_of_no_project_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    own = tmp_path / "site/distune/run_folder.py"
    own.parent.mkdir(parents=True)
    own.touch()
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "theirs")
    monkeypatch.setattr(run_folder, "__file__", str(own))
    monkeypatch.chdir(tmp_path)
    assert run_folder._git_commit() is None
    git("add", ".")
    git("commit", "--quiet", "--message", "ours")
    monkeypatch.chdir("/")
    assert run_folder._git_commit() == git("rev-parse", "HEAD")


def test_a_teacher_is_built_with_its_own_weights(make: Callable[..., Any]) -> None:
    job = make(_Run)
    steps = InputSteps(job.table, job.config.data, job.store, CPU, job.config.seed)
    stage = TeacherStage(job.config, job.table, "data", steps, job.store, CPU)
    known = {
        name: np.full(value.shape, 0.5, np.float32) for name, value in trained_state(stage.build()).items()
    }
    made = Teacher([], known, [], {}, stage)
    assert all((value == 0.5).all() for value in made.model().parameters())
    assert made.model_seed == model_seed(job.config, "teacher")


@pytest.mark.parametrize("missing", ["stop", "allow"])
def test_a_teacher_has_a_vector_for_an_absent_input_where_rows_may_lack_one(
    tiny_config: MakeConfig, make: Callable[..., Any], missing: str
) -> None:
    job = make(_Run)
    steps = InputSteps(job.table, job.config.data, job.store, CPU, job.config.seed)
    stage = TeacherStage(tiny_config(data__missing=missing), job.table, "data", steps, job.store, CPU)
    assert stage.build().can_miss is (missing == "allow")


def test_epochs_of_a_teacher_are_passed_on_and_counted_until_one_stops_it() -> None:
    class Third(Callback):
        def __init__(self) -> None:
            self.seen: list[object] = []

        def on_replay(self, stage: str, epochs: int) -> None:
            self.seen.append((stage, epochs))

        def on_epoch_end(self, record: EpochRecord) -> None:
            self.seen.append(record.epoch)
            if record.epoch == 3:
                raise StopTraining

    callback = Third()
    passed = _Seen(callback)
    passed.on_replay("teacher", 1)
    for epoch in (1, 2, 3):
        record = EpochRecord("teacher", epoch, 1.0, 1.0, 0.0, 0.5, {}, 1e-3, 1.0)
        assert not passed.stopped
        with pytest.raises(StopTraining) if epoch == 3 else nullcontext():
            passed.on_epoch_end(record)
        assert passed.epochs == epoch
    assert passed.stopped and callback.seen == [("teacher", 1), 1, 2, 3]

"""One run, trained once: what it calls and when, and what its results and its folder say afterwards."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_files import read_metrics

from distune.config import Config, load_config
from distune.data import Table, read_table
from distune.data.fingerprint import table_fingerprint
from distune.distillation import balanced_class_weights, label_shares
from distune.errors import ConfigError, DataError
from distune.models.parameters import trained_state
from distune.store import Store, key_of
from distune.training import run as run_module
from distune.training.callbacks import Callback, EpochRecord, StopTraining, best_epoch
from distune.training.cost import Cost
from distune.training.devices import Compute
from distune.training.files.checkpoint import CheckpointFile
from distune.training.files.results import RunResult
from distune.training.files.run_folder import ENVIRONMENT, openings, read_results
from distune.training.inputs.inputs import InputSteps
from distune.training.keys import model_seed, student_key, teacher_key, versions_behind
from distune.training.loop import Fitted, Plan, fit
from distune.training.predictions import Targets, predict
from distune.training.run import run, run_teacher
from distune.training.scoring.scores import overall_score
from distune.training.student import build_student, count_parameters, load_student
from distune.training.teacher.regression import pooled_features, regression_on_dev
from distune.training.teacher.teacher import Teacher, TeacherStage
from tests.stand_ins import refusing_as

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)


class Notes(Callback):
    """Notes what it is called with, and stops at an epoch of a stage."""

    def __init__(self, folder: Path, stop_at: tuple[str, int] | None = None):
        self.folder, self.stop_at = folder, stop_at
        self.stages: list[tuple[str, str]] = []
        self.epochs: list[EpochRecord] = []
        self.written: list[int] = []
        self.replays: list[tuple[str, int]] = []
        self.progress: set[str] = set()

    def on_stage_start(self, stage: str) -> None:
        self.stages.append(("start", stage))

    def on_stage_end(self, stage: str) -> None:
        self.stages.append(("end", stage))

    def on_progress(self, step: str, done: int, total: int) -> None:
        self.progress.add(step)

    def on_replay(self, stage: str, epochs: int) -> None:
        self.replays.append((stage, epochs))

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.epochs.append(record)
        self.written.append(len(read_metrics(self.folder)))
        if (record.stage, record.epoch) == self.stop_at:
            raise StopTraining


@dataclass
class Whole:
    """A run with a teacher that opened the test split."""

    config: Config
    folder: Path
    table: Table
    notes: Notes
    store: Store
    result: RunResult
    asked: list[tuple[int, list[int], list[Any]]] = field(default_factory=list)
    """Of each evaluation: openings so far, the rows, the answers."""
    read: list[tuple[str, int, bool]] = field(default_factory=list)
    """Of each model whose inputs were made: the section, the seed, whether with maps."""

    def records(self, stage: str) -> list[EpochRecord]:
        return [record for record in self.notes.epochs if record.stage == stage]


@pytest.fixture(scope="module")
def whole(tiny_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    config = tiny_config(distillation__loss="attention_transfer", student__epochs=2)
    beside = tmp_path_factory.mktemp("whole")
    folder, store, asked, read = beside / "run", Store(beside / "cache"), [], []
    table = read_table(config.data, check_images=False)
    for_model = InputSteps.for_model

    def noting(model: Any, inputs: Any, rows: Any, compute: Any) -> Any:
        before = len(openings(beside))
        asked.append((before, rows.tolist(), predict(model, inputs, rows, compute)))
        return asked[-1][2]

    def reading(steps: Any, model: Any, section: Any, seed: int, *, with_map: bool = False) -> Any:
        read.append(("teacher" if section == config.teacher else "student", seed, with_map))
        return for_model(steps, model, section, seed, with_map=with_map)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distune.training.files.checkpoint.EVERY_SECONDS", 0.0)
        patch.setattr(run_module, "predict", noting)
        patch.setattr(InputSteps, "for_model", reading)
        notes = Notes(folder)
        result = run(config, folder, callback=notes, open_test=True, store=store)
    yield Whole(config, folder, table, notes, store, result, asked, read)


def test_stages_and_epochs_are_told_in_their_order(whole: Whole) -> None:
    stages = ("data", "teacher", "targets", "student", "evaluation")
    assert whole.notes.stages == [(edge, stage) for stage in stages for edge in ("start", "end")]
    epochs = [(record.stage, record.epoch) for record in whole.notes.epochs]
    assert epochs == [("teacher", 1), ("teacher", 2), ("student", 1), ("student", 2)]
    assert whole.notes.written == [1, 2, 3, 4], "an epoch is in the file before anybody is told of it"
    assert whole.notes.replays == []
    steps = {f"{stage} epoch {epoch}, steps" for stage, epoch in epochs}
    assert whole.notes.progress == {"decoding images", *steps}
    assert read_metrics(whole.folder) == [asdict(record) for record in whole.notes.epochs]


def test_every_split_is_read_once_and_the_test_split_only_after_it_was_recorded(whole: Whole) -> None:
    rows = [whole.table.rows(split).tolist() for split in ("dev", "test", "test")]
    assert [(before, asked) for before, asked, _ in whole.asked] == list(zip((0, 1, 1), rows, strict=True))
    (opening,) = openings(whole.folder.parent, table_fingerprint(whole.table))
    assert opening["by"] == "run"
    assert openings(whole.folder.parent, "another data set") == []


def test_each_model_reads_inputs_of_its_own_seed(whole: Whole) -> None:
    teacher, student = (model_seed(whole.config, role) for role in ("teacher", "student"))
    assert teacher != student
    assert whole.read == [
        ("teacher", teacher, False),
        ("teacher", teacher, True),
        ("student", student, True),
        ("teacher", teacher, False),
    ]  # its training, its targets, the student's training, its answers on test


def test_the_results_are_those_of_the_best_epochs(whole: Whole) -> None:
    results, result = read_results(whole.folder), whole.result
    assert results is not None and results == json.loads(json.dumps(result.results))
    best, best_of_teacher = (best_epoch(whole.records(stage)) for stage in ("student", "teacher"))
    assert (result.score, result.best_epoch, result.stopped) == (best.dev_score, best.epoch, False)
    assert (results["score"], results["best_epoch"]) == (best.dev_score, best.epoch)
    labels, tasks = whole.table.labels, whole.table.tasks
    scores = [overall_score(labels[rows], answers, tasks) for _, rows, answers in whole.asked]
    (dev, test), of_teacher = results["splits"].values(), results["teacher"]["splits"]
    assert [dev["score"], test["score"], of_teacher["test"]["score"]] == scores
    assert dev["score"] == best.dev_score and of_teacher["dev"]["score"] == best_of_teacher.dev_score
    assert {name: values["macro_f1"] for name, values in dev["tasks"].items()} == best.macro_f1
    assert results["test_split"] == "opened" and results["teacher"]["regression"] is None


def test_the_results_say_what_they_come_from_and_what_they_cost(whole: Whole) -> None:
    results, config = whole.result.results, whole.config
    fingerprint = table_fingerprint(whole.table)
    assert results["data_fingerprint"] == fingerprint
    assert results["key"] == key_of(student_key(config, fingerprint, CPU))
    assert results["versions"] == versions_behind(config)
    assert results["versions"].keys() >= {"images", "tokens", "teacher", "targets", "student"}
    cost = whole.result.cost
    assert cost == Cost(**results["cost"]) and cost.seconds.keys() == {
        "data", "teacher", "targets", "student", "evaluation",
    }  # fmt: skip
    assert cost.seconds["student"] >= sum(record.seconds for record in whole.records("student"))
    assert cost.device == CPU.name and cost.peak_device_mb == 0.0
    once = {"images": 1, "tokens": 1, "teacher": 1, "targets": 1}
    assert whole.result.cache == results["cache"] and whole.result.cache["misses"] == once
    assert {entry.dataset for entry in whole.store.entries()} == {str(config.data.root)}


def test_the_folder_holds_the_student_and_its_answers(whole: Whole) -> None:
    assert {path.name for path in whole.folder.iterdir()} == {
        "config.yaml", "environment.json", "metrics.jsonl", "predictions_dev.csv", "predictions_test.csv",
        "results.json", "student.safetensors",
    }  # fmt: skip
    assert load_config(whole.folder / "config.yaml") == whole.config
    student, config, tasks = load_student(whole.folder)
    assert (config, tasks, student.training) == (whole.config, whole.table.tasks, False)
    assert whole.result.results["parameters"] == count_parameters(student)
    steps = InputSteps(whole.table, config.data, whole.store, CPU, config.seed)
    inputs = steps.for_model(student, config.student, model_seed(config, "student"))
    for split in ("dev", "test"):
        rows = whole.table.rows(split)
        with (whole.folder / f"predictions_{split}.csv").open(newline="") as handle:
            lines = list(csv.DictReader(handle))
        assert [line["id"] for line in lines] == [whole.table.ids[row] for row in rows]
        written = [[float(value) for name, value in line.items() if name.startswith("p_")] for line in lines]
        again = np.concatenate(predict(student, inputs, rows, CPU), axis=1)
        np.testing.assert_allclose(again, written, atol=1e-6)


@pytest.mark.slow
def test_a_run_that_was_stopped_has_no_results_until_it_is_run_to_its_end(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config, folder = tiny_config(distillation__loss="none"), tmp_path / "run"
    first, second = Notes(folder, ("student", 2)), Notes(folder)
    stopped = run(config, folder, callback=first)
    assert (stopped.stopped, stopped.score, stopped.best_epoch) == (True, first.epochs[-1].dev_score, 2)
    assert stopped.results == {} and stopped.cost.seconds.keys() == {"data", "student"}
    left = {path.name for path in folder.iterdir()}
    assert left == {"checkpoint_student.safetensors", "config.yaml", "environment.json", "metrics.jsonl"}
    ended = run(config, folder, callback=second)
    assert second.replays == [("student", 2)] and second.epochs[:2] == first.epochs
    assert not ended.stopped and not (folder / "checkpoint_student.safetensors").exists()
    assert ended.results["teacher"] is None and ended.results["test_split"] == "shut"
    assert ended.results["splits"].keys() == {"dev"} and openings(tmp_path) == []


@pytest.mark.slow
def test_a_teacher_alone(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """Stopped, then resumed to its end, then found whole and stopped while it is only reported again."""
    config, folder = tiny_config(), tmp_path / "run"
    first, second, third = (Notes(folder, at) for at in (("teacher", 1), None, ("teacher", 1)))
    stopped = run_teacher(config, folder, callback=first)
    assert (stopped.stopped, stopped.score, stopped.results) == (True, first.epochs[0].dev_score, {})
    assert read_results(folder) is None and (folder / "checkpoint_teacher.safetensors").exists()
    ended = run_teacher(config, folder, callback=second)
    assert second.replays == [("teacher", 1)] and second.epochs[0] == first.epochs[0]
    assert [record.epoch for record in second.epochs] == second.written == [1, 2]
    best = best_epoch(second.epochs)
    assert (ended.stopped, ended.score, ended.best_epoch) == (False, best.dev_score, best.epoch)
    results = read_results(folder)
    assert results is not None and results == json.loads(json.dumps(ended.results))
    assert results["score"] == results["teacher"]["splits"]["dev"]["score"] == best.dev_score
    assert not (folder / "checkpoint_teacher.safetensors").exists()
    again = run_teacher(config, folder, callback=third)
    assert again.stopped and third.replays == [("teacher", 2)]
    assert third.epochs == second.epochs[:1] and third.stages[-1] == ("end", "teacher")


def test_the_score_of_a_run_is_that_of_its_best_epoch_and_of_its_last_where_it_was_stopped(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    job = run_module._Run(tiny_config(), tmp_path, Callback(), Store(tmp_path / "cache"), CPU)
    job.seconds = {"student": 2.0}
    scores = enumerate((0.9, 0.5), start=1)
    history = [EpochRecord("student", number, 0, 0, 0, score, {}, 0, 0) for number, score in scores]
    stopped = job.result(Fitted(history, stopped=True), {})
    assert (stopped.score, stopped.best_epoch, stopped.stopped) == (0.5, 2, True)
    assert stopped.cost.seconds == {"student": 2.0}
    recorded = Cost({"student": 1.0}, 3.0)
    ended = job.result(Fitted(history, stopped=False), {"cost": asdict(recorded)})
    assert (ended.score, ended.best_epoch, ended.stopped, ended.cost) == (0.9, 1, False, recorded)
    nothing = job.result(None, {})
    assert (nothing.score, nothing.best_epoch, nothing.stopped) == (None, None, True)
    for _ in range(2):
        with pytest.raises(KeyError), job.timed("evaluation"):
            raise KeyError
    assert job.seconds.keys() == {"student", "evaluation"}


def partly_labelled(config: Config, tmp_path: Path) -> run_module._Run:
    """A job whose table has labels for every third train row, and for all of the other splits."""
    job = run_module._Run(config, tmp_path, Callback(), Store(tmp_path / "cache"), CPU)
    table = read_table(config.data, check_images=False)
    splits, labels = list(table.splits), table.labels.copy()
    for row in table.rows("train")[1::3]:
        splits[row], labels[row] = "unlabelled", -1
    labels[table.rows("train")[0], 0] = -1
    job.table = run_module.Table(
        table.root, table.ids, table.images, table.texts, labels, table.groups, tuple(splits), table.tasks
    )
    job.begun = b"{}"
    (tmp_path / ENVIRONMENT).write_bytes(job.begun)
    return job


@pytest.mark.parametrize(
    ("values", "unlabelled"),
    [
        ({"distillation__loss": "vanilla"}, True),
        ({"distillation__loss": "vanilla", "distillation__unlabelled": False}, False),
        ({"distillation__loss": "none"}, False),
    ],
)
def test_a_student_takes_as_many_steps_with_unlabelled_rows_and_without(
    tiny_config: MakeConfig, tmp_path: Path, values: dict[str, Any], unlabelled: bool
) -> None:
    job = partly_labelled(tiny_config(**values), tmp_path)
    rows, labelled = job.student_rows(), job.table.rows("train")
    assert len(rows) == len(job.table.taught_rows()) > len(labelled)
    assert set(rows.tolist()) == set((job.table.taught_rows() if unlabelled else labelled).tolist())
    if not unlabelled:
        assert rows[: len(labelled)].tolist() == labelled.tolist()


def test_a_student_is_weighed_by_what_it_is_trained_on(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """The shares of labels over the rows of its epoch, the classes over train, the widths as they are."""
    config = tiny_config(distillation__loss="crd", training__class_weights="balanced")
    job = partly_labelled(config, tmp_path)
    found = job.objective(Targets((), {"image_feature": np.zeros((1, 2, 5), np.float32)}), seed=1)
    labels = job.table.labels
    assert found.label_shares == label_shares(labels[job.student_rows()])
    counts = [len(task.classes) for task in job.table.tasks]
    for number, weights in enumerate(balanced_class_weights(labels[job.table.rows("train")], counts)):
        torch.testing.assert_close(found.get_buffer(f"class_weights_{number}"), weights)
    widths = {module.in_features for module in found.modules() if isinstance(module, torch.nn.Linear)}
    assert widths == {config.student.fusion_dim, 5}
    assert found.get_buffer("loss.contrast.memory").shape[2] == len(job.student_rows())


def test_what_cannot_be_trained_is_refused_before_it_is_read(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config(
        teacher__vision="none", student__text="none", distillation__loss="rkd", data__root=str(tmp_path)
    )
    with pytest.raises(ConfigError):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dev_split_without_a_score_is_refused_before_anything_is_trained(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    table.labels[table.rows("dev")] = -1
    monkeypatch.setattr(run_module, "read_table", lambda *_, **__: table)
    with pytest.raises(DataError, match="dev"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@dataclass
class Given:
    """What `fit` was called with, in place of a training."""

    stopped: bool
    tells: bool = False
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __call__(self, *arguments: Any, **options: Any) -> Fitted:
        self.calls.append((arguments, options))
        record = EpochRecord("student", 1, 0, 0, 0, 0.5, {}, 0, 0)
        if self.tells:
            options["callback"].on_epoch_end(record)
        return Fitted([record], self.stopped)


@pytest.mark.parametrize("stopped", [True, False])
def test_what_a_student_is_trained_with(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    config = tiny_config(
        distillation__loss="vanilla", data__image_size=32, student__lr=7e-3, teacher__lr=1e-3
    )
    job, given = partly_labelled(config, tmp_path), Given(stopped)
    job.fingerprint = "data"
    job.steps = InputSteps(job.table, config.data, job.store, CPU, config.seed)
    job.student = build_student(config, job.table.tasks)
    monkeypatch.setattr(run_module, "fit", refusing_as(fit, given))
    targets = Targets((), {"image_feature": np.zeros((1, 2, 16), np.float32)})
    assert job.train_student(None, targets).stopped is stopped
    ((model, objective, examples, plan, compute), options) = given.calls[0]
    assert model is job.student and compute is CPU and objective.loss is not None
    assert examples.train.tolist() == job.student_rows().tolist()
    assert examples.dev.tolist() == job.table.rows("dev").tolist()
    assert examples.labels is job.table.labels and examples.tasks == job.table.tasks
    assert plan == Plan("student", 3, 7e-3, config.training, config.seed)
    assert options["targets"] is targets and options["callback"] is job
    checkpoint = CheckpointFile(tmp_path / "checkpoint_student.safetensors", job.key)
    assert options["checkpoint"] == checkpoint
    assert job.key == key_of(student_key(config, "data", CPU))
    assert (tmp_path / "student.safetensors").exists() is not stopped


@pytest.mark.slow
@pytest.mark.parametrize(("stopped", "tells"), [(True, False), (False, False), (False, True)])
def test_what_a_teacher_is_trained_with(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool, tells: bool
) -> None:
    """On the labelled rows and their labels alone; one that was stopped is not kept."""
    config = tiny_config(
        distillation__loss="vanilla", distillation__alpha=0.1, training__class_weights="balanced",
        data__image_size=32, data__missing="allow", student__lr=7e-3, teacher__lr=1e-3,
    )  # fmt: skip
    table, given = partly_labelled(config, tmp_path).table, Given(stopped, tells)
    store = Store(tmp_path / "cache")
    stage = TeacherStage(
        config, table, "data", InputSteps(table, config.data, store, CPU, config.seed), store, CPU
    )
    monkeypatch.setattr("distune.training.teacher.teacher.fit", refusing_as(fit, given))
    notes, path = Notes(tmp_path), tmp_path / "checkpoint_teacher.safetensors"
    path.touch()
    (tmp_path / "metrics.jsonl").touch()
    if stopped:
        with pytest.raises(StopTraining):
            stage.trained(notes, path)
        assert path.exists() and not [each for each in store.entries() if each.kind == "teacher"]
    else:
        found = stage.trained(notes, path)
        assert not path.exists() and [record.epoch for record in found.history] == [1]
        assert notes.replays == ([] if tells else [("teacher", 1)]), (
            "which was told while it was trained, if it was"
        )
        assert len(notes.epochs) == 1
        dev = predict(found.model(), stage.steps.for_model(found.model(), config.teacher, stage.model_seed),
                      table.rows("dev"), CPU)  # fmt: skip
        for ours, theirs in zip(found.dev_probabilities, dev, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    ((model, objective, examples, plan, compute), options) = given.calls[0]
    train = table.rows("train")
    assert model.can_miss and model.vision.image_size == 32 and compute is CPU
    assert model.heads[0].in_features == config.teacher.fusion_dim != config.student.fusion_dim
    assert objective.loss is None and objective.alpha == 1.0 and objective.tasks == table.tasks
    assert objective.label_shares == label_shares(table.labels[train])
    counts = [len(task.classes) for task in table.tasks]
    for number, weights in enumerate(balanced_class_weights(table.labels[train], counts)):
        torch.testing.assert_close(objective.get_buffer(f"class_weights_{number}"), weights)
    assert examples.train.tolist() == train.tolist()
    assert examples.dev.tolist() == table.rows("dev").tolist()
    assert plan == Plan("teacher", 2, 1e-3, config.training, config.seed)
    assert options["checkpoint"] == CheckpointFile(path, key_of(teacher_key(config, "data", CPU)))
    assert stage.model_seed == model_seed(config, "teacher") and "targets" not in options


@pytest.mark.slow
def test_a_teacher_is_asked_about_all_that_a_student_is_taught(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    """And another teacher about the same: its answers are kept apart."""
    config = tiny_config(distillation__loss="vanilla", data__image_size=32)
    table, store = partly_labelled(config, tmp_path).table, Store(tmp_path / "cache")
    stage = TeacherStage(
        config, table, "data", InputSteps(table, config.data, store, CPU, config.seed), store, CPU
    )
    weights = {name: value.numpy() for name, value in trained_state(stage.build()).items()}
    for key, count in (("one", 1), ("other", 2), ("one", 2)):
        found = Teacher([], weights, [], {"of": key}, stage).targets()
        known = np.isfinite(found.logits[0][0]).all(axis=1)
        assert np.flatnonzero(known).tolist() == table.taught_rows().tolist()
        assert len([each for each in store.entries() if each.kind == "targets"]) == count


@pytest.mark.parametrize(
    ("vision", "text", "known"),
    [("all", "all", True), (1, "all", False), ("all", 1, False), ("none", "none", False)],
)
def test_a_regression_stands_beside_a_teacher_whose_encoders_are_all_frozen(
    tiny_config: MakeConfig, tmp_path: Path, vision: Any, text: Any, known: bool
) -> None:
    config = tiny_config(teacher__vision__freeze=vision, teacher__text__freeze=text, data__image_size=32)
    table, store = read_table(config.data, check_images=False), Store(tmp_path / "cache")
    steps = InputSteps(table, config.data, store, CPU, config.seed)
    stage = TeacherStage(config, table, "data", steps, store, CPU)
    found = stage.regression()
    assert (found is not None) is known
    if known:
        model = stage.build()
        inputs = steps.for_model(model, config.teacher, stage.model_seed)
        features = pooled_features(model, inputs, table, CPU.device)
        assert found == pytest.approx(regression_on_dev(table, features.joined))

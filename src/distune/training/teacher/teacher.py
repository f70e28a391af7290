"""The teacher: trained once for every run that asks for the same one, and asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.config import Config, DistillationConfig
from distune.data.table import Table
from distune.distillation import LOSSES, Objective, balanced_class_weights, label_shares
from distune.models.classifier import Classifier, build_classifier
from distune.models.parameters import load_trained_state, trained_state
from distune.store import Entry, Store, key_of
from distune.training.callbacks import Callback, EpochRecord, StopTraining, asks_to_stop
from distune.training.devices import Compute
from distune.training.files.checkpoint import CheckpointFile
from distune.training.inputs.inputs import InputSteps
from distune.training.keys import model_seed, regression_key, teacher_key, version_of
from distune.training.loop import Examples, Plan, fit
from distune.training.predictions import Targets, predict, read_targets, write_targets
from distune.training.teacher.regression import pooled_features, regression_on_dev


@dataclass
class Teacher:
    """A trained teacher in the store; the model itself is built only if it is needed.

    Attributes:
        history: its epochs.
        weights: trained tensors by name.
        dev_probabilities: one array (dev rows, classes) a task.
    """

    history: list[EpochRecord]
    weights: dict[str, NDArray[Any]]
    dev_probabilities: list[NDArray[np.float32]]
    _key: dict[str, Any]
    _stage: TeacherStage

    @property
    def model_seed(self) -> int:
        """Seed of its random weights."""
        return self._stage.model_seed

    def model(self) -> Classifier:
        """The teacher with its trained weights, on the device."""
        model = self._stage.build()
        load_trained_state(model, {name: torch.from_numpy(value) for name, value in self.weights.items()})
        return model

    def regression(self) -> float | None:
        """The dev score of logistic regression on its frozen features; None where an encoder of its is trained."""
        return self._stage.regression()

    def targets(self) -> Targets:
        """Its answers on every view of the train examples, those without labels too."""
        stage = self._stage
        with_map = LOSSES[stage.config.distillation.loss].uses_map

        def compute(entry: Entry) -> None:
            model = self.model()
            inputs = stage.steps.for_model(model, stage.config.teacher, stage.model_seed, with_map=with_map)
            rows = stage.table.taught_rows()
            write_targets(entry, model, inputs, rows, stage.compute, with_map=with_map)

        key = {"version": version_of("targets"), "teacher": self._key, "map": with_map}
        entry = stage.store.get("targets", key, compute)
        return read_targets(entry, stage.table.tasks, stage.config.teacher.modalities, with_map=with_map)


@dataclass
class TeacherStage:
    """Trains the teacher of a config, or finds it in the store.

    Args:
        config: the whole experiment.
        table: all examples.
        fingerprint: of the table.
        steps: from the table to model inputs.
        store: where teachers are kept.
        compute: device and precision.
    """

    config: Config
    table: Table
    fingerprint: str
    steps: InputSteps
    store: Store
    compute: Compute

    @property
    def model_seed(self) -> int:
        """Seed of the teacher's random weights."""
        return model_seed(self.config, "teacher")

    def build(self) -> Classifier:
        """The untrained teacher on the device."""
        data = self.config.data
        model = build_classifier(
            self.config.teacher,
            self.table.tasks,
            seed=self.model_seed,
            image_size=data.image_size,
            keep_encoders=self.compute.keeps_encoders,
            can_miss=data.missing == "allow",
        )
        return model.to(self.compute.device)

    def key(self) -> dict[str, Any]:
        """Everything that a trained teacher depends on."""
        return teacher_key(self.config, self.fingerprint, self.compute)

    def regression(self) -> float | None:
        """See `Teacher.regression`; found once for all teachers on these encoders and data."""
        config = self.config.teacher
        if any(encoder.freeze != "all" for encoder in config.encoders.values()):
            return None

        def compute(entry: Entry) -> None:
            model = self.build()
            inputs = self.steps.for_model(model, config, self.model_seed)
            features = pooled_features(model, inputs, self.table, self.compute.device)
            entry.values["score"] = regression_on_dev(self.table, features.joined)

        key = regression_key(self.config, self.fingerprint, self.compute)
        return float(self.store.get("regression", key, compute).values["score"])

    def trained(self, callback: Callback, path: Path) -> Teacher:
        """The trained teacher.

        Args:
            callback: sees each epoch, also of a teacher that was trained before.
            path: of the checkpoint that an interrupted training resumes from; removed at the end.

        Raises:
            StopTraining: the callback asked to stop.
        """
        seen = _Seen(callback)
        checkpoint = CheckpointFile(path, key_of(self.key()))
        entry = self.store.get("teacher", self.key(), self._training(seen, checkpoint))
        checkpoint.remove()
        history = [EpochRecord(**record) for record in entry.values["history"]]
        if left := history[seen.epochs :]:
            callback.on_replay("teacher", len(left))
        for record in left:
            if asks_to_stop(seen, record):
                break
        if seen.stopped:  # a teacher stopped at its last epoch is whole and kept; the run stops all the same
            raise StopTraining
        dev = [entry.array(f"dev_{task}") for task in range(len(self.table.tasks))]
        return Teacher(history, entry.tensors("weights"), dev, self.key(), self)

    def _training(self, callback: Callback, checkpoint: CheckpointFile) -> Callable[[Entry], None]:
        def compute(entry: Entry) -> None:
            config, table = self.config, self.table
            model = self.build()
            inputs = self.steps.for_model(model, config.teacher, self.model_seed)
            examples = Examples(inputs, table.labels, table.tasks, table.rows("train"), table.rows("dev"))
            labels_only = Objective(
                DistillationConfig(),
                config.training,
                class_weights=class_weights(config, table),
                label_shares=label_shares(table.labels[table.rows("train")]),
                tasks=table.tasks,
            )
            plan = Plan("teacher", config.teacher.epochs, config.teacher.lr, config.training, config.seed)
            fitted = fit(
                model,
                labels_only.to(self.compute.device),
                examples,
                plan,
                self.compute,
                callback=callback,
                checkpoint=checkpoint,
            )
            if fitted.stopped:
                raise StopTraining
            entry.values["history"] = [asdict(record) for record in fitted.history]
            weights = trained_state(model)
            entry.put_tensors("weights", {name: w.detach().cpu().numpy() for name, w in weights.items()})
            for task, probabilities in enumerate(predict(model, inputs, examples.dev, self.compute)):
                entry.new_array(f"dev_{task}", probabilities.shape, np.float32)[:] = probabilities

        return compute


class _Seen(Callback):
    """Passes epochs on, and remembers how many there were and whether one of them stopped the run."""

    def __init__(self, callback: Callback):
        self._callback = callback
        self.epochs = 0
        self.stopped = False

    def on_progress(self, step: str, done: int, total: int) -> None:
        self._callback.on_progress(step, done, total)

    def on_replay(self, stage: str, epochs: int) -> None:
        self._callback.on_replay(stage, epochs)

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.epochs += 1
        self.stopped = asks_to_stop(self._callback, record)
        if self.stopped:
            raise StopTraining


def class_weights(config: Config, table: Table) -> tuple[torch.Tensor, ...] | None:
    """The weights that `training.class_weights` asks for, from the train split."""
    if config.training.class_weights == "none":
        return None
    return balanced_class_weights(
        table.labels[table.rows("train")], [len(task.classes) for task in table.as_exclusive().tasks]
    )

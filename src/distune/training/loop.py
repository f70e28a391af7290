"""The one training loop, for teacher and student alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.config import TrainingConfig
from distune.data.batches import Batch, ModelInputs, train_batches
from distune.data.table import Task
from distune.distillation import Objective
from distune.models.classifier import Classifier
from distune.models.parameters import load_trained_state, trained_tensors
from distune.training.callbacks import Callback, EpochRecord, asks_to_stop, best_epoch
from distune.training.devices import Compute
from distune.training.files.checkpoint import Checkpoint, CheckpointFile, CheckpointWriter
from distune.training.optimizer import MovingAverage, Optimizer
from distune.training.predictions import Targets, predict
from distune.training.scoring.scores import macro_f1_by_task, overall_score
from distune.utils.seeds import derived_seed


@dataclass(frozen=True)
class Examples:
    """What a model is trained and evaluated on.

    Attributes:
        inputs: for all examples of the table.
        labels: the table's columns, int64 (N, columns).
        tasks: the label columns.
        train: rows to learn from.
        dev: rows to evaluate each epoch on.
    """

    inputs: ModelInputs
    labels: NDArray[np.int64]
    tasks: Sequence[Task]
    train: NDArray[np.int64]
    dev: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """How long and how a stage trains.

    Attributes:
        stage: teacher or student; part of every seed.
        epochs: passes over the train rows.
        lr: peak learning rate.
        training: what both stages share.
        seed: of the run.
    """

    stage: str
    epochs: int
    lr: float
    training: TrainingConfig
    seed: int


@dataclass(frozen=True)
class Fitted:
    """The end of a stage; the model holds the weights of its best epoch.

    Attributes:
        history: every epoch, also those of an interrupted first attempt.
        stopped: whether a callback asked to stop before the end.
    """

    history: list[EpochRecord]
    stopped: bool

    @property
    def best(self) -> EpochRecord:
        """The epoch with the highest dev score, the first of equals."""
        return best_epoch(self.history)


def fit(
    model: Classifier,
    objective: Objective,
    examples: Examples,
    plan: Plan,
    compute: Compute,
    *,
    targets: Targets | None = None,
    callback: Callback | None = None,
    checkpoint: CheckpointFile | None = None,
) -> Fitted:
    """Trains a model and leaves it with the weights of its best epoch on dev.

    Every epoch starts from a seed of its own, so training that was interrupted resumes from its checkpoint with the
    same numbers as if nothing had happened: the epochs after the checkpoint are trained again.

    Args:
        model: on the device already.
        objective: the loss, on the device already.
        examples: inputs, labels and rows.
        plan: epochs, learning rate, seed.
        compute: device and precision.
        targets: the teacher's answers; None trains on labels alone.
        callback: called at the end of each epoch, those before an interruption too.
        checkpoint: to resume from and to write to; None keeps nothing.

    Raises:
        FloatingPointError: the loss or a prediction is not finite.
    """
    callback, compute = callback or Callback(), compute.for_model(model)
    state = _State(model, objective, examples, plan, compute)
    if checkpoint is not None:
        state.resume(checkpoint.load())
    if state.history:
        callback.on_replay(plan.stage, len(state.history))
    for record in state.history:
        if asks_to_stop(callback, record):
            return state.finish(stopped=record.epoch < plan.epochs)
    with CheckpointWriter(checkpoint) as writer:
        while len(state.history) < plan.epochs and not state.stops_early():
            epoch = len(state.history) + 1
            state.keep(_one_epoch(state, epoch, examples, plan, compute, targets, callback.on_progress))
            # Before the callback, which may wait long for an answer.
            writer.save(state.checkpoint)
            if asks_to_stop(callback, state.history[-1]):
                writer.save(state.checkpoint, last=True)
                return state.finish(stopped=epoch < plan.epochs)
    return state.finish(stopped=False)


class _State:
    """Everything that changes while a stage trains."""

    def __init__(
        self, model: Classifier, objective: Objective, examples: Examples, plan: Plan, compute: Compute
    ):
        self.model, self.objective, self.plan = model, objective, plan
        # Once: to list those of frozen encoders takes as long as a step.
        self._weights = trained_tensors(model)
        # Of the whole plan, also where early stopping makes it shorter: the schedule depends on nothing else.
        steps = math.ceil(len(examples.train) / plan.training.batch_size) * plan.epochs
        self.optimizer = Optimizer(model, objective, plan.lr, steps, plan.training)
        self.average = MovingAverage(model, plan.training.ema) if plan.training.ema else None
        self.history: list[EpochRecord] = []
        self.train_position = _positions(examples, compute)
        self.with_map = objective.loss is not None and objective.loss.uses_map
        self._best: dict[str, Tensor] = {}

    def stops_early(self) -> bool:
        """Early stopping: whether the best epoch lies as far back as the config's patience."""
        patience = self.plan.training.early_stopping
        return bool(
            patience and self.history and len(self.history) - best_epoch(self.history).epoch >= patience
        )

    def keep(self, record: EpochRecord) -> None:
        self.history.append(record)
        if best_epoch(self.history) is record:
            with self.average.applied() if self.average else nullcontext():
                self._best = {name: value.clone() for name, value in self._weights.items()}

    def checkpoint(self) -> Checkpoint:
        tensors: dict[str, dict[str, Tensor]] = {
            "model": self._weights,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state(),
            "average": self.average.averages if self.average else {},
            "best": self._best,
        }
        values = {
            "history": [asdict(record) for record in self.history],
            "steps": self.optimizer.steps,
            "average_steps": self.average.steps if self.average else 0,
        }
        return Checkpoint(tensors, values)

    def resume(self, saved: Checkpoint | None) -> None:
        if saved is None:
            return
        load_trained_state(self.model, saved.tensors["model"])
        self.objective.load_state_dict(dict(saved.tensors.get("objective", {})))
        self.optimizer.load(saved.tensors["optimizer"], saved.values["steps"])
        if self.average:
            self.average.steps = saved.values["average_steps"]
            for name, value in saved.tensors["average"].items():
                self.average.averages[name].copy_(value)
        self._best = dict(saved.tensors["best"])
        self.history = [EpochRecord(**record) for record in saved.values["history"]]

    def finish(self, *, stopped: bool) -> Fitted:
        for name, tensor in self._weights.items():
            tensor.copy_(self._best[name])
        return Fitted(self.history, stopped)


def _one_epoch(
    state: _State,
    epoch: int,
    examples: Examples,
    plan: Plan,
    compute: Compute,
    targets: Targets | None,
    progress: Callable[[str, int, int], None],
) -> EpochRecord:
    started = time.perf_counter()
    torch.manual_seed(derived_seed(plan.seed, plan.stage, epoch))
    state.model.train()
    sums = torch.zeros(3, device=compute.device)
    steps, in_all = 0, math.ceil(len(examples.train) / plan.training.batch_size)
    for batch in train_batches(
        examples.inputs,
        examples.labels,
        examples.train,
        batch_size=plan.training.batch_size,
        seed=derived_seed(plan.seed, plan.stage, "order"),
        epoch=epoch,
        device=compute.device,
        targets=targets.placed(compute.device) if targets else (),
    ):
        sums += _one_step(state, batch, plan, compute, targets)
        steps += 1
        progress(f"{plan.stage} epoch {epoch}, steps", steps, in_all)
    # Read once an epoch: to read a loss after each step would make the host wait for the device every time.
    total, cross_entropy, distillation = (sums / steps).tolist()
    if not math.isfinite(total):
        raise FloatingPointError(
            f"the {plan.stage}'s loss is {total} in epoch {epoch}; lower its lr ({plan.lr:g}) or grad_clip"
        )
    with state.average.applied() if state.average else nullcontext():
        probabilities = predict(state.model, examples.inputs, examples.dev, compute)
    answers = (examples.labels[examples.dev], probabilities, examples.tasks)
    return EpochRecord(
        plan.stage,
        epoch,
        total,
        cross_entropy,
        distillation,
        overall_score(*answers),
        macro_f1_by_task(*answers),
        state.optimizer.lr,
        time.perf_counter() - started,
    )


def _one_step(state: _State, batch: Batch, plan: Plan, compute: Compute, targets: Targets | None) -> Tensor:
    terms_of_step = torch.zeros(3, device=compute.device)
    for part in batch.parts(plan.training.accumulation):
        with compute.autocast():
            output = state.model(
                part.image, part.text, part.text_mask, with_map=state.with_map, absent=part.absent
            )
        teacher = targets.at(part) if targets else None
        terms = state.objective(output, part.labels, teacher, state.train_position.index_select(0, part.rows))
        # Parts may differ in size; weighted by it, their gradients add up to that of the whole batch.
        share = len(part) / len(batch)
        (terms.total * share).backward()  # a gradient as argument would import sympy
        parts = torch.stack([terms.total.detach(), terms.cross_entropy.detach(), terms.distillation.detach()])
        terms_of_step.add_(parts, alpha=share)
    state.optimizer.step()
    if state.average:
        state.average.update()
    return terms_of_step


def _positions(examples: Examples, compute: Compute) -> Tensor:
    """Position in the train split by table row; a loss with a memory counts train examples only."""
    positions = torch.full((len(examples.labels),), -1, dtype=torch.int64)
    positions[torch.from_numpy(examples.train)] = torch.arange(len(examples.train))
    return positions.to(compute.device)

"""The one training loop, for teacher and student alike."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from distune.data.batches import Batch, train_batches
from distune.distillation import Objective
from distune.models import Classifier, load_trained_state, trained_tensors
from distune.training.averaging import MovingAverage
from distune.training.checkpoint import Checkpoint, CheckpointFile
from distune.training.devices import Compute
from distune.training.optimizer import Optimizer
from distune.training.predicting import predict, task_scores
from distune.training.records import EpochRecord, Examples, Fitted, OnEpoch, Plan, best_epoch
from distune.training.targets import Targets
from distune.utils.seeds import derived_seed


def fit(
    model: Classifier,
    objective: Objective,
    examples: Examples,
    plan: Plan,
    compute: Compute,
    *,
    targets: Targets | None = None,
    on_epoch: OnEpoch = lambda record: True,
    checkpoint: CheckpointFile | None = None,
) -> Fitted:
    """Trains a model and leaves it with the weights of its best epoch on dev.

    Every epoch starts from a seed of its own, so training that was interrupted goes on from its checkpoint with
    the same numbers as if nothing had happened. Each epoch leaves a checkpoint before `on_epoch` is told; where writing
    one takes longer than an epoch, some are left out and their epochs are trained again after a kill, so that writing
    never takes more time than training.

    Args:
        model: on the device already.
        objective: the loss, on the device already.
        examples: inputs, labels and rows.
        plan: epochs, learning rate, seed.
        compute: device and precision.
        targets: the teacher's answers; None trains on labels alone.
        on_epoch: told each epoch, those before an interruption too; answers whether to go on.
        checkpoint: to continue from and to write to; None keeps nothing.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    compute = compute.for_model(model)
    state = _State(model, objective, examples, plan, compute, checkpoint)
    state.resume()
    for record in state.history:
        if not on_epoch(record):
            return state.finish(stopped=record.epoch < plan.epochs)
    while len(state.history) < plan.epochs and not state.has_stalled():
        epoch = len(state.history) + 1
        record = _one_epoch(state, epoch, examples, plan, compute, targets)
        state.keep(record)
        if not on_epoch(record):
            state.save()
            return state.finish(stopped=epoch < plan.epochs)
    return state.finish(stopped=False)


class _State:
    """Everything that changes while a stage trains."""

    def __init__(
        self,
        model: Classifier,
        objective: Objective,
        examples: Examples,
        plan: Plan,
        compute: Compute,
        checkpoint: CheckpointFile | None,
    ):
        self.model, self.objective, self.plan = model, objective, plan
        # Once: to list those of frozen encoders takes as long as a step.
        self._weights = trained_tensors(model)
        self._checkpoint = checkpoint
        steps = math.ceil(len(examples.train) / plan.training.batch_size) * plan.epochs
        self.optimizer = Optimizer(model, objective, plan.lr, steps, plan.training)
        self.average = MovingAverage(model, plan.training.ema) if plan.training.ema else None
        self.history: list[EpochRecord] = []
        self.train_position = _positions(examples, compute)
        self.with_map = objective.loss is not None and objective.loss.uses_map
        self._best: dict[str, Tensor] = {}
        self._saved_at, self._saving_seconds, self._saved_epochs = time.perf_counter(), 0.0, 0

    def has_stalled(self) -> bool:
        patience = self.plan.training.early_stopping
        return bool(
            patience and self.history and len(self.history) - best_epoch(self.history).epoch >= patience
        )

    def keep(self, record: EpochRecord) -> None:
        self.history.append(record)
        if best_epoch(self.history) is record:
            with self.average.applied() if self.average else nullcontext():
                self._best = {name: value.clone() for name, value in self._weights.items()}
        if time.perf_counter() - self._saved_at >= self._saving_seconds:
            self.save()

    def save(self) -> None:
        if self._checkpoint is None or self._saved_epochs == len(self.history):
            return
        started = time.perf_counter()
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
        self._checkpoint.save(Checkpoint(tensors, values))
        self._saved_at, self._saved_epochs = time.perf_counter(), len(self.history)
        self._saving_seconds = self._saved_at - started

    def resume(self) -> None:
        saved = self._checkpoint.load() if self._checkpoint else None
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
        self._saved_epochs = len(self.history)

    def finish(self, *, stopped: bool) -> Fitted:
        for name, tensor in self._weights.items():
            tensor.copy_(self._best[name])
        return Fitted(self.history, stopped)


def _one_epoch(
    state: _State, epoch: int, examples: Examples, plan: Plan, compute: Compute, targets: Targets | None
) -> EpochRecord:
    started = time.perf_counter()
    torch.manual_seed(derived_seed(plan.seed, plan.stage, epoch))
    state.model.train()
    state.objective.train()
    sums = torch.zeros(3, device=compute.device)
    steps = 0
    for batch in train_batches(
        examples.inputs,
        examples.labels,
        examples.train,
        batch_size=plan.training.batch_size,
        seed=derived_seed(plan.seed, plan.stage, "order"),
        epoch=epoch,
        device=compute.device,
    ):
        sums += _one_step(state, batch, plan, compute, targets)
        steps += 1
    total, cross_entropy, distillation = (sums / steps).tolist()
    if not math.isfinite(total):
        raise FloatingPointError(
            f"the {plan.stage}'s loss is {total} in epoch {epoch}; lower its lr ({plan.lr:g}) or grad_clip"
        )
    with state.average.applied() if state.average else nullcontext():
        probabilities = predict(state.model, examples.inputs, examples.dev, compute)
    scores = task_scores(examples.labels[examples.dev], probabilities, examples.tasks)
    return EpochRecord(
        plan.stage,
        epoch,
        total,
        cross_entropy,
        distillation,
        float(np.mean(list(scores.values()))),
        scores,
        state.optimizer.lr,
        time.perf_counter() - started,
    )


def _one_step(state: _State, batch: Batch, plan: Plan, compute: Compute, targets: Targets | None) -> Tensor:
    terms_of_step = torch.zeros(3, device=compute.device)
    for part in batch.parts(plan.training.accumulation):
        with compute.autocast():
            output = state.model(part.image, part.text, part.text_mask, with_map=state.with_map)
        teacher = targets.at(part) if targets else None
        terms = state.objective(output, part.labels, teacher, state.train_position[part.rows])
        share = len(part) / len(batch)
        terms.total.backward(terms.total.new_tensor(share))
        told = torch.stack([terms.total.detach(), terms.cross_entropy.detach(), terms.distillation.detach()])
        terms_of_step.add_(told, alpha=share)
    state.optimizer.step()
    if state.average:
        state.average.update()
    return terms_of_step


def _positions(examples: Examples, compute: Compute) -> Tensor:
    """Position in the train split by table row; a loss with a memory counts train examples only."""
    positions = torch.full((len(examples.labels),), -1, dtype=torch.int64)
    positions[torch.from_numpy(examples.train)] = torch.arange(len(examples.train))
    return positions.to(compute.device)

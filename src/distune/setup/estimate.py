"""What a trial and a study will take here: a few examples through the models, and arithmetic."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from distune.config import Config, ModelConfig, StudyConfig, TrainingConfig
from distune.data.pixels.images import decode
from distune.data.ragged import ragged
from distune.data.table import Table
from distune.models.classifier import Classifier, build_classifier
from distune.training.devices import Compute, resolved
from distune.training.keys import uses_teacher
from distune.tuning.tune import base_of
from distune.utils.progress import duration
from distune.utils.text import counted

TRIED = 4
"""Examples that are measured on a CPU."""
NO_MEMORY = (MemoryError, torch.cuda.OutOfMemoryError)
"""What a machine raises that cannot even try these."""
_ADAM = 12
"""Bytes of a trained weight besides itself: its gradient and two moments."""
_PROCESS_MB = 450.0
"""Memory of a process that has imported torch and transformers and does nothing."""


@dataclass(frozen=True)
class Estimate:
    """Good to a factor of two on a quiet machine: caches warm up, pruning and early stopping only make it less.

    Attributes:
        first_s: seconds of the first trial, which fills the store.
        further_s: seconds of each further trial.
        study_s: seconds of the whole study.
        trials: how many trials that is.
        memory_mb: of a worker.
        store_mb: disk that is filled once.
        trial_mb: disk of each trial.
    """

    first_s: float
    further_s: float
    study_s: float
    trials: int
    memory_mb: float
    store_mb: float
    trial_mb: float

    def lines(self) -> list[str]:
        """The estimate in words."""
        return [
            f"estimated here, from a few examples and to a factor of two: first trial {_time(self.first_s)}, each "
            f"further one {_time(self.further_s)}, a study of {counted(self.trials, 'trial')} "
            f"{_time(self.study_s)} at most",
            f"memory {_size(self.memory_mb)} a worker; disk {_size(self.store_mb)} once and {_size(self.trial_mb)} a "
            "trial",
        ]


@dataclass(frozen=True)
class ExampleCost:
    """Of one model, each for one example: seconds, and MiB where not said otherwise."""

    prefix_s: float
    step_s: float
    forward_s: float
    activation_mb: float
    stored_mb: float
    weight_mb: float
    trained_mb: float


def estimate(config: Config, table: Table) -> Estimate:
    """Measures teacher and student on a few examples of the data set.

    Args:
        config: the experiment; what its `study` section says of trials, epochs, workers and folds counts.
        table: its examples.

    Raises:
        MemoryError: even these do not fit; a GPU has an error of its own, see `NO_MEMORY`.
    """
    base = base_of(config)
    compute = resolved(base.training)
    costs = [_measured(section, base, table, compute) for section in _trained(base)]
    train, dev = len(table.rows("train")), len(table.rows("dev"))
    return estimated(base, config.study, costs, train=train, dev=dev, examples=len(table))


def examples_tried(training: TrainingConfig, device: torch.device) -> int:
    """How many examples are measured: a few; on a GPU, which takes as long for a few as for a batch, a batch.

    Args:
        training: its batch size, and in how many parts a batch is computed.
        device: where it is computed.
    """
    if device.type == "cpu":
        return TRIED
    return max(TRIED, math.ceil(training.batch_size / training.accumulation))


def estimated(
    config: Config, study: StudyConfig, costs: Sequence[ExampleCost], *, train: int, dev: int, examples: int
) -> Estimate:
    """What follows from the costs of an example.

    Args:
        config: the base config of the study.
        study: its trials, workers and folds.
        costs: of the teacher, where one is trained, and of the student.
        train: examples that are learnt in an epoch.
        dev: examples that are evaluated after it.
        examples: of the whole data set.
    """
    views = config.data.views if config.data.augment != "none" else 1
    once = sum(cost.prefix_s for cost in costs) * examples * views
    training = sum(
        section.epochs * (train * cost.step_s + dev * cost.forward_s)
        for section, cost in zip(_trained(config), costs, strict=True)
    )
    if len(costs) > 1:
        training += examples * views * costs[0].forward_s  # the teacher's targets
    folds = study.folds or 1
    workers = study.workers or max(1, len(study.gpus))
    further = training * folds
    largest = max(cost.weight_mb + cost.trained_mb * _ADAM / 4 + cost.activation_mb * config.training.batch_size
                  for cost in costs)  # fmt: skip
    return Estimate(
        first_s=once + further,
        further_s=further,
        study_s=once + further * -(-study.n_trials // workers),
        trials=study.n_trials,
        memory_mb=_PROCESS_MB + largest,
        store_mb=sum(cost.stored_mb for cost in costs) * examples * views,
        trial_mb=folds * sum(cost.trained_mb for cost in costs) + 0.2,
    )


def _trained(config: Config) -> list[ModelConfig]:
    return [config.teacher, config.student] if uses_teacher(config) else [config.student]


def _measured(section: ModelConfig, config: Config, table: Table, compute: Compute) -> ExampleCost:
    model = build_classifier(section, table.tasks, seed=0, image_size=config.data.image_size).to(
        compute.device
    )
    count = examples_tried(config.training, compute.device)
    started = time.perf_counter()
    image, text, mask = _inputs(model, config, table, count, compute)
    decoding = (time.perf_counter() - started) / count
    vision, words = model.vision, model.text
    prefix_s, stored = decoding, 0.0
    with torch.no_grad(), compute.autocast():
        if vision is not None and image is not None:
            stored += _mb(image) / count
            if vision.frozen_layers:
                hidden = vision.prefix(image)
                prefix_s += _seconds(lambda: vision.prefix(image), compute) / count
                stored += _mb(hidden) / count
                image = model.image_tokens(hidden).mean(1) if vision.is_frozen and model.is_pooled else hidden
                image = image.float()  # as training reads what the store keeps in bf16
        if words is not None and text is not None and words.frozen_layers:
            hidden = words.prefix(text, mask)
            prefix_s += _seconds(lambda: words.prefix(text, mask), compute) / count
            stored += _mb(hidden) / count
            text = hidden.float()
    own = compute.for_model(model)

    def forward() -> torch.Tensor:
        with own.autocast():
            output = model(image, text, mask, with_map=False)
            return torch.stack([logits.float().square().mean() for logits in output.logits]).sum()

    def step() -> None:
        forward().backward()  # type: ignore[no-untyped-call]

    activations = _activation_mb(step, model)
    with torch.no_grad():
        forward_s = _seconds(forward, compute) / count
    trained = sum(p.numel() * 4 for p in model.parameters() if p.requires_grad) / 2**20
    return ExampleCost(
        prefix_s=prefix_s,
        step_s=_seconds(step, compute) / count,
        forward_s=forward_s,
        activation_mb=activations / count,
        stored_mb=stored,
        weight_mb=sum(p.numel() * 4 for p in model.parameters()) / 2**20,
        trained_mb=trained,
    )


def _activation_mb(step: Callable[[], None], model: Classifier) -> float:
    """Memory of what the backward pass of a step keeps from its forward pass, weights aside."""
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return sum(size for place, size in saved.items() if place not in weights) / 2**20


def _inputs(
    model: Classifier, config: Config, table: Table, count: int, compute: Compute
) -> tuple[Any, Any, Any]:
    """Decoded images, and token ids of as many texts of about the mean length."""
    image = text = mask = None
    if model.vision is not None:
        rows = np.linspace(0, len(table) - 1, count).astype(int).tolist()
        size = model.vision.image_size
        pixels = np.stack([decode(table.images[row], size, table.rules) for row in rows])
        image = torch.from_numpy(pixels).to(compute.device)
    if model.text is not None:
        ordered = sorted(table.texts, key=len)
        texts = [
            ordered[place]
            for place in (np.linspace(0.5, 0.7, count) * (len(ordered) - 1)).astype(int).tolist()
        ]
        ids = model.text.tokenizer.encode(texts, min(config.data.max_tokens, model.text.max_tokens))
        padded = ragged(ids, np.int64).padded(np.arange(len(ids)))
        text, mask = (torch.from_numpy(array).to(compute.device) for array in padded)
    return image, text, mask


def _seconds(call: Callable[[], Any], compute: Compute) -> float:
    """The shorter of two calls, each waited for."""
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        call()
        if compute.device.type == "cuda":
            torch.cuda.synchronize(compute.device)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _mb(tensor: torch.Tensor) -> float:
    return tensor.numel() * tensor.element_size() / 2**20


def _time(seconds: float) -> str:
    return duration(max(1.0, seconds))


def _size(mb: float) -> str:
    return f"{max(1.0, mb):.0f} MB" if mb < 1000 else f"{mb / 1024:.1f} GB"

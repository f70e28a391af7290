"""A training step of every loss and every fusion: all on the device, and nothing that the host waits for.

What a stage waits for once, or once an epoch, does not grow with the number of its steps; so the same examples are
trained on in one step and in several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from pretended import MixedDevices, PretendedDevice, pretended
from torch.nn import functional

from distune.config import Config, TrainingConfig, parse_config
from distune.data import device_arrays
from distune.data.batches import ModelInputs
from distune.data.ragged import ragged
from distune.data.table import Task
from distune.distillation import LOSSES, LossShapes, Objective
from distune.models.classifier import build_classifier
from distune.models.fusion import FUSIONS
from distune.store import Entry
from distune.training.devices import Compute, compute_for
from distune.training.loop import Examples, Plan, fit
from distune.training.predictions import Targets, read_targets, write_targets

pytestmark = pytest.mark.slow

TRAIN, DEV = 8, 4
TASKS = (Task("modality", ("CT", "MR")), Task("location", ("A", "B", "C")))


def config_of(loss: str, fusion: str, **training: Any) -> Config:
    section = {"vision": "tiny-cnn", "text": "tiny-text", "fusion": fusion, "fusion_heads": 2, "dropout": 0.1}
    return parse_config(
        {
            "teacher": {**section, "fusion_dim": 16, "fusion_layers": 1},
            "student": {**section, "fusion_dim": 8, "fusion_layers": 1},
            "distillation": {"loss": loss, "gamma": 0.5 if loss == "combined" else 0.0},
            "training": {"ema": 0.9, "class_weights": "balanced", **training},
        }
    )


@dataclass
class Bench:
    """A pretended device with what every loss and fusion can share: the examples, and a teacher's answers."""

    device: PretendedDevice
    inputs: ModelInputs = field(default_factory=lambda: _inputs())
    _targets: dict[bool, Targets] = field(default_factory=dict)
    once: int = 0
    """How often the host waits where an epoch has one step; the same for every loss and fusion."""

    def __post_init__(self) -> None:
        self.once = self.waits(config_of("vanilla", "simple"), batch_size=TRAIN)

    def targets(self, config: Config, compute: Compute) -> Targets:
        with_map = LOSSES[config.distillation.loss].uses_map
        if with_map not in self._targets:
            teacher = build_classifier(config.teacher, TASKS, seed=1, image_size=32).to(compute.device)
            entry = Entry(None)
            write_targets(entry, teacher, self.inputs, np.arange(TRAIN), compute, with_map=with_map)
            self._targets[with_map] = read_targets(entry, TASKS, ("image", "text"), with_map=with_map)
        return self._targets[with_map]

    def waits(self, config: Config, batch_size: int) -> int:
        """Trains one epoch of the student and says how often the host waited for the device."""
        train, dev = np.arange(TRAIN), np.arange(TRAIN, TRAIN + DEV)
        labels = np.stack([np.arange(TRAIN + DEV) % len(task.classes) for task in TASKS], axis=1)
        compute = compute_for(TrainingConfig(device="auto", precision=config.training.precision))
        assert compute.device == self.device.device
        student = build_classifier(config.student, TASKS, seed=2, image_size=32).to(compute.device)
        targets = self.targets(config, compute)
        shapes = LossShapes(8, 16, tuple(len(task.classes) for task in TASKS), TRAIN)
        loss = LOSSES[config.distillation.loss](config.distillation, shapes)
        weights = tuple(torch.ones(len(task.classes)) for task in TASKS)
        objective = Objective(config.distillation, config.training, loss, weights).to(compute.device)
        training = config.training.model_copy(update={"batch_size": batch_size})
        plan = Plan("student", 1, 1e-3, training, seed=3)
        examples = Examples(self.inputs, labels, TASKS, train, dev)
        targets.placed(compute.device)
        self.device.waits.clear()
        fit(student, objective, examples, plan, compute, targets=targets)
        assert all(self.device.holds(tensor) for tensor in student.state_dict().values())
        return sum(self.device.waits.values())

    def assert_no_step_waits(self, config: Config) -> None:
        assert self.once == self.waits(config, batch_size=TRAIN // 2), self.device.waits


def _inputs() -> ModelInputs:
    random = np.random.default_rng(0)
    everyone = range(TRAIN + DEV)
    pixels = random.integers(0, 256, (2, len(everyone), 3, 32, 32), dtype=np.uint8)
    return ModelInputs(pixels, ragged([random.integers(1, 50, 3 + row) for row in everyone], np.int64))


@pytest.fixture(scope="module", params=["cuda", "mps"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with pretended(request.param) as device:
        yield Bench(device)


@pytest.fixture
def cuda() -> Iterator[Bench]:
    with pretended("cuda") as device:
        yield Bench(device)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_step_waits_with_any_loss(bench: Bench, loss: str) -> None:
    bench.assert_no_step_waits(config_of(loss, "cross_attention"))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_no_step_waits_with_any_fusion(bench: Bench, monkeypatch: pytest.MonkeyPatch, fusion: str) -> None:
    """Masks of attention are multiples of 8 long as well, also where a fusion adds a token: others are copied."""
    attend, masks = functional.scaled_dot_product_attention, []

    def noting(*arguments: Any, **options: Any) -> torch.Tensor:
        mask = arguments[3] if len(arguments) > 3 else options.get("attn_mask")
        masks.extend([] if mask is None else [mask.shape[-1]])
        return attend(*arguments, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", noting)
    bench.assert_no_step_waits(config_of("vanilla", fusion))
    assert masks and all(length % 8 == 0 for length in masks)


@pytest.mark.parametrize(
    "changed", [{"accumulation": 2}, {"precision": "bf16"}, {"precision": "fp32"}], ids=str
)
def test_no_step_waits_with_parts_of_a_batch_or_another_precision(
    cuda: Bench, changed: dict[str, Any]
) -> None:
    cuda.assert_no_step_waits(config_of("combined", "film", **changed))


def test_examples_that_do_not_fit_are_sent_without_waiting(
    cuda: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_arrays, "SHARE", 0.0)
    cuda.assert_no_step_waits(config_of("attention_transfer", "cross_attention", accumulation=2))


def spoiled(monkeypatch: pytest.MonkeyPatch, fault: Callable[[torch.Tensor], object]) -> None:
    forward = Objective.forward

    def with_fault(self: Objective, *arguments: Any) -> Any:
        terms = forward(self, *arguments)
        fault(terms.total)
        return terms

    monkeypatch.setattr(Objective, "forward", with_fault)


@pytest.mark.parametrize("fault", [lambda total: total.item(), lambda total: total.cpu(), bool])
def test_a_planted_wait_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Callable[[torch.Tensor], object]
) -> None:
    spoiled(monkeypatch, fault)
    with pytest.raises(AssertionError):
        bench.assert_no_step_waits(config_of("vanilla", "simple"))


def test_a_tensor_left_on_the_cpu_is_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled(monkeypatch, lambda total: total * torch.ones(1))
    with pytest.raises(MixedDevices):
        bench.assert_no_step_waits(config_of("vanilla", "simple"))

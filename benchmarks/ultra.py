"""One trial of `default_ultra` with random weights on 1,653 generated examples at 224 pixels, in bf16.

    python -m benchmarks.ultra [--batch-size N]
    python -m benchmarks.ultra --count

On a GPU the whole trial runs (3 + 10 epochs) and the model FLOP utilisation of both stages is printed, against the
dense bf16 peak of the device where it is known. Without a GPU a few steps run on the CPU, and the table says so.
FLOPs are counted by `torch.utils.flop_counter` on one training step.

`--count` needs no GPU and prints what one training step costs whatever the device: operations that it starts (views
left out), how often the host waits for the device (on the pretended one of the tests), and FLOPs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import machine, table
from distune.config import Config, load_config
from distune.data.batches import ModelInputs, train_batches
from distune.data.ragged import ragged
from distune.data.table import Task
from distune.distillation import LOSSES, LossShapes, Objective
from distune.models.classifier import Classifier, build_classifier
from distune.store import Entry
from distune.training import loop
from distune.training.devices import Compute, compute_for
from distune.training.loop import Examples, Fitted, Plan, fit
from distune.training.predictions import FEATURES, Targets, read_targets, write_targets

EXAMPLES, DEV, CLASSES = 1653, 197, (2, 5)
DENSE_BF16 = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H200": 989e12, "NVIDIA A100-SXM4-80GB": 312e12}


def random_inputs(model: Classifier, count: int) -> ModelInputs:
    """Images and texts of MedPix's sizes: 43 tokens in the mean, 95 % under 113."""
    random = np.random.default_rng(0)
    size = model.vision.image_size
    lengths = np.clip(random.gamma(1.6, 27, count), 5, 256).astype(int)
    texts = ragged([random.integers(5, 1000, length) for length in lengths], np.int64)
    return ModelInputs(random.integers(0, 256, (1, count, 3, size, size), dtype=np.uint8), texts)


def step_flops(model: Classifier, examples: Examples, compute: Compute, batch: int) -> float:
    """FLOPs of forward and backward for one example of mean length."""
    length = int(examples.inputs.text.lengths.mean())
    image = torch.from_numpy(examples.inputs.image[0, :batch]).to(compute.device)
    text = torch.ones((batch, length), dtype=torch.int64, device=compute.device)
    with FlopCounterMode(display=False) as counter, compute.autocast():
        output = model(image, text, text.bool())
        sum(logits.float().sum() for logits in output.logits).backward()  # type: ignore[union-attr]
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops() / batch


class Kernels(TorchDispatchMode):
    """Counts the operations that are started, without those that only look at memory in another way."""

    VIEWS = frozenset(
        {
            "view",
            "t",
            "transpose",
            "permute",
            "unsqueeze",
            "squeeze",
            "expand",
            "slice",
            "select",
            "unbind",
            "alias",
        }
        | {"_unsafe_view", "detach", "split", "split_with_sizes", "as_strided", "_reshape_alias", "unfold"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += str(function).split(".")[1] not in self.VIEWS
        return function(*args, **(kwargs or {}))


def count_steps(config: Config) -> None:
    """Prints operations, waits and FLOPs of one step of both stages, true in depth and width, with two examples."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "devices"))
    from pretended import pretended

    rows = [["stage", "operations a step", "waits for the device a step", "GFLOP an example"]]
    for role in ("teacher", "student"):
        tasks, labels = _labels(4)
        model = build_classifier(getattr(config, role), tasks, seed=0)
        examples = Examples(random_inputs(model, 8), labels, tasks, np.arange(4), np.arange(4, 8))
        flops = step_flops(model, examples, Compute(torch.device("cpu"), bf16=True), 2)
        with Kernels() as kernels:
            started = [
                kernels.count
                for _ in steps(role, config, model, examples, Compute(torch.device("cpu"), True))
            ]
        with pretended("cuda") as device:
            compute = Compute(device.device, bf16=True)
            model.to(device.device)
            waited = [sum(device.waits.values()) for _ in steps(role, config, model, examples, compute)]
        # The first step also makes what stays.
        rows.append([role, f"{started[1] - started[0]:,}", str(waited[1] - waited[0]), f"{flops / 1e9:.1f}"])
    print(machine(), "\n")
    print(table(rows))


def steps(
    role: str, config: Config, model: Classifier, examples: Examples, compute: Compute
) -> Iterator[None]:
    """Two training steps; what comes before them is no part of the second."""
    training = config.training.model_copy(update={"batch_size": 2})
    plan = Plan(role, 1, 1e-5, training, 0)
    shapes = LossShapes(config.student.fusion_dim, config.teacher.fusion_dim, CLASSES, len(examples.train))
    loss = LOSSES["combined"](config.distillation, shapes) if role == "student" else None
    objective = Objective(config.distillation, training, loss).to(compute.device)
    state = loop._State(model, objective, examples, plan, compute)
    targets = _random_targets(examples, config.teacher.fusion_dim) if role == "student" else None
    model.train()
    batches = train_batches(
        examples.inputs, examples.labels, examples.train, batch_size=2, seed=0, epoch=1, device=compute.device,
        targets=targets.placed(compute.device) if targets else (),
    )  # fmt: skip
    for batch in batches:
        loop._one_step(state, batch, plan, compute, targets)
        yield


def _random_targets(examples: Examples, width: int) -> Targets:
    random, count = np.random.default_rng(0), len(examples.labels)
    logits = tuple(random.normal(size=(1, count, size)).astype(np.float32) for size in CLASSES)
    features = {name: random.normal(size=(1, count, width)).astype(np.float32) for name in FEATURES}
    return Targets(logits, features)


def _labels(count: int) -> tuple[list[Task], Any]:
    tasks = [Task(str(size), tuple(str(number) for number in range(size))) for size in CLASSES]
    labels = [np.random.default_rng(1).integers(0, size, 2 * count) for size in CLASSES]
    return tasks, np.stack(labels, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, help="default: the config's own")
    parser.add_argument("--count", action="store_true", help="only count what a step does")
    given = parser.parse_args()
    random_weights = {
        f"{who}.{kind}.pretrained": False for who in ("teacher", "student") for kind in ("vision", "text")
    }
    batch_size = {"training.batch_size": given.batch_size} if given.batch_size else {}
    overrides = {**random_weights, **batch_size, "training.precision": "bf16"}
    config = load_config("config/default_ultra.yaml", overrides)
    if given.count:
        count_steps(config)
        return
    compute = compute_for(config.training)
    on_gpu = compute.device.type == "cuda"
    count, dev = (EXAMPLES, DEV) if on_gpu else (2 * config.training.batch_size, 8)
    epochs = {"teacher": config.teacher.epochs, "student": config.student.epochs}
    if not on_gpu:
        epochs = {"teacher": 1, "student": 1}
    rows = [["stage", "epochs", "examples", "seconds", "model FLOP utilisation"]]
    started = time.perf_counter()
    seconds = trial(config, compute, count, dev, epochs, rows)
    whole = time.perf_counter() - started
    print(machine(), f"; device {compute.name}\n")
    print(table(rows))
    print(f"\ntrial: {seconds:.1f} s in the stages, {whole:.1f} s with building the models and their inputs")
    if on_gpu:
        print(f"30 such trials, none pruned: {30 * whole / 60:.1f} min")
    else:
        print("No GPU here: two steps a stage on the CPU, not a trial.")


def trial(
    config: Config, compute: Compute, count: int, dev: int, epochs: dict[str, int], rows: list[list[str]]
) -> float:
    """Runs both stages, adds a line each to the table, and gives their seconds."""
    tasks = [Task(str(size), tuple(str(number) for number in range(size))) for size in CLASSES]
    labels = np.stack([np.random.default_rng(1).integers(0, size, count + dev) for size in CLASSES], axis=1)
    total, targets = 0.0, None
    for role, section in (("teacher", config.teacher), ("student", config.student)):
        model = build_classifier(section, tasks, seed=0).to(compute.device)
        inputs = random_inputs(model, count + dev)
        train = np.arange(count)
        examples = Examples(inputs, labels, tasks, train, np.arange(count, count + dev))
        flops = step_flops(model, examples, compute, 8)
        shapes = LossShapes(config.student.fusion_dim, config.teacher.fusion_dim, CLASSES, count)
        loss = LOSSES["combined"](config.distillation, shapes) if role == "student" else None
        objective = Objective(config.distillation, config.training, loss).to(compute.device)
        plan = Plan(role, epochs[role], section.lr, config.training, 0)
        started = time.perf_counter()
        fitted: Fitted = fit(model, objective, examples, plan, compute, targets=targets)
        if role == "teacher":
            entry = Entry(None)
            write_targets(entry, model, inputs, train, compute, with_map=False)
            targets = read_targets(entry, tasks, ("image", "text"), with_map=False)
        seconds = time.perf_counter() - started
        total += seconds
        peak = DENSE_BF16.get(compute.name)
        in_epochs = sum(record.seconds for record in fitted.history)
        used = f"{flops * count * epochs[role] / in_epochs / peak:.0%}" if peak else "unknown peak"
        rows.append([role, str(epochs[role]), str(count), f"{seconds:.1f}", used])
    return total


if __name__ == "__main__":
    main()

"""Does `torch.compile` pay? A student's training step, eager and compiled, over texts of several lengths.

    python -m benchmarks.compiled [--steps 12]

The student of benchmarks/nothing_frozen.yaml, whose encoders train; one thread, as a worker has it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine, table
from distune.config import load_config
from distune.data.table import Task
from distune.models.classifier import Classifier
from distune.training.student import build_student

LENGTHS = (64, 96, 128)
TASKS = (Task("modality", ("CT", "MR")), Task("location", tuple("abcde")))


def stepper(model: Classifier, forward: Callable[..., Any]) -> Callable[[int], float]:
    """A function that takes one training step on a batch of 32 texts of a length, and its seconds."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    size, noise = model.vision.image_size, torch.Generator().manual_seed(0)
    image = torch.randint(0, 255, (32, 3, size, size), dtype=torch.uint8, generator=noise)

    def step(length: int) -> float:
        started = time.perf_counter()
        text = torch.randint(5, 1000, (32, length), generator=noise)
        output = forward(image, text, torch.ones_like(text, dtype=torch.bool), with_map=False)
        torch.stack([logits.square().mean() for logits in output.logits]).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.perf_counter() - started

    return step


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(Path(__file__).with_name("nothing_frozen.yaml"), {})
    rows = [["training step", "the first of each length, s", "median of the others, s"]]
    for name in ("eager", "compiled"):
        model = build_student(config, TASKS).train()
        step = stepper(model, torch.compile(model, dynamic=True) if name == "compiled" else model)
        first = sum(step(length) for length in LENGTHS)
        later = [step(LENGTHS[number % len(LENGTHS)]) for number in range(given.steps)]
        rows.append([name, f"{first:.1f}", f"{statistics.median(later):.3f}"])
    print(machine(), "\n")
    print(table(rows))


if __name__ == "__main__":
    main()

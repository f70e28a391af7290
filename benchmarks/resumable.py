"""A trial function without training whose numbers betray a wrong resume.

Every score depends on all epochs before it and on a generator's state, both kept in a checkpoint: an epoch that is
lost, repeated or read from half a file gives other numbers from there on.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distune.training.cost import Cost
from distune.tuning.trials.messages import Report, TrialOutcome, TrialTask

CHECKPOINT = "checkpoint.json"


@dataclass
class State:
    """What an epoch starts from."""

    generator: int
    quality: float = 0.0
    scores: list[float] = field(default_factory=list)

    def advance(self, config: Mapping[str, Any]) -> None:
        """One epoch: half of the way to what the parameters allow, and a little noise."""
        self.generator = (6364136223846793005 * self.generator + 1442695040888963407) % 2**64
        noise = self.generator / 2**64 - 0.5
        self.quality += 0.5 * (ceiling(config) - self.quality)
        self.scores.append(self.quality + 0.02 * noise)


def ceiling(config: Mapping[str, Any]) -> float:
    """The score that a config reaches in the end."""
    loss = config["distillation"]
    distance: float = (
        math.log10(config["teacher"]["lr"] / 3e-5) ** 2
        + math.log10(config["student"]["lr"] / 2e-4) ** 2
        + (loss["alpha"] - 0.7) ** 2
        + 0.1 * (loss["T"] - 3) ** 2
    )
    return 0.9 - 0.1 * distance


def fresh(config: Mapping[str, Any]) -> State:
    """The state before the first epoch."""
    return State(int(config["seed"]))


def undisturbed(config: Mapping[str, Any]) -> list[float]:
    """All scores of a config that nobody interrupts."""
    state = fresh(config)
    for _ in range(config["student"]["epochs"]):
        state.advance(config)
    return state.scores


def train(task: TrialTask, report: Report) -> TrialOutcome:
    """Goes over the epochs, each of EPOCH_SECONDS; continues from the checkpoint in the folder."""
    pause, path = float(os.environ.get("EPOCH_SECONDS", "0.1")), task.path / CHECKPOINT
    state = State(**json.loads(path.read_text())) if path.exists() else fresh(task.config)
    last = task.config["student"]["epochs"]
    for epoch in range(max(1, len(state.scores)), last + 1):
        if epoch > len(state.scores):
            time.sleep(pause)
            state.advance(task.config)
            _write(path, state)
        if not report("student", epoch, state.scores[-1]):
            return TrialOutcome("stopped", state.scores[-1], cost=Cost({"student": pause * epoch}))
    best = max(state.scores)
    return TrialOutcome("complete", best, state.scores.index(best) + 1, Cost({"student": pause * last}))


def _write(path: Path, state: State) -> None:
    draft = path.with_suffix(".partial")
    draft.write_text(json.dumps(asdict(state)))
    draft.replace(path)

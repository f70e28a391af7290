"""What a run left in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distune.training.callbacks import Callback, EpochRecord, StopTraining


class Calls(Callback):
    """Calls a function with each epoch; where it answers False, the run stops."""

    def __init__(self, function: Callable[[EpochRecord], bool]):
        self._function = function

    def on_epoch_end(self, record: EpochRecord) -> None:
        if not self._function(record):
            raise StopTraining


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

"""Convolutions keep their weights channels-last, which files do not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_files import Calls, read_metrics
from safetensors.numpy import load_file

from distune.config import Config
from distune.training.run import run

pytestmark = pytest.mark.slow

ENCODERS = {
    "efficientnet-lite0": {"name": "efficientnet-lite0", "pretrained": False, "layers": 2},
    "mobilevit-xx-small": {"name": "mobilevit-xx-small", "pretrained": False, "layers": 2},
}


@pytest.mark.parametrize("name", ENCODERS)
def test_resumed_training_equals_uninterrupted_training(
    tiny_config: Callable[..., Config], tmp_path: Path, name: str
) -> None:
    config = tiny_config(
        student__vision=ENCODERS[name],
        distillation__loss="none",
        data__image_size=32,
        training__ema=0.9,
        training__batch_size=64,
    )
    run(config, tmp_path / "whole")
    stopped = run(config, tmp_path / "parts", callback=Calls(lambda record: record.epoch < 2))
    assert stopped.stopped
    run(config, tmp_path / "parts")
    whole, parts = (losses(tmp_path / folder) for folder in ("whole", "parts"))
    assert whole == parts
    ours, theirs = (load_file(tmp_path / folder / "student.safetensors") for folder in ("whole", "parts"))
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)


def losses(folder: Path) -> list[Any]:
    return [line["train_loss"] for line in read_metrics(folder)]

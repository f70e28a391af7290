"""What a student starts from: its teacher's encoders, and a loss whose weights depend on the seed alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distune.config import Config
from distune.data import read_table
from distune.store import Store
from distune.training import run as run_module
from distune.training.callbacks import Callback
from distune.training.devices import Compute
from distune.training.run import run

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)


@pytest.mark.slow
def test_both_encoders_of_a_student_that_begins_with_its_teachers(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Any] = []
    copy_layers = run_module.copy_layers

    def noting(source: Any, target: Any) -> None:
        copy_layers(source, target)
        copied.append((source, target))

    monkeypatch.setattr(run_module, "copy_layers", noting)
    run(tiny_config(student__init_from_teacher=True, student__epochs=1), tmp_path / "run")
    assert [type(target).__name__ for _, target in copied] == ["TinyCnn", "TinyText"]


def test_a_losss_own_weights_depend_on_the_seed_alone_and_draw_nothing_from_others(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config = tiny_config(distillation__loss="combined")
    job = run_module._Run(config, tmp_path, Callback(), Store(tmp_path / "cache"), CPU)
    job.table = read_table(config.data, check_images=False)
    made = []
    for before, seed in ((0, 5), (1, 5), (1, 6)):
        torch.manual_seed(before)
        drawn = torch.random.get_rng_state()
        made.append(torch.cat([weight.flatten() for weight in job.objective(None, seed).parameters()]))
        assert torch.equal(drawn, torch.random.get_rng_state())
    assert torch.equal(made[0], made[1]) and not torch.equal(made[1], made[2])

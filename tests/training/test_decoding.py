"""The decoding of a large set is kept part by part: a kill costs one part, and the pixels are the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from distune.config import Config, load_config, save_config
from distune.data import Table, read_table
from distune.data.pixels.images import DECODING, decode, views
from distune.store import Store
from distune.training.devices import Compute
from distune.training.inputs import parts
from distune.training.inputs.inputs import InputSteps
from tests.forked import forked

pytestmark = pytest.mark.slow

SIDE, PART, VIEWS = 16, 32, 2
CPU = Compute(torch.device("cpu"), bf16=False)


def steps_of(config: Config, store: Store, progress: Callable[[str, int, int], None]) -> InputSteps:
    table = read_table(config.data, check_images=False)
    return InputSteps(table, config.data, store, CPU, config.seed, progress=progress)


def expected(table: Table, seed: int) -> NDArray[np.uint8]:
    found = [decode(image, SIDE, table.rules) for image in table.images]
    return np.stack(
        [views(image, seed=seed, index=row, count=VIEWS) for row, image in enumerate(found)], axis=1
    )


def killed_while_decoding(config: Path, root: Path) -> None:
    parts.PART = PART

    def die_at(step: str, done: int, total: int) -> None:
        if done == PART + 16:
            os.kill(os.getpid(), signal.SIGKILL)

    steps_of(load_config(config), Store(root), die_at).pixels(SIDE)


def test_what_a_killed_process_has_decoded_is_not_decoded_again(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(data__augment="light", data__views=VIEWS)
    save_config(config, tmp_path / "config.yaml")
    root = tmp_path / "store"
    process = forked(killed_while_decoding, tmp_path / "config.yaml", root)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [entry.folder.parent.name for entry in Store(root).entries()] == ["images_part"]

    monkeypatch.setattr(parts, "PART", PART)
    shown: list[tuple[str, int, int]] = []
    steps = steps_of(config, Store(root), lambda *progress: shown.append(progress))
    pixels = np.array(steps.pixels(SIDE))
    count = len(steps.table)
    np.testing.assert_array_equal(pixels, expected(steps.table, config.seed))
    done = list(dict.fromkeys(number for _, number, _ in shown))
    assert done == [PART, *range(PART + 1, count + 1)] and count > 2 * PART
    assert {(name, total) for name, _, total in shown} == {(DECODING, count)}
    assert [entry.folder.parent.name for entry in Store(root).entries()] == ["images"]

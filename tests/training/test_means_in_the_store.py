"""Means of frozen tokens are kept as safely as everything else in the store."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_files import read_metrics

from distune.config import Config
from distune.data import read_table
from distune.data.batches import ModelInputs
from distune.store import Store
from distune.training import loop
from distune.training.devices import Compute
from distune.training.inputs import inputs as inputs_module
from distune.training.inputs.inputs import InputSteps
from distune.training.run import run
from distune.training.student import build_student, student_seed
from tests.forked import forked

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., Config]
FROZEN = {f"{who}__{kind}__freeze": "all" for who in ("teacher", "student") for kind in ("vision", "text")}
MEANS = {"image_means", "text_means"}


def asked(config: Config, store: Store) -> ModelInputs:
    """What a student reads."""
    table = read_table(config.data)
    steps = InputSteps(table, config.data, store, Compute(torch.device("cpu"), bf16=False), config.seed)
    return steps.for_model(build_student(config, table.tasks), config.student, student_seed(config))


def steps_of(store: Store) -> list[str]:
    return sorted(entry.folder.parent.name for entry in store.entries())


def test_training_on_means_equals_training_on_every_token(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(**FROZEN, data__augment="light", data__views=2)
    with_means = run(config, tmp_path / "means", store=Store(tmp_path / "cache_a"))
    for_model = InputSteps.for_model

    def every_token(steps: InputSteps, model: Any, *others: Any, **options: Any) -> ModelInputs:
        kept, model.is_pooled = model.is_pooled, False
        try:
            return for_model(steps, model, *others, **options)
        finally:
            model.is_pooled = kept

    monkeypatch.setattr(InputSteps, "for_model", every_token)
    live = run(config, tmp_path / "live", store=Store(tmp_path / "cache_b"))
    assert with_means.cache["misses"].keys() - live.cache["misses"].keys() == MEANS
    for ours, theirs in zip(read_metrics(tmp_path / "means"), read_metrics(tmp_path / "live"), strict=True):
        for name in ("train_loss", "cross_entropy", "distillation"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-6), (ours["stage"], ours["epoch"], name)


def test_of_several_that_ask_at_once_one_computes(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """File locks keep threads with stores of their own apart as they do processes."""
    stores = [Store(tmp_path) for _ in range(3)]
    answers: list[ModelInputs] = []
    threads = [
        threading.Thread(target=lambda store=store: answers.append(asked(tiny_config(**FROZEN), store)))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    computed = sum((Counter(store.misses) for store in stores), Counter())
    assert computed == dict.fromkeys(("images", "tokens", "frozen_vision", "frozen_text", *MEANS), 1)
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer.image, answers[0].image)
        np.testing.assert_array_equal(answer.text_mean, answers[0].text_mean)


def hang_in_means(config: Config, root: Path, reached: Path) -> None:
    def hang(*_: object) -> None:
        reached.touch()
        time.sleep(60)

    inputs_module.masked_mean = hang  # type: ignore[assignment]
    asked(config, Store(root))


def test_killed_writer_leaves_the_whole_activations_and_no_half_of_their_means(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config, root, reached = tiny_config(**FROZEN), tmp_path / "cache", tmp_path / "reached"
    process = forked(hang_in_means, config, root, reached)
    process.start()
    deadline = time.monotonic() + 60
    while not reached.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
    process.join()
    store = Store(root)
    assert steps_of(store) == ["frozen_text", "frozen_vision", "image_means", "images", "tokens"]
    assert store.verify() == {}
    asked(config, store)
    assert store.misses == {"text_means": 1}


def test_full_disk_is_said_of_each_step_and_the_numbers_stay(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run(tiny_config(**FROZEN), tmp_path / "stored", store=Store(tmp_path / "cache_a"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    trained, one_epoch = [], loop._one_epoch
    monkeypatch.setattr(loop, "_one_epoch", lambda *given: trained.append(given[1]) or one_epoch(*given))
    store = Store(tmp_path / "cache_b")
    run(tiny_config(**FROZEN), tmp_path / "full", store=store)
    assert trained == [1, 2, 1, 2, 3], "the teacher is trained once"
    for step in ("images", "tokens", "frozen_vision", "frozen_text", *MEANS):
        assert f"No space left on device); {step} is computed without it" in caplog.text
    assert not MEANS & set(steps_of(store))
    stored, live = (read_metrics(tmp_path / name) for name in ("stored", "full"))
    assert [line["train_loss"] for line in stored] == [line["train_loss"] for line in live]


def test_means_in_use_stay_and_outlive_what_they_were_made_from(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config, user = tiny_config(**FROZEN), Store(tmp_path)
    asked(config, Store(tmp_path))  # its locks go with it
    asked(config, user)
    assert Store(tmp_path, max_gb=1e-9).evict() != []
    assert steps_of(user) == ["image_means", "text_means", "tokens"]
    asked(config, user)
    assert user.misses == {}
    user.close()
    assert {name.split("/")[0] for name in Store(tmp_path, max_gb=1e-9).evict()} == {*MEANS, "tokens"}


@pytest.mark.parametrize("step", sorted(MEANS))
def test_altered_means_are_named_and_computed_again(
    tiny_config: MakeConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    config = tiny_config(**FROZEN)
    first = asked(config, Store(tmp_path))
    kept = np.array(first.image), np.array(first.text_mean)
    (file,) = (tmp_path / step).glob("*/means.npy")
    spoiled = bytearray(file.read_bytes())
    spoiled[-1] ^= 1
    shutil.move(file, tmp_path / "spoiled")
    file.write_bytes(spoiled)
    store = Store(tmp_path)
    again = asked(config, store)
    assert f"cache entry {step}/" in caplog.text and "block 0 was altered" in caplog.text
    assert store.misses == {step: 1}
    np.testing.assert_array_equal(kept[0], again.image)
    np.testing.assert_array_equal(kept[1], again.text_mean)

"""The small parts of training: schedule, order of batches, averaging, checkpoints, seeds."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from distune.config import TrainingConfig
from distune.data.batches import ModelInputs, eval_batches, train_batches, train_order
from distune.data.ragged import ragged
from distune.training import loop
from distune.training.callbacks import EpochRecord, best_epoch
from distune.training.files.checkpoint import Checkpoint, CheckpointFile, load_checkpoint, save_checkpoint
from distune.training.optimizer import MovingAverage, schedule_factor
from distune.utils.seeds import derived_seed

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("schedule", "warmup", "step", "expected"),
    [
        ("constant", 0.0, 0, 1.0),
        ("constant", 0.0, 99, 1.0),
        ("constant", 0.1, 0, 1 / 11),
        ("constant", 0.1, 9, 10 / 11),
        ("constant", 0.1, 10, 1.0),
        ("cosine", 0.0, 0, 1.0),
        ("cosine", 0.0, 50, 0.5),
        ("cosine", 0.0, 100, 0.0),
        ("cosine", 0.5, 75, 0.5),
    ],
)
def test_schedule(schedule: str, warmup: float, step: int, expected: float) -> None:
    config = TrainingConfig(schedule=schedule, warmup=warmup)  # type: ignore[arg-type]
    assert schedule_factor(step, 100, config) == pytest.approx(expected)


def test_schedule_never_asks_for_a_rate_of_zero_while_steps_are_left() -> None:
    for total in (1, 2, 7, 100):
        factors = [schedule_factor(step, total, TrainingConfig()) for step in range(total)]
        assert min(factors) > 0 and max(factors) <= 1


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=300),
    batch_size=st.integers(1, 17),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60)
def test_each_example_comes_once_an_epoch(lengths: list[int], batch_size: int, seed: int) -> None:
    order = train_order(np.array(lengths), batch_size, seed)
    assert Counter(int(position) for batch in order for position in batch) == Counter(range(len(lengths)))
    assert sorted(map(len, order), reverse=True)[:-1] == [batch_size] * (
        math.ceil(len(lengths) / batch_size) - 1
    )


def test_batches_hold_little_padding_and_their_order_depends_on_the_seed() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 3000)
    order = train_order(lengths, 16, seed=1)
    padded = sum(lengths[batch].max() * len(batch) for batch in order)
    assert padded < 1.08 * lengths.sum()
    assert any((a != b).any() for a, b in zip(order, train_order(lengths, 16, seed=2), strict=True))
    firsts = [lengths[batch].mean() for batch in order]
    assert abs(np.corrcoef(np.arange(len(firsts)), firsts)[0, 1]) < 0.15, "short texts must not come first"


def example_inputs(count: int, views: int) -> tuple[ModelInputs, np.ndarray]:
    image = np.arange(views * count).reshape(views, count, 1)
    texts = ragged([[row] * (1 + row % 5) for row in range(count)], np.int64)
    return ModelInputs(image, texts), np.arange(count)[:, None]


def test_batches_keep_image_text_label_and_row_together() -> None:
    inputs, labels = example_inputs(30, views=3)
    rows = np.arange(4, 24)
    seen: set[tuple[int, int]] = set()
    for epoch in range(3):
        for batch in train_batches(inputs, labels, rows, batch_size=7, seed=5, epoch=epoch, device=CPU):
            assert torch.equal(batch.labels[:, 0], batch.rows)
            assert torch.equal(batch.image[:, 0], batch.views * 30 + batch.rows)
            assert torch.equal(batch.text[:, 0], batch.rows)
            assert torch.equal(batch.text_mask.sum(1), 1 + batch.rows % 5)
            assert not batch.text[~batch.text_mask].any()
            seen |= set(zip(batch.rows.tolist(), batch.views.tolist(), strict=True))
            first = np.random.default_rng(5).integers(3, size=30)[batch.rows.numpy()]
            assert batch.views.tolist() == ((first + epoch) % 3).tolist(), "the next one in each epoch"
    assert seen == {(int(row), view) for row in rows for view in range(3)}


def test_a_batch_is_padded_to_its_longest_text_rounded_up_to_eight() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    inputs = ModelInputs(np.zeros((1, 100, 1)), ragged([[1] * length for length in lengths], np.int64))
    labels, rows = np.zeros((100, 0), np.int64), np.arange(100)
    batches = [
        *train_batches(inputs, labels, rows, batch_size=8, seed=1, epoch=1, device=CPU),
        *eval_batches(inputs, rows, batch_size=8, device=CPU),
    ]
    widths = [batch.text.shape[1] for batch in batches]
    assert widths == [8 * math.ceil(lengths[batch.rows].max() / 8) for batch in batches]
    assert len(set(widths)) > 3


def test_evaluation_shows_the_plain_view_of_each_row_once() -> None:
    inputs, _ = example_inputs(30, views=3)
    rows = np.array([3, 9, 27])
    batches = list(eval_batches(inputs, rows, batch_size=2, device=CPU))
    assert sorted(row for batch in batches for row in batch.rows.tolist()) == [3, 9, 27]
    assert all(not batch.views.any() for batch in batches)


def test_parts_cover_the_batch() -> None:
    inputs, _ = example_inputs(10, views=1)
    batch = next(iter(eval_batches(inputs, np.arange(10), batch_size=10, device=CPU)))
    parts = batch.parts(3)
    assert [len(part) for part in parts] == [4, 4, 2]
    assert torch.equal(torch.cat([part.rows for part in parts]), batch.rows)


def test_moving_average_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    average = MovingAverage(model, decay=0.9)
    expected = 1.0
    for step, value in enumerate((2.0, 4.0, 8.0), start=1):
        model.weight.data.fill_(value)
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 8.0


def test_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    tensors = {"model": {"a/b": torch.arange(3.0), "c": torch.tensor(1)}, "none": {}}
    values = {"history": [{"score": 0.1 + 0.2}], "steps": 7}
    (tmp_path / "x").mkdir()
    save_checkpoint(tmp_path / "x/file", Checkpoint(tensors, values))
    loaded = load_checkpoint(tmp_path / "x/file")
    assert loaded is not None
    assert loaded.values == values
    assert torch.equal(loaded.tensors["model"]["a/b"], torch.arange(3.0))
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["file"]
    assert load_checkpoint(tmp_path / "nothing") is None


def test_interrupted_writing_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    save_checkpoint(path, Checkpoint({"m": {"a": torch.zeros(1)}}, {"steps": 1}))

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, Checkpoint({"m": {"a": torch.ones(1)}}, {"steps": 2}))
    kept = load_checkpoint(path)
    assert kept is not None and kept.values == {"steps": 1}


def test_a_checkpoint_of_something_else_is_not_resumed(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "file", "one")
    file.save(Checkpoint({"m": {"a": torch.zeros(1)}}, {"steps": 1}))
    found = file.load()
    assert found is not None and found.values["steps"] == 1
    assert CheckpointFile(tmp_path / "file", "another").load() is None


def test_seeds_depend_on_every_part_and_on_their_order() -> None:
    seeds = {derived_seed(*parts) for parts in [(1, "a"), ("a", 1), (1, "b"), (2, "a"), ("1a",), (1, "a", 0)]}
    assert len(seeds) == 6
    assert derived_seed(42, "student", 1) == derived_seed(42, "student", 1)
    assert all(0 <= seed < 2**62 for seed in seeds)


def test_best_epoch_is_the_first_of_equals() -> None:
    records = [EpochRecord("student", n, 0, 0, 0, s, {}, 0, 0) for n, s in ((1, 0.5), (2, 0.7), (3, 0.7))]
    assert best_epoch(records).epoch == 2


@pytest.mark.parametrize(
    ("patience", "scores", "stops"),
    [
        (2, [0.5, 0.4], False), (2, [0.5, 0.4, 0.4], True), (2, [0.5, 0.5, 0.5], True), (2, [0.4, 0.5, 0.4], False),
        (2, [], False), (0, [0.5, 0.4, 0.3], False),
    ],
)  # fmt: skip
def test_training_stops_where_the_best_epoch_lies_as_far_back_as_the_patience(
    patience: int, scores: list[float], stops: bool
) -> None:
    history = [EpochRecord("student", n, 0, 0, 0, score, {}, 0, 0) for n, score in enumerate(scores, start=1)]
    state: Any = SimpleNamespace(
        plan=SimpleNamespace(training=SimpleNamespace(early_stopping=patience)), history=history
    )
    assert loop._State.stops_early(state) is stops

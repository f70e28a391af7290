"""Batches, their order and what they gather, on inputs whose values say where they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from distune.data.batches import (
    POOL,
    Batch,
    ModelInputs,
    eval_batches,
    one_ahead,
    tensor,
    train_batches,
    train_order,
)
from distune.data.device_arrays import SHARE, Placed, Room, _free_bytes, as_tensor
from distune.data.ragged import ragged
from distune.data.tokenizer import FIRST_WORD, START, HashTokenizer, SubwordTokenizer

CPU = torch.device("cpu")
LENGTHS = [3, 1, 5, 2, 4, 9]
IMAGE = np.array([[[10 * row + view] for row in range(6)] for view in range(3)], np.uint8)
LABELS = np.array([[row, -row] for row in range(6)])


def inputs(**changes: object) -> ModelInputs:
    """Six examples in three views; the pixel of row r in view v is 10 r + v, and its tokens are all r + 1."""
    text = ragged([[row + 1] * length for row, length in enumerate(LENGTHS)], np.int64)
    return ModelInputs(**{"image": IMAGE, "text": text, **changes})  # type: ignore[arg-type]


def bf16(values: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return torch.tensor(values).bfloat16().view(torch.int16).numpy().view(np.uint16)


def test_how_many_examples_and_views_there_are() -> None:
    assert (len(inputs()), inputs().views, inputs().lengths.tolist()) == (6, 3, LENGTHS)
    alone = ModelInputs(IMAGE, None)
    assert (len(alone), alone.views, alone.lengths.tolist()) == (6, 3, [1] * 6)
    assert (len(inputs(image=None)), inputs(image=None).views) == (6, 1)
    assert len(ModelInputs(None, None)) == 0


@pytest.mark.parametrize(("view", "batch_size"), [(0, 4), (2, 4), (1, 6), (0, 1)])
def test_evaluation_takes_the_longest_first_in_one_view(view: int, batch_size: int) -> None:
    rows = np.array([0, 1, 2, 4, 5])
    batches = list(eval_batches(inputs(), rows, batch_size=batch_size, device=CPU, view=view))
    order = [row for batch in batches for row in batch.rows.tolist()]
    assert order == [5, 2, 4, 0, 1]
    assert [len(batch) for batch in batches] == [
        len(order[n : n + batch_size]) for n in range(0, 5, batch_size)
    ]
    for batch in batches:
        assert batch.image is not None and batch.text is not None and batch.text_mask is not None
        assert batch.image[:, 0].tolist() == [10 * row + view for row in batch.rows.tolist()]
        assert batch.labels.shape == (len(batch), 0)
        assert batch.host_rows.tolist() == batch.rows.tolist() and batch.views.tolist() == [view] * len(batch)
        for row, tokens, mask in zip(batch.rows.tolist(), batch.text, batch.text_mask, strict=True):
            length = LENGTHS[row]
            assert tokens.tolist() == [row + 1] * length + [0] * (len(tokens) - length)
            assert mask.tolist() == [True] * length + [False] * (len(tokens) - length)
        longest = max(LENGTHS[row] for row in batch.rows.tolist())
        assert batch.text.shape[1] == -(-longest // 8) * 8
    assert list(eval_batches(inputs(), np.empty(0, np.int64), batch_size=2, device=CPU)) == []


def test_each_row_goes_round_its_views_and_targets_follow_them() -> None:
    rows = np.array([1, 2, 3, 5])
    by_view = Placed((np.arange(18, dtype=np.float32) * 100)[:, None], Room(CPU))
    by_row = Placed(np.arange(6, dtype=np.float32)[:, None] * 7, Room(CPU))
    seen: dict[int, list[int]] = {row: [] for row in rows.tolist()}
    orders = []
    for epoch in range(1, 7):
        order: list[int] = []
        for batch in train_batches(
            inputs(), LABELS, rows, batch_size=3, seed=4, epoch=epoch, device=CPU, targets=(by_view, by_row)
        ):
            assert batch.image is not None
            for at, (row, view) in enumerate(zip(batch.rows.tolist(), batch.views.tolist(), strict=True)):
                assert batch.image[at, 0] == 10 * row + view
                assert [float(target[at, 0]) for target in batch.targets] == [100 * (6 * view + row), 7 * row]
                seen[row].append(view)
                order.append(row)
        assert sorted(order) == rows.tolist()
        orders.append(tuple(order))
    assert all(views[:3] == views[3:] and sorted(views[:3]) == [0, 1, 2] for views in seen.values())
    assert len({tuple(views) for views in seen.values()}) > 1  # not all rows in the same view
    assert len(set(orders)) > 1
    few = np.array([5, 2, 1, 0])  # together by the lengths of their own texts
    found = train_batches(inputs(), LABELS, few, batch_size=2, seed=4, epoch=6, device=CPU)
    wanted = train_order(np.array([9, 5, 1, 3]), 2, seed=10)
    assert [batch.rows.tolist() for batch in found] == [few[batch].tolist() for batch in wanted]
    again = train_batches(inputs(), LABELS, rows, batch_size=3, seed=4, epoch=6, device=CPU)
    assert tuple(row for batch in again for row in batch.rows.tolist()) == orders[-1]


def test_rows_of_like_length_meet_whichever_rows_are_asked_for() -> None:
    for epoch in range(1, 5):
        batches = train_batches(
            inputs(), LABELS, np.array([1, 2, 3, 5]), batch_size=2, seed=0, epoch=epoch, device=CPU
        )
        assert {tuple(sorted(batch.rows.tolist())) for batch in batches} == {(1, 3), (2, 5)}


def test_a_device_without_room_gets_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = ragged([bf16([row + n for n in range(length)])[:, None] for row, length in enumerate(LENGTHS)])
    targets = np.arange(18, dtype=np.float32)[:, None]
    found = []
    for free in (float("inf"), 0.0):
        monkeypatch.setattr("distune.data.device_arrays._free_bytes", lambda device, free=free: free)
        for held in (
            inputs(),
            inputs(text=vectors),
            inputs(text_mean=bf16([float(n) for n in range(6)])[:, None]),
        ):
            batches = train_batches(held, LABELS, np.arange(6), batch_size=4, seed=1, epoch=2, device=CPU,
                                    targets=[Placed(targets, Room(CPU))])  # fmt: skip
            for batch in batches:
                assert batch.image is not None and batch.text is not None and batch.text_mask is not None
                assert batch.text.dtype in (torch.int64, torch.float32)
                found.append([value.tolist() for value in (batch.rows, batch.image, batch.text, batch.text_mask)]
                             + [batch.targets[0].tolist()])  # fmt: skip
    assert found[: len(found) // 2] == found[len(found) // 2 :] and len(found) == 12


def test_a_pool_is_sorted_by_length_and_batches_are_shuffled() -> None:
    random = np.random.default_rng(0)
    lengths = random.permutation(POOL * 2 * 3 + 1)
    order = train_order(lengths, 2, seed=3)
    assert sorted(np.concatenate(order).tolist()) == list(range(len(lengths)))
    assert sorted(map(len, order)) == [1, *[2] * (len(lengths) // 2)]
    gaps = [int(np.ptp(lengths[batch])) for batch in order if len(batch) == 2]
    assert 1 < np.mean(gaps) < 12  # neighbours of a pool of 64 of 193 lengths, not of all and not of none
    firsts = [int(lengths[batch].min()) for batch in order]
    assert firsts != sorted(firsts) and abs(np.corrcoef(firsts, range(len(firsts)))[0, 1]) < 0.5
    steps = np.diff(firsts)
    assert (steps > 0).mean() < 0.8  # within a pool the short ones do not come first
    assert [batch.tolist() for batch in order] == [
        batch.tolist() for batch in train_order(lengths, 2, seed=3)
    ]


def test_absent_inputs_are_told_with_their_rows() -> None:
    gone = np.array([True, False, True, False, False, False])
    missing = np.array([False, False, False, False, True, True])
    (batch,) = eval_batches(inputs(absent=(gone, missing)), np.arange(6), batch_size=6, device=CPU)
    image, text = batch.absent
    assert image is not None and text is not None
    assert sorted(batch.rows[image].tolist()) == [0, 2] and sorted(batch.rows[text].tolist()) == [4, 5]
    (batch,) = eval_batches(inputs(absent=(None, missing)), np.arange(6), batch_size=6, device=CPU)
    assert batch.absent[0] is None and batch.absent[1] is not None


def test_means_and_vectors_in_16_bits_are_widened() -> None:
    held = inputs(
        image=bf16([1.5, 2.5, 3.5, 4.5, 5.5, 6.5])[None, :, None],
        text_mean=bf16([float(n) for n in range(6)])[:, None],
    )
    (batch,) = eval_batches(held, np.array([1, 5]), batch_size=2, device=CPU)
    assert batch.rows.tolist() == [5, 1] and batch.image is not None and batch.text is not None
    assert batch.image.dtype == batch.text.dtype == torch.float32
    assert batch.image[:, 0].tolist() == [6.5, 2.5] and batch.text[:, 0].tolist() == [5.0, 1.0]
    assert batch.text_mask is not None and batch.text_mask.tolist() == [[True], [True]]
    vectors = ragged([bf16([float(row)] * length)[:, None] for row, length in enumerate(LENGTHS)])
    (batch,) = eval_batches(inputs(text=vectors), np.array([0, 2]), batch_size=2, device=CPU)
    assert batch.text is not None and batch.text.shape == (2, 8, 1) and batch.text.dtype == torch.float32
    assert batch.text[0, :, 0].tolist() == [2.0] * 5 + [0.0] * 3 and not batch.text[1].any()


def test_a_batch_is_cut_into_parts_of_nearly_equal_size() -> None:
    (batch,) = train_batches(inputs(), LABELS, np.arange(5), batch_size=5, seed=0, epoch=1, device=CPU)
    parts = batch.parts(2)
    assert [len(part) for part in parts] == [3, 2] and batch.parts(1) == [batch]
    assert torch.cat([part.rows for part in parts]).tolist() == batch.rows.tolist()
    assert torch.cat([part.labels for part in parts]).tolist() == batch.labels.tolist()
    assert all(part.targets == () and part.absent == (None, None) for part in parts)
    most = batch.parts(8)
    assert [part.rows.tolist() for part in most] == [[row] for row in batch.rows.tolist()]
    full = Batch(
        *(torch.arange(5),) * 7,
        targets=(torch.arange(5), torch.arange(5) + 1),
        absent=(None, torch.arange(5)),
    )
    cut = full.parts(3)
    assert [part.targets[1].tolist() for part in cut] == [[1, 2], [3, 4], [5]]
    assert [part.absent[0] is None and part.absent[1].tolist() for part in cut] == [[0, 1], [2, 3], [4]]  # type: ignore[union-attr]


def test_work_begins_one_item_ahead() -> None:
    events: list[str] = []

    def items() -> Iterator[int]:
        yield from range(3)

    def begin(item: int) -> str:
        events.append(f"begin {item}")
        return str(item)

    for item, begun in one_ahead(items(), begin):
        events.append(f"use {item}{begun}")
    assert events == ["begin 0", "begin 1", "use 00", "begin 2", "use 11", "use 22"]
    assert list(one_ahead([], begin)) == []


def test_arrays_take_what_room_there_is_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distune.data.device_arrays._free_bytes", lambda device: 400 / SHARE)
    room = Room(CPU)
    first, second, third = (Placed(np.arange(size, dtype=np.int64), room) for size in (30, 30, 20))
    assert [placed.is_here for placed in (first, second, third)] == [
        True,
        False,
        True,
    ]  # 240 of 400 bytes, then 160
    rows = torch.tensor([4, 0])
    assert first.send(rows) is None and first.take(rows).tolist() == [4, 0]
    copy = second.send(rows)
    assert copy is not None and second.take(rows, copy).tolist() == [4, 0]
    views = Placed(np.arange(12).reshape(2, 3, 2), Room(CPU), axes=2)
    assert len(views) == 6 and views.take(torch.tensor([4])).tolist() == [[8, 9]]


def test_sixteen_bits_hold_those_of_bf16() -> None:
    assert as_tensor(bf16([1.5])).dtype == torch.bfloat16
    assert (
        tensor(bf16([1.5, -2.0]), CPU).tolist() == [1.5, -2.0]
        and tensor(bf16([1.5]), CPU).dtype == torch.float32
    )
    held = np.arange(3, dtype=np.uint8)
    assert tensor(held, CPU).dtype == torch.uint8
    assert as_tensor(np.arange(3, dtype=np.int16)).dtype == torch.int16
    held[0] = 9
    assert as_tensor(held)[0] == 9  # the memory is shared


def test_words_are_numbered_by_a_hash_within_the_limits() -> None:
    tokenizer = HashTokenizer(50, 6)
    assert tokenizer.identity == "hashed-words-1-50-6"
    first, second, third = tokenizer.encode(["CT, of the Head!", "ct of", ""], 5)
    assert (len(first), second[0], third) == (5, START, [START])
    assert first[1] == second[1] and first[3] == second[2]
    assert len(tokenizer.encode(["a b c d e f g h"], 100)[0]) == 6
    many = {number for ids in tokenizer.encode([f"w{n}" for n in range(500)], 2) for number in ids[1:]}
    assert min(many) == FIRST_WORD and max(many) == 49


def test_a_published_vocabulary_is_cut_at_the_smaller_limit_and_written_whole() -> None:
    tokenizers = pytest.importorskip("tokenizers")

    def made() -> Any:
        held = tokenizers.Tokenizer(
            tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]")
        )
        held.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        held.enable_padding(length=9)
        held.enable_truncation(1)
        return held

    tokenizer = SubwordTokenizer(made(), 4)
    assert tokenizer.encode(["a b", "a b c a b", ""], 10) == [[1, 2], [1, 2, 0, 1], []]
    assert tokenizer.encode(["a b c"], 2) == [[1, 2]]
    whole = json.loads(tokenizer.as_json())
    assert whole["truncation"] is None and whole["padding"] is None
    assert tokenizer.identity == SubwordTokenizer(made(), 4).identity != SubwordTokenizer(made(), 5).identity
    assert tokenizer.identity.endswith("-4")
    assert (
        SubwordTokenizer(tokenizers.Tokenizer.from_str(tokenizer.as_json()), 4).identity == tokenizer.identity
    )


def test_the_memory_that_is_free_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30, 100))
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 100)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 40)
    free = {name: _free_bytes(torch.device(name)) for name in ("cpu", "cuda:1", "mps")}
    assert free == {"cpu": float("inf"), "cuda:1": 30.0, "mps": 60.0}
    room = Room(torch.device("mps"))
    assert room.claim(15) and not room.claim(1)

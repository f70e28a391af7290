"""The encoding of a large set is kept part by part: a kill costs one part, and the numbers are the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from distune.store import Entry, Store
from distune.training.devices import Compute
from distune.training.inputs import parts
from distune.training.inputs.encoding import PREFIX_BATCH, Encoding, encoded
from tests.forked import forked

EXAMPLES, PART = 100, 32
KEY = {"encoder": "any"}
CPU = Compute(torch.device("cpu"), bf16=False)


def of_length(*, count: int = EXAMPLES) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Examples of one to four rows, in the order of their length, and where their rows are."""
    lengths = np.random.default_rng(0).integers(1, 5, count)
    return np.argsort(lengths, kind="stable"), np.concatenate([[0], np.cumsum(lengths)])


def rows_of(
    store: Store,
    seen: list[int],
    progress: Callable[[str, int, int], None] = lambda *_: None,
    compute: Compute = CPU,
    count: int = EXAMPLES,
) -> NDArray[np.float32]:
    """Three numbers a row, which say whose row it is; `seen` gets the examples that are encoded."""
    order, offsets = of_length(count=count)

    def encode(examples: NDArray[np.int64]) -> torch.Tensor:
        seen.extend(examples.tolist())
        rows = [torch.full((int(offsets[i + 1] - offsets[i]), 3), float(i)) for i in examples]
        return torch.cat(rows) + torch.arange(3) / 4

    work = Encoding("encoding texts", order, offsets, encode)
    return np.array(encoded(store, "frozen_text", {**KEY, "of": count}, lambda: work, compute, progress))


def expected(count: int = EXAMPLES) -> NDArray[np.float32]:
    _, offsets = of_length(count=count)
    return np.repeat(np.arange(count, dtype=np.float32), np.diff(offsets))[:, None] + np.arange(3) / 4


def killed_while_encoding(root: Path) -> None:
    parts.PART = PART

    def die_at(step: str, done: int, total: int) -> None:
        if done == 2 * PART + 16:
            os.kill(os.getpid(), signal.SIGKILL)

    rows_of(Store(root), [], die_at)


def steps_of(root: Path) -> list[str]:
    return sorted(entry.folder.parent.name for entry in Store(root).entries())


@pytest.mark.slow
def test_what_a_killed_process_has_encoded_is_not_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = forked(killed_while_encoding, tmp_path)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert steps_of(tmp_path) == ["frozen_text_part"] * 2
    monkeypatch.setattr(parts, "PART", PART)
    seen: list[int] = []
    shown: list[int] = []
    found = rows_of(Store(tmp_path), seen, lambda step, done, total: shown.append(done))
    np.testing.assert_array_equal(found, expected())
    assert seen == of_length()[0][2 * PART :].tolist()
    assert list(dict.fromkeys(shown)) == [32, 64, 80, 96, 100]
    assert steps_of(tmp_path) == ["frozen_text"]


@pytest.mark.parametrize(
    ("count", "size"), [(1, PART), (PART, PART), (PART + 1, PART), (EXAMPLES, 3 * PREFIX_BATCH)]
)
@pytest.mark.parametrize("bf16", [False, True])
def test_parts_change_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, size: int, bf16: bool
) -> None:
    compute = Compute(torch.device("cpu"), bf16=bf16)
    whole = rows_of(Store(tmp_path / "whole"), [], compute=compute, count=count)
    monkeypatch.setattr(parts, "PART", size)
    seen: list[int] = []
    shown: list[int] = []
    in_parts = rows_of(
        Store(tmp_path / "parts"), seen, lambda step, done, total: shown.append(done), compute, count
    )
    assert whole.dtype == in_parts.dtype == (np.uint16 if bf16 else np.float32)
    np.testing.assert_array_equal(whole, in_parts)
    if not bf16:
        np.testing.assert_array_equal(whole, expected(count))
    assert sorted(seen) == list(range(count))
    assert shown == sorted(shown) and shown[-1] == count


def test_a_stored_whole_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(Store(tmp_path), [])
    monkeypatch.setattr(parts, "PART", PART)
    seen: list[int] = []
    np.testing.assert_array_equal(rows_of(Store(tmp_path), seen), expected())
    assert seen == []


def test_a_part_is_a_multiple_of_a_batch() -> None:
    assert parts.PART % PREFIX_BATCH == 0


def test_no_part_is_left_and_each_is_of_its_own_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of another size are others; the whole, once it is kept, leaves none."""
    store, made = Store(tmp_path), []
    for size in (4, 6):
        kept = parts.Parts(store, "step", KEY)
        for part in parts.cut(10, size):

            def fill(entry: Entry, part: slice = part) -> None:
                made.append((part.start, part.stop))
                entry.values["of"] = [part.start, part.stop]

            assert kept.get(part, fill).values["of"] == [part.start, part.stop]
    assert made == [(0, 4), (4, 8), (8, 10), (0, 6), (6, 10)]
    assert steps_of(tmp_path) == ["step_part"] * 5
    kept.remove()
    assert steps_of(tmp_path) == ["step_part"] * 3
    monkeypatch.setattr(parts, "PART", PART)
    rows_of(Store(tmp_path / "whole"), [])
    assert steps_of(tmp_path / "whole") == ["frozen_text"]


@pytest.mark.parametrize(("bf16", "given"), [(False, torch.float32), (True, torch.bfloat16)])
def test_it_is_encoded_in_the_precision_asked_for_and_without_gradients(
    tmp_path: Path, bf16: bool, given: torch.dtype
) -> None:
    weight, seen = torch.eye(3, requires_grad=True), []

    def encode(examples: NDArray[np.int64]) -> torch.Tensor:
        seen.append((torch.ones(len(examples), 3) / 3) @ weight)
        return seen[-1]

    work = Encoding("encoding images", np.arange(20), np.arange(21), encode)
    compute = Compute(torch.device("cpu"), bf16=bf16)
    found = np.array(encoded(Store(tmp_path), "frozen_vision", KEY, lambda: work, compute, lambda *_: None))
    assert [(len(each), each.dtype, each.requires_grad) for each in seen] == [
        (PREFIX_BATCH, given, False),
        (20 - PREFIX_BATCH, given, False),
    ]
    expected = torch.full((20, 3), 1 / 3, dtype=given)
    kept = torch.from_numpy(found)
    assert torch.equal(kept.view(torch.bfloat16) if bf16 else kept, expected)

"""A baseline knows nothing of the split that it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from distune.config import Config
from distune.confirmation.baselines import _word_weights
from distune.data import read_table


def test_words_are_weighted_by_train_alone(tiny_config: Callable[..., Config]) -> None:
    config = tiny_config()
    table = read_table(config.data, config.seed)
    train = set(table.rows("train").tolist())
    other = replace(
        table,
        texts=tuple(
            text if row in train else f"unheard word number {row}" for row, text in enumerate(table.texts)
        ),
    )
    first, second = (_word_weights(one)[sorted(train)] for one in (table, other))
    assert first.shape == second.shape and (first != second).nnz == 0

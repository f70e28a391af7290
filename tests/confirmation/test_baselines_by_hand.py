"""A baseline knows nothing of the split that it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from distune.config import Config, with_values
from distune.confirmation.baselines import _evaluate_folds, _word_weights
from distune.confirmation.evaluation import Evaluation
from distune.data import read_table
from distune.store import Store
from distune.training.files.prediction_files import read_split_predictions
from distune.training.teacher.regression import fitted, standardised_columns


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


def test_features_are_scaled_by_the_train_part_of_each_fold(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny_config()
    whole = read_table(config.data, config.seed)
    raw = np.random.default_rng(0).normal(size=(len(whole), 3)) * [1.0, 20.0, 300.0] + whole.labels[:, :1]
    evaluation = Evaluation(whole, Store(tmp_path / "cache"), 5, 1, "cpu")
    _evaluate_folds(evaluation, config, 2, tmp_path, "features_image", raw)
    for number in (1, 2):
        folded = with_values(config, {"data.fold": {"number": number, "of": 2}})
        table = read_table(folded.data, config.seed)
        own = raw[[whole.ids.index(each) for each in table.ids]]
        dev, scaled = table.rows("dev"), standardised_columns(own, table.rows("train"))
        found = read_split_predictions(tmp_path / f"fold_{number}", "dev", table.tasks)
        assert found is not None and found.ids == tuple(table.ids[row] for row in dev)
        for column, rows in enumerate(found.probabilities):
            assert np.abs(rows - fitted(table, column, scaled)[1](dev)).max() < 1e-5
    joined = read_split_predictions(tmp_path, "folds", whole.tasks)
    assert (
        joined is not None
        and sorted(joined.ids) == list(joined.ids)
        and len(set(joined.ids)) == len(joined.ids)
    )

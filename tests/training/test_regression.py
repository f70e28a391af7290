"""Logistic regression on a teacher's frozen features: as by scikit-learn, found once, and part of the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from distune.config import Config
from distune.data import read_table
from distune.data.batches import ModelInputs
from distune.data.ragged import ragged
from distune.store import Store
from distune.training.run import run
from distune.training.student import build_student
from distune.training.teacher.check import regression_score
from distune.training.teacher.regression import (
    FEW_STRENGTHS,
    STRENGTHS,
    fitted,
    pooled_features,
    regression_on_dev,
    standardised_columns,
)

MakeConfig = Callable[..., Config]
FROZEN = {f"teacher__{kind}__freeze": "all" for kind in ("vision", "text")}


def test_the_score_is_that_of_the_best_penalty_on_dev(tiny_config: MakeConfig) -> None:
    config = tiny_config()
    table = read_table(config.data, config.seed)
    train, dev = table.rows("train"), table.rows("dev")
    raw = np.random.default_rng(0).normal(size=(len(table), 6)) + table.labels[:, :1]
    features = standardised_columns(raw, train)
    assert features[train].mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-9)
    by_task = []
    for column in table.labels.T:
        fits = [
            LogisticRegression(C=c, max_iter=1000).fit(features[train], column[train]) for c in FEW_STRENGTHS
        ]
        by_task.append(
            max(f1_score(column[dev], fit.predict(features[dev]), average="macro") for fit in fits)
        )
    assert regression_on_dev(table, features) == pytest.approx(np.mean(by_task))


def test_of_equal_penalties_the_strongest_is_taken(tiny_config: MakeConfig) -> None:
    config = tiny_config()
    table = read_table(config.data, config.seed)
    told = 100.0 * np.eye(2)[table.labels[:, 0]]
    about, answer = fitted(table, 0, told)
    assert about == {"C": STRENGTHS[0]}
    assert (answer(table.rows("dev")).argmax(axis=1) == table.labels[table.rows("dev"), 0]).all()


def test_an_input_that_is_not_there_is_an_average_one(tiny_config: MakeConfig) -> None:
    """The average of the train examples that have it: standardised, its features are zero."""
    config = tiny_config(**{f"student__{kind}__freeze": "all" for kind in ("vision", "text")})
    table = read_table(config.data, config.seed)
    model, random = build_student(config, table.tasks), np.random.default_rng(0)
    assert model.vision is not None and model.text is not None
    lacking = np.arange(len(table)) % 3 == 0
    inputs = ModelInputs(
        random.normal(5.0, size=(1, len(table), model.vision.width)).astype(np.float32),
        ragged([[1]] * len(table), np.int64),
        random.normal(5.0, size=(len(table), model.text.width)).astype(np.float32),
        (lacking, None),
    )
    found = pooled_features(model, inputs, table, torch.device("cpu"))
    assert found.image[lacking] == pytest.approx(0.0, abs=1e-6)
    assert np.abs(found.image[~lacking]).min(axis=1).max() > 0 and np.abs(found.text[lacking]).max() > 1


@pytest.mark.slow
def test_a_run_records_it_once_for_all_teachers_on_the_same_features(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    def trained(name: str, **values: object) -> tuple[float | None, Store]:
        store = Store(tmp_path / "cache")
        result = run(tiny_config(**values), tmp_path / name, store=store, check_images=False)
        return regression_score(result.results), store

    first, made = trained("a", **FROZEN)
    again, found = trained("b", **FROZEN, teacher__lr=5e-3)
    assert first is not None and 0 <= first <= 1 and again == first
    assert made.misses["regression"] == 1 and "regression" not in found.misses
    assert trained("c", teacher__vision__freeze="all")[0] is None


def test_columns_are_standardised_over_train_alone() -> None:
    values = np.array([[1.0, 5.0], [3.0, 5.0], [9.0, 7.0]])
    assert standardised_columns(values, np.array([0, 1])).tolist() == [[-1.0, 0.0], [1.0, 0.0], [7.0, 2.0]]

"""Logistic regression on a teacher's frozen features: as by scikit-learn, found once, and part of the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from distune.config import Config
from distune.data import read_table
from distune.data.batches import ModelInputs
from distune.data.ragged import ragged
from distune.data.table import MISSING, Table, Task
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
    table = read_table(config.data)
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
    table = read_table(config.data)
    told = 100.0 * np.eye(2)[table.labels[:, 0]]
    about, answer = fitted(table, 0, told)
    assert about == {"C": STRENGTHS[0]}
    assert (answer(table.rows("dev")).argmax(axis=1) == table.labels[table.rows("dev"), 0]).all()


def test_an_input_that_is_not_there_is_an_average_one(tiny_config: MakeConfig) -> None:
    """The average of the train examples that have it: standardised, its features are zero."""
    config = tiny_config(**{f"student__{kind}__freeze": "all" for kind in ("vision", "text")})
    table = read_table(config.data)
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


def table_of(tasks: tuple[Task, ...], labels: Any, splits: str) -> Table:
    """One example a letter: t(rain), d(ev)."""
    names = tuple(map(str, range(len(splits))))
    where: Any = tuple({"t": "train", "d": "dev"}[split] for split in splits)
    return Table(Path(), names, names, names, np.array(labels), names, where, tasks)


def test_a_class_that_train_lacks_has_probability_zero_in_its_own_column() -> None:
    table = table_of((Task("t", ("a", "b", "c")),), [[0], [2], [0], [2], [1], [2]], "ttttdd")
    inputs = np.array([[-1.0], [1.0], [-2.0], [2.0], [0.1], [3.0]])
    _, answer = fitted(table, 0, inputs, (1.0,))
    found = answer(np.array([1, 5, 0]))
    assert found.shape == (3, 3) and (found[:, 1] == 0).all()
    assert found.argmax(axis=1).tolist() == [2, 2, 0]
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_without_inputs_the_shares_of_train_are_answered() -> None:
    """Of the examples whose label is known; a task that has one class in train has no regression either."""
    exclusive = Task("t", ("a", "b"))
    table = table_of((exclusive,), [[1], [1], [0], [MISSING], [0], [0]], "ttttdd")
    about, answer = fitted(table, 0, None)
    assert about == {"always": "b"}
    np.testing.assert_allclose(answer(np.array([0, 4])), [[1 / 3, 2 / 3]] * 2)
    same = table_of((exclusive,), [[1], [1], [MISSING], [0]], "tttd")
    about, answer = fitted(same, 0, np.arange(4.0)[:, None])
    assert about == {"always": "b"} and answer(np.array([3])).tolist() == [[0.0, 1.0]]
    signs = Task("s", ("x", "y", "z"), "multi_label")
    for labels, said in (
        ([[1, 0, 1], [1, 0, 0], [0, 0, 1]], "x;z"),
        ([[0, 0, 1], [0, 0, 0], [0, 1, 0]], "none"),
    ):
        about, answer = fitted(table_of((signs,), labels, "ttt"), 0, None)
        assert about == {"always": said}
        np.testing.assert_allclose(answer(np.array([2])), [np.mean(labels, axis=0)])


def test_a_label_that_is_always_there_takes_no_penalty_from_the_others() -> None:
    table = table_of((Task("s", ("x", "y"), "multi_label"),), [[1, 0], [1, 1], [1, 0], [1, 1]], "ttdd")
    about, answer = fitted(table, 0, np.array([[-1.0], [1.0], [-1.0], [1.0]]), (1.0, 2.0))
    assert about == {"C": 1.0}
    assert (answer(np.arange(4))[:, 0] == 1).all() and answer(np.arange(4))[3, 1] > 0.5


def test_unknown_labels_are_not_learnt_from() -> None:
    table = table_of((Task("t", ("a", "b")),), [[0], [1], [MISSING], [0], [1]], "tttdd")
    inputs = np.array([[-1.0], [1.0], [50.0], [-1.0], [1.0]])
    _, answer = fitted(table, 0, inputs, (1.0,))
    expected = LogisticRegression(C=1.0).fit(inputs[:2], [0, 1]).predict_proba(inputs)
    np.testing.assert_allclose(answer(np.arange(5)), expected, atol=1e-6)


def test_the_labels_of_a_task_have_one_penalty_which_is_chosen_on_dev() -> None:
    """Train is noise that dev contradicts, so dev chooses the strongest penalty; train would the weakest."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (60, 2))
    labels[:, 1] = 1 - labels[:, 0]
    inputs = random.normal(size=(60, 30)) + 0.3 * labels[:, :1]
    inputs[40:] += 0.9 * (1 - 2 * labels[40:, :1])
    table = table_of((Task("s", ("x", "y"), "multi_label"),), labels, 40 * "t" + 20 * "d")
    strengths = (1e-4, 1.0, 1e3)
    about, answer = fitted(table, 0, inputs, strengths)
    fits = {
        c: np.stack(
            [
                LogisticRegression(C=c, max_iter=1000)
                .fit(inputs[:40], column[:40])
                .predict_proba(inputs)[:, 1]
                for column in labels.T
            ],
            axis=1,
        )
        for c in strengths
    }

    def best(rows: slice) -> float:
        return max(strengths, key=lambda c: f1_score(labels[rows], fits[c][rows] > 0.5, average="macro"))

    chosen = about["C"]
    assert chosen == best(slice(40, 60)) != best(slice(0, 40))
    np.testing.assert_allclose(answer(np.arange(60)), fits[chosen], atol=1e-5)


def test_the_score_on_dev_is_that_of_a_few_penalties(tiny_config: MakeConfig) -> None:
    """Of examples that are learnt by heart and told wrongly on dev."""
    table = table_of((Task("t", ("a", "b")),), [[0], [1], [0], [1], [1], [0], [1], [0]], "ttttdddd")
    inputs = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0])[:, None]
    assert regression_on_dev(table, inputs) == 0.5
    assert fitted(table, 0, inputs, FEW_STRENGTHS)[0]["C"] in FEW_STRENGTHS


def test_padding_is_no_part_of_a_text(tiny_config: MakeConfig) -> None:
    config = tiny_config(student__vision="none", student__text__freeze="all")
    table = table_of((Task("t", ("a", "b")),), [[0], [1], [0], [1]], "tttd")
    model, random = build_student(config, table.tasks).eval(), np.random.default_rng(0)
    assert model.text is not None
    texts = [random.normal(size=(length, model.text.width)).astype(np.float32) for length in (1, 5, 2, 9)]
    found = pooled_features(model, ModelInputs(None, ragged(texts, np.float32)), table, torch.device("cpu"))
    expected = []
    for text in texts:
        tokens = model.text_tokens(torch.from_numpy(text)[None], torch.ones(1, len(text), dtype=torch.bool))
        expected.append(tokens.mean(1)[0].numpy())
    np.testing.assert_allclose(found.text, standardised_columns(np.array(expected), np.arange(3)), atol=1e-4)
    assert found.image.shape == (4, 0) and found.joined.shape == found.text.shape

"""Pseudo-values against scores of copied examples, and their errors against a bootstrap of whole cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.simulated_confirmations import World
from distune.confirmation.statistics.inference.pseudovalues import counts_by_case, mean_macro_f1, pseudovalues
from distune.confirmation.statistics.inference.standard_errors import errors_of
from distune.data.table import MISSING


def drawn(cases: int, seeds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    labels, case_of, (predicted,) = World(images=3).draw(generator, (0.0,), cases=cases, seeds=seeds)
    return labels, case_of, predicted


def scored(labels: np.ndarray, predicted: np.ndarray) -> float:
    pairs = [(t[t != MISSING], p[t != MISSING]) for t, p in zip(labels.T, predicted.T, strict=True)]
    return float(np.mean([f1_score(t, p, average="macro", zero_division=0) for t, p in pairs]))


def test_scores_are_those_of_scikit_learn() -> None:
    labels, case_of, predicted = drawn(25, 3)
    found, _ = pseudovalues(counts_by_case(labels, case_of, predicted))
    assert found == pytest.approx([scored(labels, each) for each in predicted])


@pytest.mark.slow
def test_a_pseudovalue_leaves_out_all_examples_of_its_case() -> None:
    labels, case_of, predicted = drawn(12, 2)
    found, table = pseudovalues(counts_by_case(labels, case_of, predicted))
    for case in range(12):
        rest = case_of != case
        for seed in range(2):
            without = scored(labels[rest], predicted[seed][rest])
            assert table[case, seed] == pytest.approx(12 * found[seed] - 11 * without)


def test_the_error_by_cases_is_that_of_a_bootstrap_of_whole_cases() -> None:
    labels, case_of, predicted = drawn(120, 1)
    _, table = pseudovalues(counts_by_case(labels, case_of, predicted))
    generator = np.random.default_rng(5)
    rows_of = [np.flatnonzero(case_of == case) for case in range(120)]
    scores = []
    for _ in range(400):
        rows = np.concatenate([rows_of[case] for case in generator.integers(0, 120, 120)])
        counts = counts_by_case(labels[rows], np.zeros(len(rows), np.int64), predicted[:, rows])
        scores.append(float(mean_macro_f1([each.summed() for each in counts])[0]))
    assert errors_of([table]).standard_error == pytest.approx(np.std(scores), rel=0.12)


def test_classes_that_no_example_has_keep_their_place() -> None:
    labels, predicted = np.array([[0], [1], [0]]), np.array([[[0], [1], [1]]])
    (counts,) = counts_by_case(labels, np.array([0, 1, 1]), predicted, [4])
    assert counts.hits.shape == (2, 1, 4)
    assert counts.occurred[:, 0].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert counts.predicted[:, 0].tolist() == [[1, 0, 0, 0], [0, 2, 0, 0]]


def test_labels_that_are_not_known_are_left_out_task_by_task() -> None:
    labels, case_of, predicted = drawn(15, 2)
    labels = labels.copy()
    labels[::3, 1] = MISSING
    found, table = pseudovalues(counts_by_case(labels, case_of, predicted))
    assert found == pytest.approx([scored(labels, each) for each in predicted])
    assert table.shape == (15, 2)
    labels[:, 1] = MISSING
    (counts,) = counts_by_case(labels, case_of, predicted)
    assert counts.hits.shape[2] == 2

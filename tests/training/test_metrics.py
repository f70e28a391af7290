from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distune.data.table import Task
from distune.training.scoring import metrics
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.scores import overall_score

THREE = Task("organ", ("brain", "chest", "knee"))
TWO = Task("modality", ("CT", "MR"))

# Six examples; by hand: confusion [[2,0,0],[1,1,0],[0,1,1]].
TRUTH = np.array([0, 0, 1, 1, 2, 2])
ROWS = np.array(
    [
        [0.80, 0.10, 0.10],
        [0.60, 0.20, 0.20],
        [0.70, 0.20, 0.10],
        [0.10, 0.50, 0.40],
        [0.05, 0.90, 0.05],
        [0.20, 0.10, 0.70],
    ]
)


def _evaluate(truth: np.ndarray, rows: np.ndarray, task: Task) -> dict:
    return evaluate(truth[:, None], [rows], [task])["tasks"][task.name]


def test_golden_table_by_hand() -> None:
    found = _evaluate(TRUTH, ROWS, THREE)
    assert found["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert found["accuracy"] == pytest.approx(4 / 6)
    # F1: 4/5, 2/4, 2/3; precision 2/3, 1/2, 1; recall 1, 1/2, 1/2
    assert found["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert found["macro_precision"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found["macro_recall"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert found["classes"]["knee"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "support": 2,
        "predicted": 1,
    }
    brain = 7 / 8  # pairs in order: {0.8, 0.6} against {0.7, 0.1, 0.05, 0.2}
    chest = 5.5 / 8  # {0.2, 0.5} against {0.1, 0.2, 0.9, 0.1}, one tie
    knee = 4 / 8  # {0.05, 0.7} against {0.1, 0.2, 0.1, 0.4}
    assert found["auc"] == pytest.approx((brain + chest + knee) / 3)
    expected = -np.mean(np.log([0.8, 0.6, 0.2, 0.5, 0.05, 0.7]))
    assert found["log_loss"] == pytest.approx(expected)
    # every confidence falls in a bin of its own, except 0.7 (wrong) and 0.7 (right)
    gaps = [0.2, 0.4, abs(1 - 1.4), 0.5, 0.9]
    assert found["calibration_error"] == pytest.approx(sum(gaps) / 6)


def test_absent_class_neither_helps_nor_hurts_unless_predicted() -> None:
    truth = np.array([0, 0, 1, 1])
    sure = np.eye(3)[truth]
    found = _evaluate(truth, sure, THREE)
    assert found["macro_f1"] == 1.0
    assert found["auc"] is None
    assert found["auc_missing"] == "no example of knee in this split"
    assert found["classes"]["knee"]["support"] == 0
    once_wrong = np.eye(3)[[0, 0, 1, 2]]
    assert _evaluate(truth, once_wrong, THREE)["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_binary_area_is_that_of_the_second_class() -> None:
    second = np.array([0.1, 0.4, 0.35, 0.8])
    found = _evaluate(np.array([0, 0, 1, 1]), np.stack([1 - second, second], axis=1), TWO)
    assert found["auc"] == pytest.approx(0.75)  # 3 of the 4 pairs in order
    assert found["auc_missing"] is None


def test_score_is_the_mean_over_tasks_and_equals_evaluate() -> None:
    labels = np.stack([TRUTH, np.array([0, 1, 0, 1, 1, 1])], axis=1)
    binary = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9], [0.8, 0.2]])
    full = evaluate(labels, [ROWS, binary], [THREE, TWO])
    each = [full["tasks"][name]["macro_f1"] for name in ("organ", "modality")]
    assert full["score"] == pytest.approx(np.mean(each))
    assert full["examples"] == 6
    assert overall_score(labels, [ROWS, binary], [THREE, TWO]) == pytest.approx(full["score"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:A single label")
@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 25), st.integers(0, 2**32 - 1))
def test_equals_scikit_learn(classes: int, examples: int, seed: int) -> None:
    from sklearn import metrics as reference

    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, examples)
    rows = generator.dirichlet(np.ones(classes), examples)
    predicted = rows.argmax(1)
    found = _evaluate(truth, rows, Task("t", tuple("abcde"[:classes])))
    settings_ = {"average": "macro", "zero_division": 0}
    columns = range(classes)
    assert found["macro_f1"] == pytest.approx(reference.f1_score(truth, predicted, **settings_))
    assert found["macro_precision"] == pytest.approx(reference.precision_score(truth, predicted, **settings_))
    assert found["macro_recall"] == pytest.approx(reference.recall_score(truth, predicted, **settings_))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    if classes > 1:
        assert found["log_loss"] == pytest.approx(reference.log_loss(truth, rows, labels=columns))
    assert found["confusion"] == reference.confusion_matrix(truth, predicted, labels=columns).tolist()
    if classes > 2 and len(set(truth)) == classes:
        assert found["auc"] == pytest.approx(reference.roc_auc_score(truth, rows, multi_class="ovr"))


def test_macro_f1_takes_many_weighted_matrices_at_once() -> None:
    generator = np.random.default_rng(3)
    counts = generator.integers(0, 4, (5, 2, 3, 3)).astype(float)
    together = metrics.macro_f1(counts)
    assert together.shape == (5, 2)
    assert together[4, 1] == pytest.approx(float(metrics.macro_f1(counts[4, 1])))
    assert float(metrics.macro_f1(2.5 * counts[0, 0])) == pytest.approx(float(metrics.macro_f1(counts[0, 0])))
    assert float(metrics.macro_f1(np.zeros((3, 3)))) == 0.0


def test_everything_is_plain_json() -> None:
    full = evaluate(TRUTH[:, None], [ROWS.astype(np.float32)], [THREE])
    assert json.loads(json.dumps(full, allow_nan=False)) == full


@pytest.mark.parametrize(
    ("labels", "rows", "text"),
    [
        (np.zeros((0, 1), dtype=np.int64), np.zeros((0, 3)), "no example has a label"),
        (np.array([[0], [3]]), np.full((2, 3), 1 / 3), "outside 0..2"),
        (np.array([[0]]), np.array([[np.nan, 0.5, 0.5]]), "not finite"),
        (np.array([[0], [-2]]), np.full((2, 3), 1 / 3), "outside 0..2"),
        (np.array([[-1], [-1]]), np.full((2, 3), 1 / 3), "no example has a label"),
    ],
)
def test_labels_and_probabilities_that_say_nothing_are_refused(
    labels: np.ndarray, rows: np.ndarray, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        evaluate(labels, [rows], [THREE])


@pytest.mark.slow
def test_the_score_of_each_epoch_imports_no_heavy_library() -> None:
    code = (
        "import sys, numpy as np; from distune.data.table import Task;"
        "from distune.training.scoring.evaluation import evaluate;"
        "tasks = [Task('a', ('x', 'y')), Task('b', ('x', 'y'), score='auroc')];"
        "found = evaluate(np.array([[0, 0], [1, 1]]), [np.eye(2), np.eye(2)], tasks);"
        "assert found['score'] == found['tasks']['a']['auc'] == 1.0;"
        "print([m for m in ('sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

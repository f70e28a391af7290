"""What is trained on rows that lack labels: the distillation terms alone, and the labels that there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from run_files import Calls
from sklearn.metrics import accuracy_score, f1_score

from distune.config import Config
from distune.data import read_table
from distune.data.table import MISSING, Task
from distune.distillation import LOSSES, LossShapes, Objective, balanced_class_weights, label_shares
from distune.distillation.losses.dkd import target_class
from distune.models.outputs import ModelOutput
from distune.store import Store
from distune.training.callbacks import EpochRecord
from distune.training.devices import compute_for
from distune.training.keys import student_key
from distune.training.predictions import Targets
from distune.training.run import run
from distune.training.scoring.evaluation import evaluate

MakeConfig = Callable[..., Config]
LABELS = np.array([[0, 2], [1, MISSING], [MISSING, MISSING], [1, 0], [MISSING, 1]])


def output(seed: int, *, grad: bool = False) -> ModelOutput:
    random = torch.Generator().manual_seed(seed)
    logits = tuple(torch.randn(5, classes, generator=random).requires_grad_(grad) for classes in (2, 3))
    image, text = (torch.randn(5, 4, generator=random) for _ in range(2))
    return ModelOutput(logits, image, text, torch.rand(5, 4, generator=random))


def test_the_cross_entropy_is_the_mean_over_the_rows_with_a_label(tiny_config: MakeConfig) -> None:
    config = tiny_config(training__label_smoothing=0.1)
    weights = balanced_class_weights(LABELS, (2, 3))
    objective = Objective(
        config.distillation, config.training, class_weights=weights, label_shares=label_shares(LABELS)
    )
    student = output(0, grad=True)
    terms = objective(student, torch.from_numpy(LABELS))
    expected = torch.tensor(0.0)
    for task, logits in enumerate(student.logits):
        known = torch.from_numpy(LABELS[:, task] != MISSING)
        each = F.cross_entropy(
            logits[known],
            torch.from_numpy(LABELS[:, task])[known],
            weight=weights[task],
            label_smoothing=0.1,
            reduction="none",
        )
        expected = expected + each.mean()
    assert terms.total.item() == pytest.approx(expected.item(), rel=1e-6)
    terms.total.backward()
    assert student.logits[0].grad is not None
    assert (student.logits[0].grad[[2, 4]] == 0).all() and (student.logits[0].grad[[0, 1, 3]] != 0).any()


def test_parts_of_a_batch_add_up(tiny_config: MakeConfig) -> None:
    config, shares = tiny_config(), label_shares(LABELS)
    objective = Objective(config.distillation, config.training, label_shares=shares)
    whole, labels = output(0), torch.from_numpy(LABELS)

    def rows(part: slice) -> Any:
        chosen = ModelOutput(tuple(logits[part] for logits in whole.logits), None, None, None)
        return objective(chosen, labels[part]).total

    assert objective(whole, labels).total == pytest.approx(
        (3 * rows(slice(0, 3)) + 2 * rows(slice(3, 5))) / 5
    )


def test_class_weights_count_the_known_labels() -> None:
    weights = balanced_class_weights(LABELS, (2, 3))
    np.testing.assert_allclose(weights[0].numpy(), [3 / (2 * 1), 3 / (2 * 2)])
    assert label_shares(LABELS) == (0.6, 0.6) and label_shares(LABELS[:1]) is None


@pytest.mark.parametrize("loss", LOSSES)
def test_an_unlabelled_row_has_its_distillation_term(tiny_config: MakeConfig, loss: str) -> None:
    """Labels matter to no loss but dkd, whose target is then the teacher's own choice."""
    torch.manual_seed(0)
    built = LOSSES[loss](tiny_config().distillation, LossShapes(4, 4, (2, 3), 5)).eval()
    student, teacher, index = output(1), output(2), torch.arange(5)
    labels = torch.from_numpy(LABELS)
    chosen = torch.stack([target_class(labels[:, t], teacher.logits[t]) for t in range(2)], dim=1)
    assert (chosen >= 0).all() and chosen[2, 1] == teacher.logits[1][2].argmax()
    assert torch.equal(built(student, teacher, labels, index), built(student, teacher, chosen, index))


def test_a_task_is_scored_on_the_rows_that_have_its_label() -> None:
    random = np.random.default_rng(0)
    labels = np.stack([random.integers(0, 2, 40), random.integers(0, 3, 40)], axis=1)
    labels[random.random((40, 2)) < 0.3] = MISSING
    probabilities = [random.dirichlet(np.ones(classes), 40) for classes in (2, 3)]
    found = evaluate(labels, probabilities, [Task("a", ("x", "y")), Task("b", ("l", "m", "n"))])
    scores = []
    for task, column in (("a", 0), ("b", 1)):
        known = labels[:, column] != MISSING
        truth, said = labels[known, column], probabilities[column][known].argmax(1)
        scores.append(f1_score(truth, said, average="macro"))
        assert found["tasks"][task]["macro_f1"] == pytest.approx(scores[-1])
        assert found["tasks"][task]["accuracy"] == pytest.approx(accuracy_score(truth, said))
        assert found["tasks"][task]["examples"] == known.sum()
    assert found["score"] == pytest.approx(np.mean(scores))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["vanilla", "crd", "none"])
def test_it_trains_and_resumes_with_labels_of_a_few_cases(
    tiny_config: MakeConfig, tmp_path: Path, loss: str
) -> None:
    config = tiny_config(
        data__label_fraction=0.4,
        distillation__loss=loss,
        training__class_weights="balanced",
        student__text="none",
    )
    table = read_table(config.data, check_images=False)
    assert len(table.rows("unlabelled")) > len(table.rows("train"))
    whole = run(config, tmp_path / "whole", store=Store(tmp_path / "a"))
    steps: list[EpochRecord] = []

    def until_second(record: EpochRecord) -> bool:
        steps.append(record)
        return not (record.stage == "student" and record.epoch == 2)

    store = Store(tmp_path / "b")
    assert run(config, tmp_path / "cut", store=store, callback=Calls(until_second)).stopped
    assert run(config, tmp_path / "cut", store=store).score == whole.score


@pytest.mark.slow
def test_with_and_without_a_teacher_a_student_takes_the_same_steps(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distune.training import optimizer

    steps = []
    step = optimizer.Optimizer.step
    monkeypatch.setattr(
        optimizer.Optimizer, "step", lambda self: (steps.append(self._total_steps), step(self))
    )
    taken = []
    for values in ({"loss": "vanilla"}, {"loss": "none"}, {"loss": "vanilla", "unlabelled": False}):
        steps.clear()
        settings = {f"distillation__{name}": value for name, value in values.items()}
        config = tiny_config(data__label_fraction=0.4, **settings)
        run(config, tmp_path / str(len(taken)), store=Store(tmp_path / "store"))
        taken.append(sum(total == steps[-1] for total in steps))
    assert taken == [steps[-1]] * 3


@pytest.mark.slow
def test_without_unlabelled_rows_a_student_learns_answers_on_the_labelled_ones_alone(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    at = Targets.at
    monkeypatch.setattr(
        Targets, "at", lambda self, batch: seen.extend(batch.host_rows.tolist()) or at(self, batch)
    )
    config = tiny_config(data__label_fraction=0.4, distillation__unlabelled=False)
    run(config, tmp_path / "run", store=Store(tmp_path / "store"))
    labelled = read_table(config.data).rows("train")
    assert set(seen) == set(labelled.tolist())


@pytest.mark.slow
def test_the_choice_of_rows_enters_the_key_only_where_it_is_made(tiny_config: MakeConfig) -> None:
    compute = compute_for(tiny_config().training)
    assert "unlabelled" not in student_key(tiny_config(), "data", compute)["distillation"]
    changed = student_key(tiny_config(distillation__unlabelled=False), "data", compute)
    assert changed["distillation"]["unlabelled"] is False

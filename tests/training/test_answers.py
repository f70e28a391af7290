"""What models answer, kept or asked anew: each row by itself, in its own view, without dropout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distune.config import Config
from distune.data.batches import ModelInputs, train_batches
from distune.data.ragged import ragged
from distune.data.table import Task
from distune.models.classifier import Classifier
from distune.models.outputs import ModelOutput
from distune.store import Entry, Store
from distune.training import predictions
from distune.training.devices import Compute
from distune.training.predictions import Targets, predict, read_targets, write_targets
from distune.training.student import build_student

CPU = Compute(torch.device("cpu"), bf16=False)
SMALL_IN_BF16 = Compute(torch.device("cpu"), bf16=True, bf16_from=10**9)
TASKS = (Task("side", ("left", "right")), Task("signs", ("a", "b", "c"), "multi_label"))
ROWS = np.array([7, 2, 9, 0, 4])
COUNT = 10


@pytest.fixture
def model(tiny_config: Callable[..., Config]) -> Classifier:
    made = build_student(tiny_config(data__image_size=32, data__missing="allow", student__dropout=0.5), TASKS)
    with torch.no_grad():
        for vector in made.absent.values():
            vector += 1.0
    return made.train()


@pytest.fixture
def inputs() -> ModelInputs:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (2, COUNT, 3, 32, 32), dtype=np.uint8)
    texts = ragged([random.integers(5, 90, 1 + row % 4).tolist() for row in range(COUNT)], np.int64)
    lacking = np.arange(COUNT) % 3 == 0, np.arange(COUNT) % 5 == 1
    return ModelInputs(images, texts, None, lacking)


def alone(model: Classifier, inputs: ModelInputs, row: int, view: int = 0, **options: Any) -> ModelOutput:
    ids = torch.from_numpy(np.array(inputs.text[row]))[None]
    image = torch.from_numpy(np.array(inputs.image[view, row]))[None]
    absent: Any = tuple(None if each is None else torch.tensor([bool(each[row])]) for each in inputs.absent)
    with torch.no_grad():
        return model(image, ids, torch.ones_like(ids, dtype=torch.bool), absent=absent, **options)  # type: ignore[no-any-return]


@pytest.mark.parametrize("compute", [CPU, SMALL_IN_BF16])
def test_rows_are_predicted_in_their_order(
    model: Classifier, inputs: ModelInputs, compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "EVALUATION_BATCH", 2)
    side, signs = predict(model, inputs, ROWS, compute)
    assert not model.training and side.shape == (5, 2) and signs.shape == (5, 3)
    for place, row in enumerate(ROWS):
        first, second = alone(model, inputs, row).logits
        np.testing.assert_allclose(side[place], first.softmax(-1)[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(signs[place], second.sigmoid()[0].numpy(), atol=1e-5)
    assert len({tuple(row) for row in signs.tolist()}) == 5


@pytest.mark.parametrize("bf16", [False, True])
def test_scores_in_bf16_are_those_of_the_written_digits(
    model: Classifier, inputs: ModelInputs, bf16: bool
) -> None:
    side, signs = predict(model, inputs, ROWS, replace(CPU, bf16=bf16))
    for answers in (side, signs):
        assert answers.dtype == np.float32
        written = np.array([[float(f"{p:.6f}") for p in row] for row in answers], np.float32)
        assert (answers == written).all() == bf16


@pytest.mark.parametrize("compute", [CPU, SMALL_IN_BF16])
@pytest.mark.parametrize("with_map", [False, True])
def test_a_teachers_answers_are_kept_by_view_and_row(
    model: Classifier, inputs: ModelInputs, tmp_path: Path, with_map: bool, compute: Compute
) -> None:
    def fill(entry: Entry) -> None:
        write_targets(entry, model, inputs, ROWS, compute, with_map=with_map)

    entry = Store(tmp_path).get("targets", {"of": "these"}, fill)
    found = read_targets(entry, TASKS, model.modalities, with_map=with_map)
    names = ["image_feature", "text_feature", *(["image_map"] if with_map else [])]
    assert not model.training and list(found.features) == names and found.width == 8
    assert [array.shape for array in found.logits] == [(2, COUNT, 2), (2, COUNT, 3)]
    others = np.setdiff1d(np.arange(COUNT), ROWS)
    for array in (*found.logits, *found.features.values()):
        assert np.isnan(array[:, others]).all() and np.isfinite(array[:, ROWS]).all()
    for view in range(2):
        for row in ROWS:
            output = alone(model, inputs, row, view)
            for kept, logits in zip(found.logits, output.logits, strict=True):
                np.testing.assert_allclose(kept[view, row], logits[0].numpy(), atol=1e-5)
            for name in names:
                expected: Tensor = getattr(output, name)[0]
                np.testing.assert_allclose(found.features[name][view, row], expected.numpy(), atol=1e-5)
    complete = [row for row in ROWS if not inputs.absent[0][row]]  # type: ignore[index]
    assert not np.allclose(found.logits[0][0, complete], found.logits[0][1, complete])


def test_a_batch_has_the_teachers_answers_of_its_rows_and_views(inputs: ModelInputs) -> None:
    def numbered(width: int) -> np.ndarray:
        return (100 * np.arange(2)[:, None] + np.arange(COUNT))[..., None] + np.zeros(width, np.float32)

    targets = Targets(
        (numbered(2), numbered(3) + 0.25),
        {"image_feature": numbered(4) + 0.5, "text_feature": numbered(4)[:1], "image_map": numbered(9)},
    )
    placed = targets.placed(CPU.device)
    assert targets.placed(CPU.device) is placed and targets.width == 4
    seen = set()
    for batch in train_batches(
        inputs, np.zeros((COUNT, 0), np.int64), ROWS,
        batch_size=2, seed=0, epoch=1, device=CPU.device, targets=placed,
    ):  # fmt: skip
        number = (100 * batch.views + batch.rows).float()
        seen |= set(batch.views.tolist())
        found = targets.at(batch)
        assert [each.shape[1] for each in found.logits] == [2, 3]
        assert torch.equal(found.logits[0][:, 1], number) and torch.equal(
            found.logits[1][:, 0], number + 0.25
        )
        assert found.image_feature is not None and torch.equal(found.image_feature[:, 0], number + 0.5)
        assert found.text_feature is not None and torch.equal(
            found.text_feature[:, 0], batch.rows.float()
        )  # of one view, as a teacher without image answers
        assert found.image_map is not None and torch.equal(found.image_map[:, 8], number)
        without = replace(targets, features={"image_feature": numbered(4)}).at(
            replace(batch, targets=batch.targets[:3])
        )
        assert without.image_map is not None and without.image_map.shape == (len(number), 0), "none was asked"
        assert without.text_feature is None
    assert seen == {0, 1}


@pytest.mark.parametrize(
    ("modalities", "with_map", "expected"),
    [
        (("image", "text"), False, ("image_feature", "text_feature")),
        (("image",), True, ("image_feature", "image_map")),
        (("text",), True, ("text_feature",)),
    ],
)
def test_what_is_kept_of_a_teacher(modalities: Any, with_map: bool, expected: tuple[str, ...]) -> None:
    assert predictions._features(modalities, with_map) == expected

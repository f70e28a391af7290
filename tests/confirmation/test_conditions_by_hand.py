"""Inputs under a condition are those of a data set that was changed in that way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from distune.config import Config
from distune.confirmation.missing_inputs import Conditions, swapped
from distune.data import Table, read_table
from distune.data.batches import ModelInputs
from distune.store import Store
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps
from distune.training.student import build_student, student_seed

MakeConfig = Callable[..., Config]
MODELS: dict[str, dict[str, Any]] = {
    "pixels": {},
    "activations": {"student__vision__freeze": 1, "student__text__freeze": 1},
    "means": {"student__vision__freeze": "all", "student__text__freeze": "all"},
}
ALLOWED = {"data__missing": "allow"}


@pytest.fixture(scope="module")
def few(tiny_config: MakeConfig) -> Table:
    """Five test examples, of three cases, and three of train."""
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    rows = [*table.rows("test")[-5:], *table.rows("train")[:3]]

    def of(values: Any) -> tuple[Any, ...]:
        return tuple(values[row] for row in rows)

    return Table(
        table.root, of(table.ids), of(table.images), of(table.texts), table.labels[rows],
        tuple(f"case {place // 2}" for place in range(8)), of(table.splits), table.tasks,
    )  # fmt: skip


class Model:
    """An untrained student and what it reads of a table."""

    def __init__(self, config: Config, table: Table, bf16: bool, folder: Path):
        self.config, self.folder = config, folder
        self.compute = Compute(torch.device("cpu"), bf16=bf16)
        self.student = build_student(config, table.tasks).eval()
        self.steps = self.steps_of(table)
        self.inputs = self.of(table)

    def steps_of(self, table: Table) -> InputSteps:
        return InputSteps(table, self.config.data, Store(self.folder), self.compute, self.config.seed)

    def of(self, table: Table) -> ModelInputs:
        return self.steps_of(table).for_model(self.student, self.config.student, student_seed(self.config))

    def under(self, condition: str, table: Table, seed: int = 5) -> ModelInputs | None:
        rows = table.rows("test")
        return Conditions(table, seed).make(condition, rows, self.student, self.steps, self.inputs)


def assert_near(found: Any, expected: Any) -> None:
    """The same but for the rounding of batches of another size; ids and pixels are the same to the bit."""
    if found.dtype != expected.dtype:  # activations in bf16 are kept as its bits, and made as rounded as that
        assert torch.equal(torch.from_numpy(found), torch.from_numpy(found).bfloat16().float())
        expected = torch.from_numpy(np.array(expected)).view(torch.bfloat16).float().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
    elif expected.dtype == np.float32:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def assert_same(found: ModelInputs | None, expected: ModelInputs, rows: Any) -> None:
    assert found is not None and found.image is not None and expected.image is not None
    assert found.text is not None and expected.text is not None
    assert (found.text_mean is None) == (expected.text_mean is None)
    for row in rows:
        assert_near(np.array(found.image[0, row]), expected.image[0, row])
        assert_near(np.array(found.text[row]), expected.text[row])
        if found.text_mean is not None and expected.text_mean is not None:
            assert_near(np.array(found.text_mean[row]), expected.text_mean[row])
    assert found.absent == expected.absent == (None, None)


@pytest.fixture(params=[(kind, bf16) for kind in MODELS for bf16 in (False, True)], ids=str)
def model(request: pytest.FixtureRequest, few: Table, tiny_config: MakeConfig, tmp_path: Path) -> Model:
    kind, bf16 = request.param
    return Model(tiny_config(**MODELS[kind]), few, bf16, tmp_path)


def test_a_flat_image_of_the_mean_colour_of_train(model: Model, few: Table, tmp_path: Path) -> None:
    pixels = np.array(model.steps.pixels(32)[0, few.rows("train")], np.float64)
    colour = np.rint(pixels.mean(axis=(0, 2, 3))).astype(np.uint8)
    file = str(tmp_path / "flat.png")
    cv2.imwrite(file, np.zeros((32, 32, 3), np.uint8) + colour[::-1])
    found = model.under("without_image", few)
    assert_same(found, model.of(replace(few, images=(file,) * len(few))), few.rows("test"))


def test_an_empty_text(model: Model, few: Table) -> None:
    expected = model.of(replace(few, texts=("",) * len(few)))
    found = model.under("without_text", few)
    assert_same(found, expected, few.rows("test"))
    assert found is not None and found.text is not None and len(found.text[-1]) == 0, (
        "train has no text in it"
    )


def test_the_text_of_another_case(model: Model, few: Table) -> None:
    rows = few.rows("test")
    donors = swapped([few.groups[row] for row in rows], 5)
    assert donors is not None
    texts = list(few.texts)
    for row, donor in zip(rows, rows[donors], strict=True):
        texts[row] = few.texts[donor]
    assert_same(model.under("other_text", few), model.of(replace(few, texts=tuple(texts))), rows)
    assert model.under("other_text", replace(few, groups=("only",) * len(few))) is None


def test_a_model_that_learnt_what_is_missing_is_asked_without_it(
    few: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    """What was absent before stays so; a text that is swapped takes with it that there is none."""
    table = replace(
        few, images=(*few.images[:-1], ""), texts=(*few.texts[:-2], "", few.texts[-1]), may_lack=True
    )
    model = Model(tiny_config(**ALLOWED), table, False, tmp_path)
    everyone, of_image, of_text = np.ones(8, bool), np.arange(8) == 7, np.arange(8) == 6
    without_image, without_text, other = (
        model.under(condition, table) for condition in ("without_image", "without_text", "other_text")
    )
    for found, (image, text) in (
        (without_image, (everyone, of_text)), (without_text, (of_image, everyone)),
    ):  # fmt: skip
        assert found is not None and found.image is model.inputs.image and found.text is model.inputs.text
        assert np.array_equal(found.absent[0], image) and np.array_equal(found.absent[1], text)  # type: ignore[arg-type]
    rows = table.rows("test")
    donors = swapped([table.groups[row] for row in rows], 5)
    assert donors is not None and other is not None and other.absent[1] is not None
    assert np.array_equal(other.absent[0], of_image)  # type: ignore[arg-type]
    assert np.array_equal(other.absent[1][rows], of_text[rows[donors]])
    assert np.array_equal(model.inputs.absent[1], of_text), "the inputs are others' too"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "conditions"),
    [
        ({"student__vision": "none"}, ("without_text", "other_text")),
        ({"student__text": "none"}, ("without_image",)),
    ],
)
def test_what_a_model_does_not_read_is_not_taken_away(
    few: Table, tiny_config: MakeConfig, tmp_path: Path, values: dict[str, Any], conditions: tuple[str, ...]
) -> None:
    model = Model(tiny_config(**values), few, False, tmp_path)
    names = ("without_image", "without_text", "other_text")
    assert tuple(name for name in names if model.under(name, few) is not None) == conditions


def test_a_case_takes_the_texts_of_the_next_one_in_turn() -> None:
    groups = ["a", "b", "a", "c", "b", "a"]
    cycle = np.random.default_rng(9).permutation(["a", "b", "c"]).tolist()
    members = {name: [place for place, group in enumerate(groups) if group == name] for name in "abc"}
    found = swapped(groups, 9)
    assert found is not None
    for name in "abc":
        donor = members[cycle[(cycle.index(name) + 1) % 3]]
        assert found[members[name]].tolist() == [donor[n % len(donor)] for n in range(len(members[name]))]
    assert len({tuple(swapped(groups, seed)) for seed in range(20)}) == 2, "three cases have two cycles"  # type: ignore[arg-type]

"""What a model reads, on a few examples: in parts and whole, by view, with what is absent, under its own key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distune.config import Config
from distune.data import Table, read_table
from distune.data.pixels.images import DECODING, decode_all, views
from distune.data.pixels.intensity import PixelRules
from distune.models.classifier import build_classifier
from distune.models.fusion import masked_mean
from distune.store import Store
from distune.training.devices import Compute
from distune.training.inputs import inputs as inputs_module
from distune.training.inputs import parts
from distune.training.inputs.encoding import PREFIX_BATCH
from distune.training.inputs.inputs import InputSteps
from distune.training.student import build_student, student_seed

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)
COUNT = 7
FROZEN = {"student__vision__freeze": "all", "student__text__freeze": "all"}
OF_TOKENS = {"student__fusion": "cross_attention", "student__fusion_tokens": "sequence"}


@pytest.fixture(scope="module")
def few(tiny_config: MakeConfig) -> Table:
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    rows = slice(0, COUNT)
    return Table(
        table.root, table.ids[rows], table.images[rows], table.texts[rows], table.labels[rows],
        table.groups[rows], table.splits[rows], table.tasks,
    )  # fmt: skip


def steps_on(table: Table, config: Config, folder: Path, compute: Compute = CPU, **more: Any) -> InputSteps:
    return InputSteps(table, config.data, Store(folder), compute, config.seed, **more)


def test_images_are_the_same_in_parts(
    few: Table, tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(data__augment="light", data__views=3, data__image_size=32)
    whole = np.array(steps_on(few, config, tmp_path / "whole").pixels(32))
    plain = decode_all(few.images, 32, rules=few.rules)
    assert whole.shape == (3, COUNT, 3, 32, 32) and np.array_equal(whole[0], plain)
    for row in range(COUNT):
        expected = views(plain[row], seed=config.seed, index=row, count=3)
        assert np.array_equal(whole[:, row], expected)
    monkeypatch.setattr(parts, "PART", 3)
    told: list[tuple[str, int, int]] = []
    steps = steps_on(few, config, tmp_path / "parts", progress=lambda *each: told.append(each))
    assert np.array_equal(steps.pixels(32), whole)
    assert [entry.folder.parent.name for entry in steps.store.entries()] == ["images"]
    assert {(step, total) for step, _, total in told} == {(DECODING, COUNT)}
    done = [each for _, each, _ in told]
    assert done == sorted(done) and done[-1] == COUNT and {3, 6} <= set(done)


def test_images_are_decoded_by_the_rules_of_the_table(
    few: Table, tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, asked = PixelRules(percentiles=(5.0, 95.0)), []

    def noting(*arguments: Any, **options: Any) -> Any:
        asked.append(options["rules"])
        return decode_all(*arguments, **options)

    monkeypatch.setattr(inputs_module, "decode_all", noting)
    config = tiny_config(data__image_size=32)
    steps_on(replace(few, rules=rules), config, tmp_path).pixels(32)
    assert asked == [rules]


def test_what_images_depend_on_is_in_their_key(few: Table, tiny_config: MakeConfig, tmp_path: Path) -> None:
    shown = {"data__augment": "light", "data__views": 2}
    light = steps_on(few, tiny_config(**shown), tmp_path)
    plain = steps_on(few, tiny_config(), tmp_path)
    changed = [
        light,
        replace(light, seed=light.seed + 1),
        replace(light, data=light.data.model_copy(update={"views": 3})),
        replace(light, data=light.data.model_copy(update={"augment": "medium"})),
        plain,
        replace(plain, files="others"),
    ]
    keys = [each._images_key(32) for each in changed] + [plain._images_key(64)]
    assert all(one != other for place, one in enumerate(keys) for other in keys[:place])
    assert replace(plain, seed=plain.seed + 1)._images_key(32) == plain._images_key(32), "none is random"


def test_what_frozen_layers_depend_on_is_in_their_key(
    few: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config = tiny_config(**FROZEN)
    steps = steps_on(few, config, tmp_path)
    student = config.student
    others = [
        tiny_config(**FROZEN, student__vision__layers=1).student,
        tiny_config(student__vision__freeze=1).student,
    ]
    bf16 = replace(steps, compute=replace(CPU, bf16=True))
    keys = [
        steps._encoder_key(student, "vision", 0),
        steps._encoder_key(student, "vision", 1),
        steps._encoder_key(student, "text", 0),
        *(steps._encoder_key(other, "vision", 0) for other in others),
        bf16._encoder_key(student, "vision", 0),
    ]
    assert all(one != other for place, one in enumerate(keys) for other in keys[:place])
    assert keys[1]["layers"] == student.vision.layers and keys[0]["freeze"] == "all"
    assert (keys[3]["layers"], keys[4]["freeze"], keys[5]["bf16"], keys[0]["device"]) == (1, 1, True, "cpu")


def test_a_text_is_as_long_as_the_data_and_the_encoder_allow(
    few: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    for asked, allowed, longest in ((4, 9, 4), (9, 5, 5)):
        config = tiny_config(data__max_tokens=asked)
        steps, model = steps_on(few, config, tmp_path), build_student(config, few.tasks)
        assert model.text is not None
        model.text.max_tokens = allowed
        assert steps._tokens_key(model.text)["max_tokens"] == longest
        found = steps.for_model(model, config.student, 0).text
        assert found is not None and found.lengths.max() == longest
        ids = model.text.tokenizer.encode(few.texts, longest)
        assert [found[row].tolist() for row in range(COUNT)] == [list(each) for each in ids]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(
    ("values", "with_map", "image", "text", "mean"),
    [
        ({}, False, "pixels", "ids", False),
        (FROZEN, False, "mean", "ids", True),
        (FROZEN, True, "tokens", "ids", True),
        ({**FROZEN, **OF_TOKENS}, False, "tokens", "tokens", False),
        ({"student__text__freeze": "all"}, False, "pixels", "ids", True),
        ({"student__vision__freeze": "all"}, False, "mean", "ids", False),
    ],
)
def test_a_model_reads_what_it_needs_and_no_more(
    few: Table, tiny_config: MakeConfig, tmp_path: Path,
    values: dict[str, Any], with_map: bool, image: str, text: str, mean: bool, bf16: bool,
) -> None:  # fmt: skip
    config = tiny_config(**values, data__image_size=32, data__augment="light", data__views=2)
    compute = replace(CPU, bf16=bf16)
    steps, model = steps_on(few, config, tmp_path, compute), build_student(config, few.tasks).eval()
    seed = student_seed(config)
    found = steps.for_model(model, config.student, seed, with_map=with_map)
    assert model.vision is not None and model.text is not None
    assert found.image is not None and found.text is not None and found.views == 2
    shapes = {"pixels": (2, COUNT, 3, 32, 32), "mean": (2, COUNT, model.vision.width)}
    if image in shapes:
        assert found.image.shape == shapes[image]
    else:
        assert found.image.ndim == 4 and found.image.shape[:2] == (2, COUNT)
    kept = np.uint16 if bf16 else np.float32
    assert found.image.dtype == {"pixels": np.uint8, "mean": np.float32, "tokens": kept}[image]
    assert found.text[0].ndim == (1 if text == "ids" else 2)
    assert (found.text_mean is not None) is mean
    near = {"rtol": 2e-2, "atol": 2e-2} if bf16 else {"rtol": 1e-5, "atol": 1e-5}
    pixels = torch.from_numpy(np.array(steps.pixels(32)))
    ids = [torch.tensor([each]) for each in model.text.tokenizer.encode(few.texts, config.data.max_tokens)]
    for row in range(COUNT):
        with torch.no_grad():
            for view in range(2):
                if image == "mean":
                    tokens = model.image_tokens(model.vision.prefix(pixels[view, row][None]))
                    np.testing.assert_allclose(found.image[view, row], tokens.mean(1)[0].numpy(), **near)
            if mean:
                mask = torch.ones_like(ids[row], dtype=torch.bool)
                tokens = model.text_tokens(model.text.prefix(ids[row], mask), mask)
                assert found.text_mean is not None
                np.testing.assert_allclose(found.text_mean[row], masked_mean(tokens, mask)[0].numpy(), **near)


@pytest.mark.parametrize("read", ["both", "image", "text"])
def test_what_is_absent_is_told_of_what_a_model_reads(
    few: Table, tiny_config: MakeConfig, tmp_path: Path, read: str
) -> None:
    config = tiny_config(
        data__image_size=32,
        data__missing="allow",
        **{"image": {"student__text": "none"}, "text": {"student__vision": "none"}}.get(read, {}),
    )
    table = replace(few, texts=("", *few.texts[1:]), images=(*few.images[:-1], ""), may_lack=True)
    model = build_student(config, few.tasks)
    found = steps_on(table, config, tmp_path).for_model(model, config.student, 0)
    image, text = found.absent
    assert (image is not None) is (read != "text") and (text is not None) is (read != "image")
    if image is not None:
        assert image.tolist() == [False] * (COUNT - 1) + [True]
    if text is not None:
        assert text.tolist() == [True] + [False] * (COUNT - 1)
    assert (found.image is None, found.text is None) == (read == "text", read == "image")


@pytest.mark.parametrize("tokens", [{}, OF_TOKENS])
def test_models_of_two_seeds_read_what_their_own_frozen_layers_made(
    few: Table, tiny_config: MakeConfig, tmp_path: Path, tokens: dict[str, Any]
) -> None:
    """As a teacher and a student with the same untrained encoders do, from one store."""
    config = tiny_config(**FROZEN, **tokens, data__image_size=32)
    steps, found = steps_on(few, config, tmp_path), []
    pixels = torch.from_numpy(np.array(steps.pixels(32)[0]))
    for seed in (1, 2):
        model = build_classifier(config.student, few.tasks, seed=seed, image_size=32).eval()
        found.append(steps.for_model(model, config.student, seed))
        assert model.vision is not None and found[-1].image is not None
        with torch.no_grad():
            tokens_of = model.image_tokens(model.vision.prefix(pixels))
        if not tokens:
            np.testing.assert_allclose(found[-1].image[0], tokens_of.mean(1).numpy(), atol=1e-5)
    first, second = found
    assert not np.allclose(first.image, second.image)
    ours, theirs = (each.text_mean if each.text_mean is not None else each.text[0] for each in found)
    assert not np.allclose(ours, theirs)


def test_without_augmentation_there_is_one_view_however_many_are_asked_for(
    few: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    for augment, count in (("none", 1), ("light", 3)):
        config = tiny_config(data__augment=augment, data__views=3)
        assert steps_on(few, config, tmp_path / augment).pixels(16).shape == (count, COUNT, 3, 16, 16)


@pytest.mark.parametrize(("asked", "taken", "longest"), [(5, 512, 5), (9, 6, 6), (6, 9, 6)])
def test_a_text_is_as_long_as_is_asked_and_as_its_encoder_takes(
    few: Table, tiny_config: MakeConfig, tmp_path: Path, asked: int, taken: int, longest: int
) -> None:
    config = tiny_config(data__max_tokens=asked)
    model, long = build_student(config, few.tasks), replace(few, texts=("many words " * 9,) * COUNT)
    model.text.max_tokens = taken
    steps = steps_on(long, config, tmp_path)
    key = steps._tokens_key(model.text)
    assert key["max_tokens"] == longest
    assert steps._tokens(model.text, key).lengths.tolist() == [longest] * COUNT


def test_frozen_text_layers_give_each_text_the_tokens_that_it_has_alone(
    few: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config = tiny_config(**FROZEN, **OF_TOKENS)
    model = build_student(config, few.tasks)
    steps = steps_on(
        replace(few, texts=tuple("word " * (1 + 3 * row % 7) for row in range(COUNT))), config, tmp_path
    )
    found = steps.for_model(model, config.student, student_seed(config)).text
    ids = steps._tokens(model.text, steps._tokens_key(model.text))
    assert found is not None and found.lengths.tolist() == ids.lengths.tolist()
    assert len(set(ids.lengths.tolist())) > 3
    for row in range(COUNT):
        one = torch.from_numpy(np.array(ids[row]))[None]
        alone = model.text.prefix(one, torch.ones_like(one, dtype=torch.bool))[0]
        np.testing.assert_allclose(found[row], alone.numpy(), atol=1e-5)


def test_frozen_vision_layers_give_each_image_what_it_has_alone(
    few: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    """Also behind the first batch of a forward pass."""
    config = tiny_config(**FROZEN, **OF_TOKENS)
    many = replace(few, **{name: getattr(few, name) * 3 for name in ("images", "texts", "ids", "groups", "splits")},
                   labels=np.concatenate([few.labels] * 3))  # fmt: skip
    model, steps = build_student(config, few.tasks), steps_on(many, config, tmp_path)
    found = steps.for_model(model, config.student, student_seed(config)).image
    pixels = steps.pixels(model.vision.image_size)[0]
    assert len(pixels) > PREFIX_BATCH and found is not None
    for row in range(len(pixels)):
        alone = model.vision.prefix(torch.from_numpy(np.array(pixels[[row]])))[0]
        np.testing.assert_allclose(found[0, row], alone.numpy(), atol=1e-5)

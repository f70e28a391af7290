"""What a study takes, from costs of an example that are written out here."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from distune.config import Config, TrainingConfig, with_values
from distune.data import read_table
from distune.models.classifier import build_classifier
from distune.setup import estimate as module
from distune.setup.estimate import (
    Estimate,
    ExampleCost,
    _measured,
    estimate,
    estimated,
    examples_tried,
)
from distune.training.devices import Compute, resolved

TEACHER = ExampleCost(
    prefix_s=3.0,
    step_s=0.5,
    forward_s=0.1,
    activation_mb=2.0,
    stored_mb=1.5,
    weight_mb=100.0,
    trained_mb=10.0,
)
STUDENT = ExampleCost(
    prefix_s=1.0,
    step_s=0.2,
    forward_s=0.05,
    activation_mb=1.0,
    stored_mb=0.5,
    weight_mb=20.0,
    trained_mb=20.0,
)
SIZES = {"train": 60, "dev": 20, "examples": 100}
EPOCHS = 2 * (60 * 0.5 + 20 * 0.1) + 3 * (60 * 0.2 + 20 * 0.05)
"""Seconds of the teacher's two epochs and the student's three."""


@pytest.fixture
def of(tiny_config: Callable[..., Config]) -> Callable[..., Estimate]:
    def make(**values: Any) -> Estimate:
        config = tiny_config(study__n_trials=7, **values)
        alone = values.get("distillation__loss") == "none"
        return estimated(config, config.study, [STUDENT] if alone else [TEACHER, STUDENT], **SIZES)

    return make


def test_a_study_one_trial_after_the_other(of: Callable[..., Estimate]) -> None:
    found = of()
    targets = 100 * 0.1
    assert found.further_s == pytest.approx(EPOCHS + targets)
    assert found.first_s == pytest.approx(100 * 4.0 + EPOCHS + targets)
    assert found.study_s == pytest.approx(100 * 4.0 + 7 * (EPOCHS + targets))
    assert (found.trials, found.store_mb, found.trial_mb) == (7, 200.0, pytest.approx(30.2))
    # The teacher: its weights, a gradient and two moments of those that are trained, and 16 examples at once.
    assert found.memory_mb == pytest.approx(450 + 100 + 3 * 10 + 16 * 2)


@pytest.mark.parametrize(("workers", "rounds"), [(2, 4), (7, 1), (10, 1)])
def test_workers_share_the_trials_in_rounds(of: Callable[..., Estimate], workers: int, rounds: int) -> None:
    for given in ({"study__workers": workers}, {"study__gpus": tuple(f"cuda:{n}" for n in range(workers))}):
        found = of(**given)
        assert found.study_s == pytest.approx(100 * 4.0 + rounds * found.further_s)
    both = of(study__workers=workers, study__gpus=("cuda:0", "cuda:1", "cuda:2"))
    assert both.study_s == pytest.approx(found.study_s)


def test_every_view_is_encoded_kept_and_asked_of_the_teacher(of: Callable[..., Estimate]) -> None:
    found = of(data__augment="light", data__views=3)
    assert found.first_s - found.further_s == pytest.approx(3 * 100 * 4.0)
    assert found.further_s == pytest.approx(EPOCHS + 3 * 100 * 0.1)
    assert found.store_mb == 600.0


def test_each_fold_is_a_training(of: Callable[..., Estimate]) -> None:
    assert of(study__folds=5).further_s == pytest.approx(5 * of().further_s)
    assert of(study__folds=5).trial_mb == pytest.approx(5 * 30 + 0.2)


def test_without_a_teacher(of: Callable[..., Estimate]) -> None:
    found = of(distillation__loss="none")
    assert found.further_s == pytest.approx(3 * (60 * 0.2 + 20 * 0.05))
    assert found.memory_mb == pytest.approx(450 + 20 + 3 * 20 + 16)


def test_the_estimate_in_words() -> None:
    first, second = Estimate(0.2, 89.0, 7200.0, 7, 999.4, 0.3, 1536.0).lines()
    assert [word in first for word in (" 1 s", " 89 s", " 2.0 h", " 7 trials")] == [True] * 4
    assert [word in second for word in ("999 MB", " 1 MB once", "1.5 GB a")] == [True] * 3


@pytest.mark.parametrize("frozen", [0, 1, "all"])
def test_what_an_example_costs_is_measured_on_its_model(
    tiny_config: Callable[..., Config], frozen: int | str
) -> None:
    config = tiny_config(**({"student__vision__freeze": frozen} if frozen else {}))
    table = read_table(config.data, check_images=False)
    model = build_classifier(config.student, table.tasks, seed=0, image_size=config.data.image_size)
    found = _measured(config.student, config, table, resolved(config.training))
    assert model.vision is not None
    side = model.vision.image_size
    weights = list(model.parameters())
    assert found.weight_mb == pytest.approx(sum(each.numel() for each in weights) * 4 / 2**20)
    trained = sum(each.numel() for each in weights if each.requires_grad)
    assert found.trained_mb == pytest.approx(trained * 4 / 2**20)
    pixels = 3 * side * side / 2**20
    kept = model.vision.prefix(torch.zeros(1, 3, side, side, dtype=torch.uint8)) if frozen else torch.zeros(0)
    assert found.stored_mb == pytest.approx(pixels + kept.numel() * kept.element_size() / 2**20)
    assert (found.trained_mb < found.weight_mb) == bool(frozen)
    assert 0 < found.forward_s < 1 and 0 < found.step_s < 1 and 0 < found.prefix_s < 1
    assert 0 < found.activation_mb < 50


def test_what_frozen_layers_of_a_text_store_is_that_of_one_example(
    tiny_config: Callable[..., Config],
) -> None:
    config = tiny_config(student__text__freeze="all")
    table = read_table(config.data, check_images=False)
    compute = resolved(config.training)
    model = build_classifier(config.student, table.tasks, seed=0, image_size=config.data.image_size)
    _, text, mask = module._inputs(model, config, table, 4, compute)
    assert model.text is not None
    hidden = model.text.prefix(text, mask)
    free = _measured(tiny_config().student, config, table, compute).stored_mb
    found = _measured(config.student, config, table, compute).stored_mb
    assert found - free == pytest.approx(hidden[0].numel() * hidden.element_size() / 2**20)


def test_examples_of_the_whole_table_and_texts_of_about_the_mean_length_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Images from the first to the last row; texts between the median and seven tenths, cut where training cuts."""
    decoded: list[tuple[int, int]] = []

    def decode(image: int, side: int, rules: str) -> Any:
        decoded.append((image, side))
        assert rules == "of the table"
        return np.full((side, side, 3), image, np.uint8)

    monkeypatch.setattr(module, "decode", decode)
    texts = ["x" * length for length in range(10, -1, -1)]

    class Eleven(SimpleNamespace):
        def __len__(self) -> int:
            return 11

    cut: list[int] = []

    def encode(given: list[str], maximum: int) -> list[list[int]]:
        cut.append(maximum)
        return [[len(text)] for text in given]

    words = SimpleNamespace(tokenizer=SimpleNamespace(encode=encode), max_tokens=9)
    model: Any = SimpleNamespace(vision=SimpleNamespace(image_size=2), text=words)
    table: Any = Eleven(images=list(range(11)), texts=texts, rules="of the table")
    compute = Compute(torch.device("cpu"), False)
    for asked, given in ((8, 8), (64, 9)):
        config = with_values(Config(), {"data.max_tokens": asked})
        image, text, mask = module._inputs(model, config, table, 4, compute)
        assert image[:, 0, 0, 0].tolist() == [0, 3, 6, 10] and image.shape == (4, 2, 2, 3)
        assert text[:, 0].tolist() == [5, 5, 6, 7] and mask[:, 0].all() and cut[-1] == given
    assert decoded[:4] == [(0, 2), (3, 2), (6, 2), (10, 2)]
    model.vision = model.text = None
    assert module._inputs(model, Config(), table, 4, compute) == (None, None, None)


@pytest.mark.parametrize(
    ("device", "batch_size", "accumulation", "count"),
    [("cpu", 64, 1, 4), ("cuda", 64, 1, 64), ("cuda", 10, 4, 4), ("cuda", 50, 4, 13), ("mps", 16, 1, 16)],
)
def test_a_gpu_is_measured_with_as_many_examples_as_it_computes_at_once(
    device: str, batch_size: int, accumulation: int, count: int
) -> None:
    training = TrainingConfig(batch_size=batch_size, accumulation=accumulation)
    assert examples_tried(training, torch.device(device)) == count


def test_a_call_takes_as_long_as_the_shorter_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 8.0, 10.0, 14.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    called: list[int] = []
    assert module._seconds(lambda: called.append(1), Compute(torch.device("cpu"), False)) == 4.0
    assert len(called) == 2


def test_the_estimate_of_a_study_is_that_of_its_costs(
    tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_measured", lambda section, *_: STUDENT if section.epochs == 3 else TEACHER)
    config = tiny_config(study__n_trials=7)
    table = read_table(config.data, check_images=False)
    sizes = {"train": len(table.rows("train")), "dev": len(table.rows("dev")), "examples": len(table)}
    assert estimate(config, table) == estimated(config, config.study, [TEACHER, STUDENT], **sizes)
    longer = estimate(tiny_config(study__n_trials=7, study__teacher_epochs=4), table)
    assert longer.further_s - estimate(config, table).further_s == pytest.approx(
        2 * (sizes["train"] * 0.5 + sizes["dev"] * 0.1)
    )

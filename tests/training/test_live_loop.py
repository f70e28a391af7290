"""Training from the store equals training that computes frozen layers and the teacher's answers in every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_files import read_metrics
from torch import Tensor

from distune.config import Config
from distune.data import read_table
from distune.data.batches import Batch, ModelInputs
from distune.models.classifier import Classifier
from distune.models.outputs import ModelOutput
from distune.store import Store
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps
from distune.training.run import run
from distune.training.student import build_student, student_seed
from distune.training.teacher.teacher import Teacher

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., Config]


def frozen(how: Any) -> dict[str, Any]:
    return {f"{who}__{kind}__freeze": how for who in ("teacher", "student") for kind in ("vision", "text")}


SEQUENCES = {f"{who}__{name}": value for who in ("teacher", "student")
             for name, value in (("fusion", "cross_attention"), ("fusion_tokens", "sequence"))}  # fmt: skip
KINDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "pixels and ids": ({}, set()),
    "activations": (frozen(1), {"frozen_vision", "frozen_text"}),
    "views": ({**frozen(1), "data__augment": "light", "data__views": 2}, {"frozen_vision", "frozen_text"}),
    "tokens": ({**frozen("all"), **SEQUENCES}, {"frozen_vision", "frozen_text"}),
    "means": (frozen("all"), {"image_means", "text_means", "frozen_vision", "frozen_text"}),
    "maps": (
        {**frozen("all"), "distillation__loss": "attention_transfer"},
        {"image_means", "text_means", "frozen_vision", "frozen_text"},
    ),
}


@dataclass
class LiveTargets:
    """A teacher that is asked in every step."""

    model: Classifier
    width: int

    def placed(self, device: torch.device) -> tuple[()]:
        return ()

    def at(self, batch: Batch) -> ModelOutput:
        with torch.no_grad():
            return self.model(batch.image, batch.text, batch.text_mask)  # type: ignore[no-any-return]


def live_targets(teacher: Teacher) -> LiveTargets:
    model = teacher.model().eval()
    return LiveTargets(model, model.image_projection.out_features)


def raw_inputs(
    steps: InputSteps, model: Classifier, config: Any, seed: int, *, with_map: bool = False
) -> ModelInputs:
    return ModelInputs(
        steps.pixels(model.vision.image_size), steps._tokens(model.text, steps._tokens_key(model.text))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_losses_equal_those_of_a_live_loop(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    changed, entries = KINDS[kind]
    config = tiny_config(**changed, training__batch_size=24)
    kept = run(config, tmp_path / "stored", store=Store(tmp_path / "cache_a"))
    judging = {"regression"}  # on a frozen teacher's features; no run is made from it
    assert kept.cache["misses"].keys() - judging == {"images", "tokens", "teacher", "targets"} | entries
    suffix_only = Classifier.forward

    def whole(model: Classifier, image: Tensor, text: Tensor, mask: Tensor, **options: Any) -> ModelOutput:
        return suffix_only(model, model.vision.prefix(image), model.text.prefix(text, mask), mask, **options)

    monkeypatch.setattr(InputSteps, "for_model", raw_inputs)
    monkeypatch.setattr(Classifier, "forward", whole)
    monkeypatch.setattr(Teacher, "targets", live_targets)
    monkeypatch.setattr(Teacher, "regression", lambda teacher: None)
    live = run(config, tmp_path / "live", store=Store(tmp_path / "cache_b"))
    assert live.cache["misses"].keys() == {"images", "tokens", "teacher"}
    for ours, theirs in zip(read_metrics(tmp_path / "stored"), read_metrics(tmp_path / "live"), strict=True):
        for name in ("train_loss", "cross_entropy", "distillation"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-6), (ours["stage"], ours["epoch"], name)


@pytest.mark.parametrize("how", [1, "all"])
def test_stored_activations_are_those_of_each_example_token_by_token(
    tiny_config: MakeConfig, how: Any
) -> None:
    config = tiny_config(**frozen(how), **SEQUENCES, data__augment="light", data__views=2)
    table = read_table(config.data)
    steps = InputSteps(table, config.data, Store(), Compute(torch.device("cpu"), bf16=False), config.seed)
    model = build_student(config, table.tasks)
    inputs = steps.for_model(model, config.student, student_seed(config))
    raw = raw_inputs(steps, model, config.student, student_seed(config))
    for row in range(len(table)):
        ids = torch.from_numpy(np.array(raw.text[row]))[None]
        live = model.text.prefix(ids, torch.ones_like(ids, dtype=torch.bool))[0]
        np.testing.assert_allclose(inputs.text[row], live.numpy(), atol=1e-5)
        for view in range(2):
            pixels = torch.from_numpy(np.array(raw.image[view, row]))[None]
            live = model.vision.prefix(pixels)[0]
            np.testing.assert_allclose(inputs.image[view, row], live.numpy(), atol=1e-5)

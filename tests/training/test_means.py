"""A pooled fusion on frozen encoders reads stored means and answers as if it read every token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from distune.config import Config
from distune.data import read_table
from distune.data.batches import ModelInputs, eval_batches, train_batches
from distune.store import Store
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps
from distune.training.student import build_student, student_seed

pytestmark = pytest.mark.slow

FROZEN = {"student__vision__freeze": "all", "student__text__freeze": "all"}


def prepared(
    config: Config, *, bf16: bool = False, with_map: bool = False
) -> tuple[Any, InputSteps, ModelInputs]:
    compute = Compute(torch.device("cpu"), bf16=bf16)
    table = read_table(config.data)
    steps = InputSteps(table, config.data, Store(), compute, config.seed)
    model = build_student(config, table.tasks).eval()
    return model, steps, steps.for_model(model, config.student, student_seed(config), with_map=with_map)


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize(
    "fusion",
    [{"student__fusion": "gated"}, {"student__fusion": "concat_mlp", "student__fusion_tokens": "sequence"}],
    ids=["pooled", "never reads single tokens"],
)
def test_answers_equal_those_on_raw_inputs(
    tiny_config: Callable[..., Config], fusion: dict[str, Any], bf16: bool
) -> None:
    config = tiny_config(**FROZEN, **fusion)
    model, steps, inputs = prepared(config, bf16=bf16)
    assert inputs.image.shape == (1, len(steps.table), model.vision.width)
    assert inputs.text_mean is not None and inputs.text_mean.shape == (len(steps.table), model.text.width)
    (batch,) = eval_batches(inputs, np.arange(12), batch_size=12, device=steps.compute.device)
    order = batch.rows.numpy()
    pixels = torch.from_numpy(np.array(steps.pixels(model.vision.image_size)[0, order]))
    ids, mask = (torch.from_numpy(array) for array in inputs.text.padded(order))
    with torch.no_grad(), steps.compute.autocast():
        kept = model(batch.image, batch.text, batch.text_mask, with_map=False)
        live = model(model.vision.prefix(pixels), model.text.prefix(ids, mask), mask, with_map=False)
    near = {"atol": 3e-2, "rtol": 3e-2} if bf16 else {"atol": 1e-6, "rtol": 1e-5}
    for ours, theirs in zip(
        (*kept.logits, kept.image_feature, kept.text_feature),
        (*live.logits, live.image_feature, live.text_feature),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, **near)


def test_batches_are_those_of_whole_sequences(tiny_config: Callable[..., Config]) -> None:
    _, steps, means = prepared(tiny_config(**FROZEN))
    _, _, tokens = prepared(
        tiny_config(**FROZEN, student__fusion="transformer_concat", student__fusion_tokens="sequence")
    )
    assert tokens.text_mean is None
    labels = np.zeros((len(steps.table), 0), np.int64)
    for one, other in zip(
        *(
            train_batches(
                inputs,
                labels,
                steps.table.rows("train"),
                batch_size=8,
                seed=1,
                epoch=1,
                device=steps.compute.device,
            )
            for inputs in (means, tokens)
        ),
        strict=True,
    ):
        assert one.rows.tolist() == other.rows.tolist()


@pytest.mark.parametrize(
    "values",
    [
        {"student__vision__freeze": 1, "student__text__freeze": "all"},
        {**FROZEN, "student__fusion": "transformer_concat", "student__fusion_tokens": "sequence"},
    ],
    ids=["trained layers", "a fusion of sequences"],
)
def test_what_reads_tokens_keeps_the_images_tokens(
    tiny_config: Callable[..., Config], values: dict[str, Any]
) -> None:
    _, _, inputs = prepared(tiny_config(**values))
    assert inputs.image.ndim > 3


def test_a_loss_on_maps_keeps_the_images_tokens(tiny_config: Callable[..., Config]) -> None:
    model, steps, inputs = prepared(tiny_config(**FROZEN), with_map=True)
    assert inputs.image.ndim == 4 and inputs.text_mean is not None
    (batch,) = eval_batches(inputs, np.arange(4), batch_size=4, device=steps.compute.device)
    assert model(batch.image, batch.text, batch.text_mask).image_map.shape == (4, inputs.image.shape[2])

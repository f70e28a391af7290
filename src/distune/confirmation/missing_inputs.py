"""Inputs with something missing: what a model answers without the image, without the text, with a foreign text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.data.batches import ModelInputs
from distune.data.ragged import Ragged
from distune.data.table import Table
from distune.models.classifier import Classifier
from distune.models.encoders.base import TextEncoder, VisionEncoder
from distune.models.fusion import masked_mean
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps


@dataclass
class Conditions:
    """Makes inputs under the conditions of `distune.confirmation.statistics.files.CONDITIONS`.

    - `without_image`: every image is a flat one in the mean colour of the train images, which tells nothing of a case
      and, unlike black, is no image that a model was never shown the like of.
    - `without_text`: every text is the empty one, so only the tokenizer's special tokens are left.
    - `other_text`: every case has the texts of one other case of its split; the same ones for all models.

    Frozen layers see the changed image or text too. A model that learnt what to do without an image or a text
    (`data.missing: allow`) is asked without it.

    Args:
        table: all examples.
        seed: decides whose texts a case gets.
    """

    table: Table
    seed: int
    _colours: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def make(
        self,
        condition: str,
        rows: NDArray[np.int64],
        model: Classifier,
        steps: InputSteps,
        inputs: ModelInputs,
    ) -> ModelInputs | None:
        """Inputs for the rows of one split; other rows have no text in them.

        Args:
            condition: its name.
            rows: of one split.
            model: on the device.
            steps: that made the inputs.
            inputs: the model's full ones.

        Returns:
            None where the model does not read what is changed, or the split has a single case, which has no other to
            swap texts with.
        """
        if condition == "without_image":
            if model.vision is None or inputs.image is None:
                return None
            if model.can_miss:  # what it learnt for an image that is not there
                return replace(inputs, absent=(np.ones(len(self.table), bool), inputs.absent[1]))
            is_mean = inputs.image.ndim == 3
            return replace(inputs, image=self._flat_image(model, model.vision, steps, is_mean=is_mean))
        if model.text is None or inputs.text is None:
            return None
        if condition == "without_text" and model.can_miss:
            return replace(inputs, absent=(inputs.absent[0], np.ones(len(self.table), bool)))
        if condition == "without_text":
            return self._with_empty_text(model, model.text, steps, inputs, rows)
        donors = swapped([self.table.groups[row] for row in rows], self.seed)
        if donors is None:
            return None
        texts = [inputs.text[int(row)] for row in rows[donors]]
        means = None
        if inputs.text_mean is not None:
            means = np.array(inputs.text_mean)
            means[rows] = means[rows[donors]]
        absent, gone = inputs.absent, inputs.absent[1]
        if gone is not None:
            gone = gone.copy()
            gone[rows] = gone[rows[donors]]
            absent = (absent[0], gone)
        return ModelInputs(inputs.image, _at_rows(texts, rows, len(self.table)), means, absent)

    def _flat_image(
        self, model: Classifier, vision: VisionEncoder, steps: InputSteps, *, is_mean: bool
    ) -> NDArray[Any]:
        size = vision.image_size
        if size not in self._colours:
            self._colours[size] = _mean_colour(steps.pixels(size)[0], self.table.rows("train"))
        pixels = np.broadcast_to(self._colours[size][None, :, None, None], (1, 3, size, size))
        with torch.no_grad(), steps.compute.autocast():
            image = vision.prefix(torch.from_numpy(np.array(pixels)).to(steps.compute.device))
            if is_mean:
                kept = torch.from_numpy(_as_stored(image, steps.compute)).to(image.device)
                mean = model.image_tokens(kept).mean(1).float().cpu().numpy()
                return np.broadcast_to(mean, (1, len(self.table), mean.shape[1]))
        found = _as_stored(image, steps.compute)
        return np.broadcast_to(found, (1, len(self.table), *found.shape[1:]))

    def _with_empty_text(
        self,
        model: Classifier,
        text: TextEncoder,
        steps: InputSteps,
        inputs: ModelInputs,
        rows: NDArray[np.int64],
    ) -> ModelInputs:
        count = len(self.table)
        ids = text.tokenizer.encode([""], min(steps.data.max_tokens, text.max_tokens))
        empty, mean = np.asarray(ids[0], np.int64), None
        if text.frozen_layers:
            tokens = torch.tensor(ids, device=steps.compute.device)
            mask = torch.ones_like(tokens, dtype=torch.bool)
            with torch.no_grad(), steps.compute.autocast():
                hidden = _as_stored(text.prefix(tokens, mask), steps.compute)
                if inputs.text_mean is None:
                    empty = hidden[0]
                else:
                    kept = torch.from_numpy(hidden).to(mask.device)
                    mean = masked_mean(model.text_tokens(kept, mask), mask).float().cpu().numpy()
                    mean = np.broadcast_to(mean, (count, mean.shape[1]))
        return ModelInputs(inputs.image, _at_rows([empty] * len(rows), rows, count), mean)


def swapped(groups: Sequence[str], seed: int) -> NDArray[np.int64] | None:
    """For each example the position of one from another case, by a fixed random cycle over the cases.

    Args:
        groups: case of each example.
        seed: decides the cycle.

    Returns:
        Positions (N,); the examples of a case take those of the next case of the cycle in turn. None where there is
        only one case.
    """
    names = np.unique(np.asarray(groups))
    if len(names) < 2:
        return None
    members = {name: np.flatnonzero(np.asarray(groups) == name) for name in names}
    cycle = np.random.default_rng(seed).permutation(names)
    donors = np.empty(len(groups), np.int64)
    for name, donor in zip(cycle, np.roll(cycle, -1), strict=True):
        donors[members[name]] = np.resize(members[donor], len(members[name]))
    return donors


def _as_stored(values: torch.Tensor, compute: Compute) -> NDArray[Any]:
    """Pixels as they are; activations with the precision that the store keeps those of frozen layers in."""
    if values.is_floating_point():
        values = (values.bfloat16() if compute.bf16 else values).float()
    return np.asarray(values.cpu().numpy())


def _mean_colour(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Mean of each channel over the rows (rows, 3, S, S), rounded."""
    total = np.zeros(3)
    for row in rows:  # one at a time: the pixels of a data set need not fit into memory
        total += pixels[row].mean(axis=(1, 2))
    return np.rint(total / len(rows)).astype(np.uint8)


def _at_rows(sequences: Sequence[NDArray[Any]], rows: NDArray[np.int64], count: int) -> Ragged:
    """Sequences for some rows (in ascending order) of a table; the other rows are empty."""
    lengths = np.zeros(count, np.int64)
    lengths[rows] = [len(sequence) for sequence in sequences]
    return Ragged(np.concatenate(sequences), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

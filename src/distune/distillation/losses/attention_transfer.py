"""`attention_transfer`: where in the image the activity is."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from distune.distillation.base import DistillationLoss
from distune.distillation.loss_parts import mean_or_zero, there, unit
from distune.models.outputs import ModelOutput


class AttentionTransferLoss(DistillationLoss):
    """Matches the map of activity over the image.

    Formula:
        beta / 100 * SCALE * mean_batch | unit(A_s) - unit(A_t) |^2

    A is the mean square over channels of each image token (`image_map`), a vector a image. Where the two models have a
    different number of tokens, the finer map is averaged over the area of the coarser one's cells: as a square grid,
    leading class tokens left out, if both are one, otherwise along the line.

    Shapes: maps (B, student tokens) and (B, teacher tokens). Weights: beta; SCALE = 100. Zero where the maps are
    proportional; always zero with a single token, so it needs `fusion_tokens: sequence`. T has no effect.

    Source: Zagoruyko, Komodakis, "Paying More Attention to Attention", ICLR 2017.
    """

    SCALE: ClassVar[float] = 100.0
    ignores: ClassVar[frozenset[str]] = frozenset({"T"})
    uses_map: ClassVar[bool] = True

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted squared distance between the maps."""
        ours, theirs = student.image_map, teacher.image_map
        if ours is None or theirs is None or not ours.shape[1] or not theirs.shape[1]:
            raise ValueError("attention_transfer needs the models' image_map; compute them with it")
        if (rows := there(student, teacher, 0)) is not None:
            ours, theirs = ours[rows], theirs[rows]
        ours, theirs = same_cells(ours, theirs)
        distances = (unit(ours) - unit(theirs)).square().sum(dim=1)
        return self.weight * self.SCALE * mean_or_zero(distances)


def same_cells(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Brings two maps to the same cells.

    Args:
        first: (B, S1), tokens in reading order, class tokens in front.
        second: (B, S2).

    Returns:
        Two maps of equal shape (B, S); unchanged where S1 == S2.
    """
    if first.shape[1] == second.shape[1]:
        return first, second
    side, other_side = grid_side(first.shape[1]), grid_side(second.shape[1])
    if side is None or other_side is None:
        target = min(first.shape[1], second.shape[1])
        return first @ _averaging(first, target), second @ _averaging(second, target)
    target = min(side, other_side)
    return _coarser(first, side, target), _coarser(second, other_side, target)


def grid_side(tokens: int) -> int | None:
    """Side of the square grid among the tokens, after none, one or two class tokens; None if there is none."""
    for leading in range(3):
        cells = tokens - leading
        if cells > 0 and math.isqrt(cells) ** 2 == cells:
            return math.isqrt(cells)
    return None


def area_weights(fine: int, coarse: int, device: torch.device | None = None) -> Tensor:
    """Share of each of `fine` equal intervals in each of `coarse` ones, (fine, coarse); columns add up to 1."""
    dtype = torch.float64 if device is None or device.type == "cpu" else torch.float32  # mps has no float64
    edges = torch.arange(fine + 1, dtype=dtype, device=device) * coarse / fine
    start, end = edges[:-1, None], edges[1:, None]
    left = torch.arange(coarse, dtype=dtype, device=device)
    overlap = torch.minimum(end, left + 1) - torch.maximum(start, left)
    return overlap.clamp_min(0).float()


def _averaging(values: Tensor, target: int) -> Tensor:
    return area_weights(values.shape[1], target, values.device)


def _coarser(values: Tensor, side: int, target: int) -> Tensor:
    """(B, tokens) with a grid of side x side at its end -> (B, target * target)."""
    grid = values[:, -side * side :].reshape(-1, side, side)
    weights = area_weights(side, target, values.device)
    return torch.einsum("bij,ik,jl->bkl", grid, weights, weights).flatten(1)

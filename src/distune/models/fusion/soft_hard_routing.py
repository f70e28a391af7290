"""A router that commits where it is sure and mixes where it is not (after Shazeer et al., 2017, for three routes)."""

from __future__ import annotations

import torch
from torch import Tensor

from distune.models.fusion.base import FusionOutput
from distune.models.fusion.routes import RoutedFusion, mix, one_route, straight_through

SURE = 0.6


class SoftHardRouting(RoutedFusion):
    """Image only, text only and full cross attention, weighed by p = softmax(router).

    Where max(p) > 0.6 the best route alone answers, straight-through to p; elsewhere the answers are mixed by p. The
    same in training and at evaluation. The cost of an example is the share of all weights that it needs.
    """

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`."""
        answers, logits = self.routes(image, text, text_mask)
        shares = logits.softmax(-1)
        chosen = one_route(shares)
        is_sure = shares.amax(-1, keepdim=True) > SURE
        weights = torch.where(is_sure, straight_through(chosen, shares), shares)
        costs = self.routes.weights / self.routes.weights.sum()
        cost = torch.where(is_sure.squeeze(-1), (chosen * costs).sum(-1), 1.0)
        return FusionOutput(mix(answers, weights), cost=cost)

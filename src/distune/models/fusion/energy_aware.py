"""A router picks the cheapest route that will do, for each example (after Xue and Marculescu, 2023: DynMM)."""

from __future__ import annotations

import torch
from torch import Tensor

from distune.models.fusion.base import FusionOutput
from distune.models.fusion.routes import RoutedFusion, mix, one_route, straight_through

PENALTY = 0.1


class EnergyAware(RoutedFusion):
    """Image only, text only, or full cross attention: one route an example.

    In training the route is drawn: one-hot(argmax(logits + Gumbel noise)), straight-through to the softmax (Jang et
    al., 2017); at evaluation it is the argmax. The penalty is 0.1 * mean(expected cost), where a route's cost is its
    number of weights over that of the full route.
    """

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        """See `Fusion`; `cost` is the expected one in training and the spent one at evaluation."""
        answers, logits = self.routes(image, text, text_mask)
        costs = self.routes.weights / self.routes.weights[-1]
        expected = (logits.softmax(-1) * costs).sum(-1)
        if not self.training:
            chosen = one_route(logits)
            return FusionOutput(mix(answers, chosen), PENALTY * expected.mean(), (chosen * costs).sum(-1))
        # Gumbel noise, minus the log of an exponential draw: the argmax of logits + noise is a draw of the softmax.
        noise = -torch.empty_like(logits).exponential_().log()
        drawn = (logits + noise).softmax(-1)
        weights = straight_through(one_route(drawn), drawn)
        return FusionOutput(mix(answers, weights), PENALTY * expected.mean(), expected)

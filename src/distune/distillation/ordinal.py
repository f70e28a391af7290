"""The hard-label loss of classes that have an order: the further off, the dearer."""

from __future__ import annotations

import torch
from torch import Tensor


def ordinal_loss(logits: Tensor, truth: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Mean over the thresholds of the cross entropy of "the class is above this one".

    Formula, for C classes from the lowest to the highest:
        L = 1 / (C - 1) * sum_{k < C - 1} - t_k log P(Y > k) - (1 - t_k) log P(Y <= k),  t_k = 1 if y > k else 0
        P(Y > k) = sum_{j > k} softmax(z)_j

    All thresholds share one distribution, so they never contradict each other. It is a proper score: its expectation is
    least at the true distribution. With two classes it is the cross entropy. Smoothed, t_k moves by the share e of the
    smoothing towards (C - 1 - k) / C, where it would be for uniform classes.

    Args:
        logits: (B, C).
        truth: class indices, int64 (B,).
        label_smoothing: e, between 0 and 1.

    Returns:
        The loss of each example, (B,), in nats.

    Source: Rennie, Srebro, "Loss Functions for Preference Levels", 2005 (all thresholds); Epstein, "A Scoring System
    for Probability Forecasts of Ranked Categories", 1969 (cumulative scores).
    """
    classes = logits.shape[1]
    shares = logits.log_softmax(1)
    below = shares.logcumsumexp(1)[:, :-1]
    above = shares.flip(1).logcumsumexp(1).flip(1)[:, 1:]
    thresholds = torch.arange(classes - 1, device=logits.device)
    is_above = (truth[:, None] > thresholds).to(logits.dtype)
    if label_smoothing:
        uniform = (classes - 1 - thresholds).to(logits.dtype) / classes
        is_above = (1 - label_smoothing) * is_above + label_smoothing * uniform
    return -(is_above * above + (1 - is_above) * below).mean(1)

"""What every fusion promises, as tests."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distune.models.fusion.base import Fusion

DIM = 16
"""Width of the tokens in these tests."""


def fusion_batch(
    size: int = 3, image_tokens: int = 4, text_tokens: int = 5, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens of images (B, S, D) and of texts (B, L, D), and the mask of the texts' real tokens (B, L)."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(size, image_tokens, DIM, generator=generator)
    text = torch.randn(size, text_tokens, DIM, generator=generator)
    mask = torch.arange(text_tokens) < (torch.arange(size) % text_tokens + 1)[:, None]
    return image, text * mask.unsqueeze(-1), mask


class FusionContract:
    """Tests of one fusion: subclass it as `Test...` and set `fusion`."""

    fusion: ClassVar[type[Fusion]]

    def build(self, layers: int = 1, heads: int = 4, dropout: float = 0.0) -> Fusion:
        """The fusion; equal arguments give equal weights."""
        torch.manual_seed(0)
        return self.fusion(DIM, layers, heads, dropout)

    def test_one_vector_an_example(self) -> None:
        """Whatever the number of tokens, also of one pooled token a modality."""
        for tokens in ((4, 5), (1, 1), (4, 1), (1, 5)):
            fused = self.build()(*fusion_batch(3, *tokens)).fused
            assert fused.shape == (3, DIM) and fused.isfinite().all()

    def test_padding_changes_nothing(self) -> None:
        """What stands behind the real tokens of a text is no text."""
        fusion = self.build(layers=2).eval()
        image, text, mask = fusion_batch()
        changed = torch.where(mask.unsqueeze(-1), text, torch.tensor(1e3))
        longer = torch.cat([changed, torch.full((3, 2, DIM), -50.0)], dim=1)
        longer_mask = torch.cat([mask, torch.zeros(3, 2, dtype=torch.bool)], dim=1)
        _close(fusion(image, longer, longer_mask).fused, fusion(image, text, mask).fused)

    def test_batched_equals_single(self) -> None:
        """An example's answer does not depend on its neighbours."""
        fusion = self.build(layers=2).eval()
        image, text, mask = fusion_batch()
        together = fusion(image, text, mask).fused
        for row, length in enumerate(mask.sum(1).tolist()):
            one = slice(row, row + 1)
            _close(fusion(image[one], text[one, :length], mask[one, :length]).fused[0], together[row])

    def test_every_weight_gets_a_gradient(self) -> None:
        """A weight without one is dead, or the fusion ignores one of the modalities."""
        fusion = self.build(layers=2, dropout=0.5)
        output = fusion(*fusion_batch(64))
        loss = output.fused.square().mean() + (output.penalty if output.penalty is not None else 0.0)
        loss.backward()
        missing = [
            name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
        ]
        assert missing == []

    def test_declares_whether_layers_matter(self) -> None:
        """`ignores` keeps a study from searching what changes nothing."""
        sizes = [sum(p.numel() for p in self.build(layers=layers).parameters()) for layers in (1, 3)]
        assert (sizes[0] == sizes[1]) == ("fusion_layers" in self.fusion.ignores)

    def test_dropout_acts_in_training_only(self) -> None:
        """The same answer twice in evaluation."""
        fusion = self.build(dropout=0.5).eval()
        assert torch.equal(fusion(*fusion_batch()).fused, fusion(*fusion_batch()).fused)


def _close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)

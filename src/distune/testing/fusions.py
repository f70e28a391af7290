"""What every fusion promises, as tests."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distune.models.fusion.base import Fusion, FusionOutput, masked_mean

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
        """Whatever the number of tokens, also of one pooled token a modality, and of a batch of one example."""
        for size, *tokens in ((3, 4, 5), (3, 1, 1), (3, 4, 1), (3, 1, 5), (1, 4, 5)):
            output = self.build()(*fusion_batch(size, *tokens))
            assert isinstance(output, FusionOutput), f"forward returns a {type(output).__name__}"
            assert output.fused.shape == (size, DIM) and output.fused.isfinite().all()
            assert output.penalty is None or output.penalty.shape == (), "the penalty is one number"
            assert output.cost is None or output.cost.shape == (size,), "the cost has one number an example"

    def test_image_and_text_both_matter(self) -> None:
        """A fusion that leaves one of them out is none."""
        image, text, mask = fusion_batch(64)
        self.build()(image.requires_grad_(), text.requires_grad_(), mask).fused.square().sum().backward()
        for name, tokens in (("image", image), ("text", text)):
            assert tokens.grad is not None and tokens.grad.abs().sum() > 0, f"the {name} changes nothing"

    def test_leaves_what_it_is_given_as_it_was(self) -> None:
        """The losses read the same tokens after it."""
        given = fusion_batch()
        self.build()(*given)
        assert all(map(torch.equal, given, fusion_batch())), "forward changes a tensor that it was given"

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
        """A weight without one is dead."""
        fusion = self.build(layers=2, dropout=0.5)
        output = fusion(*fusion_batch(64))
        loss = output.fused.square().mean() + (output.penalty if output.penalty is not None else 0.0)
        loss.backward()
        missing = [
            name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
        ]
        assert missing == []

    def test_declares_what_has_no_effect(self) -> None:
        """`ignores` keeps a study from searching what changes nothing, and from leaving out what does."""
        sizes = [sum(p.numel() for p in self.build(layers=layers).parameters()) for layers in (1, 3)]
        inputs = fusion_batch(64)
        image, text, mask = inputs
        pooled = image.mean(1, keepdim=True), masked_mean(text, mask).unsqueeze(1), mask[:, :1]
        answer = _answer(self.build(), *inputs)
        changes_nothing = {
            "fusion_layers": sizes[0] == sizes[1],
            "fusion_heads": _alike(_answer(self.build(heads=1), *inputs), answer),
            "fusion_tokens": _alike(_answer(self.build(), *pooled), answer),
        }
        found = {name for name, has_none in changes_nothing.items() if has_none}
        assert found == self.fusion.ignores, f"{found} change nothing; ignores = {set(self.fusion.ignores)}"

    def test_dropout_acts_in_training_only(self) -> None:
        """The same answer twice in evaluation, whatever its rate; another one with it in training."""
        inputs = fusion_batch(64)
        still, dropping = self.build(), self.build(dropout=0.5)
        expected = _answer(still, *inputs)
        assert _alike(_answer(dropping, *inputs), expected), "dropout acts in evaluation"
        assert torch.equal(_answer(dropping, *inputs), _answer(dropping, *inputs)), "evaluation is random"
        assert not _alike(_answer(dropping, *inputs, training=True), expected), "dropout changes nothing"


def _answer(fusion: Fusion, *inputs: Tensor, training: bool = False) -> Tensor:
    with torch.no_grad():
        output: FusionOutput = fusion.train(training)(*inputs)
    return output.fused


def _alike(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-5, atol=1e-6)


def _close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)

"""The contract of every fusion, then what is particular to some."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distune.models.fusion import FUSIONS, Fusion, FusionOutput, masked_mean
from distune.models.fusion.energy_aware import PENALTY, EnergyAware
from distune.models.fusion.modality_dropout import ModalityDropout
from distune.models.fusion.soft_hard_routing import SURE, SoftHardRouting

DIM = 16


def build(name: str, *, layers: int = 1, heads: int = 2, dropout: float = 0.0) -> Fusion:
    torch.manual_seed(3)
    return FUSIONS[name](DIM, layers, heads, dropout)


def batch(size: int = 3, image_tokens: int = 4, text_tokens: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(size, image_tokens, DIM, generator=generator)
    text = torch.randn(size, text_tokens, DIM, generator=generator)
    lengths = torch.arange(size) % text_tokens + 1
    mask = torch.arange(text_tokens) < lengths[:, None]
    return image, text * mask.unsqueeze(-1), mask


def pooled(image: Tensor, text: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return image.mean(1, keepdim=True), masked_mean(text, mask).unsqueeze(1), mask[:, :1]


def test_masked_mean_counts_real_tokens_only() -> None:
    tokens = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [100.0], [100.0]]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert masked_mean(tokens, mask).tolist() == [[2.0], [7.0]]


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.slow
class TestContract:
    def test_both_modalities_matter(self, name: str) -> None:
        fusion = build(name)
        # A router would otherwise be free to look at one side only.
        fusion.train(name != "energy_aware")
        image, text, mask = (
            part.requires_grad_() if part.is_floating_point() else part for part in batch(16)
        )
        fusion(image, text, mask).fused.square().sum().backward()
        assert image.grad is not None and image.grad.abs().sum() > 0
        assert text.grad is not None and text.grad.abs().sum() > 0
        assert text.grad[~mask].abs().sum() == 0

    @pytest.mark.parametrize("shape", [(4, 5), (1, 1)])
    def test_every_weight_gets_a_gradient(self, name: str, shape: tuple[int, int]) -> None:
        fusion = build(name, layers=2, dropout=0.5)
        torch.manual_seed(0)
        output = fusion(*batch(64, *shape))
        target = torch.randn(64, DIM)
        loss = (output.fused - target).square().mean() + (output.penalty if output.penalty is not None else 0)
        loss.backward()
        missing = [
            key for key, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
        ]
        assert missing == []

    def test_layers_matter_unless_ignored(self, name: str) -> None:
        shallow, deep = build(name, layers=1), build(name, layers=3)
        count = [sum(p.numel() for p in fusion.parameters()) for fusion in (shallow, deep)]
        same = torch.equal(shallow.eval()(*batch()).fused, deep.eval()(*batch()).fused)
        assert (count[0] == count[1]) == same == ("fusion_layers" in FUSIONS[name].ignores)

    @pytest.mark.parametrize("shape", [(4, 5), (1, 1)])
    def test_heads_matter_unless_ignored(self, name: str, shape: tuple[int, int]) -> None:
        few, many = build(name, heads=1), build(name, heads=4)
        inputs = batch(8, *shape)
        few, many = few.eval(), many.eval()
        if name in ("energy_aware", "soft_hard_routing"):
            force_route(few, 2)
            force_route(many, 2)
        assert torch.equal(few(*inputs).fused, many(*inputs).fused) == (
            "fusion_heads" in FUSIONS[name].ignores
        )

    def test_token_sequences_matter_unless_ignored(self, name: str) -> None:
        fusion = build(name).eval()
        inputs = batch(8)
        if name in ("energy_aware", "soft_hard_routing"):
            force_route(fusion, 2)
        same = torch.allclose(fusion(*inputs).fused, fusion(*pooled(*inputs)).fused, atol=1e-6)
        assert same == ("fusion_tokens" in FUSIONS[name].ignores)

    def test_dropout_matters_in_training_only(self, name: str) -> None:
        inputs = batch(16)

        def answer(dropout: float, training: bool) -> Tensor:
            fusion = build(name, dropout=dropout).train(training)
            if name == "energy_aware":
                force_route(fusion, 2)
            torch.manual_seed(1)
            return fusion(*inputs).fused

        assert torch.equal(answer(0.0, False), answer(0.5, False))
        torch.testing.assert_close(answer(0.0, True), answer(0.0, False))
        assert not torch.allclose(answer(0.5, True), answer(0.0, True), atol=1e-3)

    def test_bf16_autocast_is_close(self, name: str) -> None:
        fusion = build(name, layers=2).eval()
        image, text, mask = batch()
        with torch.autocast("cpu", torch.bfloat16):
            half = fusion(image, text, mask).fused
            low = fusion(image.bfloat16(), text.bfloat16(), mask).fused
        exact = fusion(image, text, mask).fused
        torch.testing.assert_close(half.float(), exact, atol=0.1, rtol=0.1)
        torch.testing.assert_close(low.float(), exact, atol=0.1, rtol=0.1)

    def test_evaluation_is_deterministic(self, name: str) -> None:
        fusion = build(name, dropout=0.3).eval()
        torch.manual_seed(1)
        first = fusion(*batch()).fused
        torch.manual_seed(2)
        assert torch.equal(first, fusion(*batch()).fused)

    def test_traces_without_data_dependent_control_flow(self, name: str) -> None:
        fusion = build(name, layers=2).eval()

        class Fused(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fusion = fusion

            def forward(self, image: Tensor, text: Tensor, mask: Tensor) -> Tensor:
                output: FusionOutput = self.fusion(image, text, mask)
                return output.fused

        program = torch.export.export(Fused(), batch(3), strict=False)
        torch.testing.assert_close(program.module()(*batch(3)), fusion(*batch(3)).fused)


def force_route(fusion: Fusion, route: int, strength: float = 50.0) -> None:
    assert isinstance(fusion, (EnergyAware, SoftHardRouting))
    last = fusion.routes.router[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
        last.bias[route] = strength


def test_simple_is_the_normalised_sum_of_the_means() -> None:
    image, text, mask = batch()
    total = image.mean(1) + masked_mean(text, mask)
    expected = (total - total.mean(-1, keepdim=True)) / (
        total.var(-1, keepdim=True, unbiased=False) + 1e-5
    ).sqrt()
    torch.testing.assert_close(build("simple")(image, text, mask).fused, expected)


def test_modality_dropout_takes_one_side_at_the_stated_rate_and_never_both() -> None:
    torch.manual_seed(0)
    fusion = ModalityDropout(2, 1, 1, 0.4)
    fusion.network = torch.nn.Identity()  # type: ignore[assignment]
    count = 20_000
    ones = torch.ones(count, 1, 2)
    fused = fusion(ones, ones, torch.ones(count, 1, dtype=torch.bool)).fused
    lost_image, lost_text = fused[:, 0] == 0, fused[:, 2] == 0
    assert not (lost_image & lost_text).any()
    assert lost_image.float().mean().item() == pytest.approx(0.2, abs=0.015)
    assert lost_text.float().mean().item() == pytest.approx(0.2, abs=0.015)
    assert (fusion.eval()(ones, ones, torch.ones(count, 1, dtype=torch.bool)).fused == 1).all()


@pytest.mark.parametrize("name", ["energy_aware", "soft_hard_routing"])
@pytest.mark.parametrize("route", [0, 1, 2])
def test_a_certain_router_uses_one_route_and_reports_its_cost(name: str, route: int) -> None:
    fusion = build(name).eval()
    force_route(fusion, route)
    image, text, mask = batch()
    output = fusion(image, text, mask)
    routes = fusion.routes
    expected = [
        routes.image(image.mean(1)),
        routes.text(masked_mean(text, mask)),
        routes.full(image, text, mask).fused,
    ][route]
    torch.testing.assert_close(output.fused, expected)
    counts = [sum(p.numel() for p in part.parameters()) for part in (routes.image, routes.text, routes.full)]
    whole = counts[2] if name == "energy_aware" else sum(counts)
    assert output.cost is not None
    assert output.cost.tolist() == pytest.approx([counts[route] / whole] * 3)
    assert "routes.weights" not in fusion.state_dict(), "what follows from shapes is not saved"


def test_the_penalty_pushes_the_router_to_cheap_routes() -> None:
    fusion = build("energy_aware")
    output = fusion(*batch(16))
    assert output.penalty is not None and output.cost is not None
    assert output.penalty.item() == pytest.approx(PENALTY * output.cost.mean().item())
    output.penalty.backward()
    gradient = fusion.routes.router[-1].bias.grad
    assert gradient[2] > 0 > max(gradient[0], gradient[1])


def test_routes_are_drawn_in_training_in_proportion_to_the_router() -> None:
    torch.manual_seed(0)
    fusion = build("energy_aware")
    force_route(fusion, 1, strength=1.0)
    image, text, mask = (part[:1].expand(6000, *part.shape[1:]) for part in batch())
    fused = fusion(image, text, mask).fused
    answers, logits = fusion.routes(image[:1], text[:1], mask[:1])
    nearest = (fused[:, None] - answers).abs().sum(-1).argmin(-1)
    shares = torch.bincount(nearest, minlength=3) / 6000
    torch.testing.assert_close(shares, logits.softmax(-1)[0].detach(), atol=0.02, rtol=0)


def test_an_unsure_router_mixes() -> None:
    fusion = build("soft_hard_routing").eval()
    force_route(fusion, 0, strength=0.5)
    output = fusion(*batch())
    answers, logits = fusion.routes(*batch())
    shares = logits.softmax(-1)
    assert shares.max() < SURE
    torch.testing.assert_close(output.fused, torch.einsum("brd,br->bd", answers, shares))
    assert output.cost is not None and output.cost.tolist() == [1.0] * 3


def test_a_sure_router_still_learns() -> None:
    fusion = build("soft_hard_routing")
    force_route(fusion, 0, strength=2.0)
    fusion(*batch(8)).fused.square().sum().backward()
    assert fusion.routes.router[-1].bias.grad.abs().min() > 0

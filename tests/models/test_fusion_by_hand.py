"""Each fusion against its formula, computed here from its own weights, and what stands around it in a classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from distune.config import StudentConfig
from distune.data.table import Task
from distune.models.answers import as_exclusive, probabilities_of
from distune.models.classifier import Classifier, build_classifier
from distune.models.encoders import build_cache
from distune.models.fusion import FUSIONS, masked_mean
from distune.models.fusion.attention import SelfAttention
from distune.models.fusion.energy_aware import PENALTY
from distune.models.fusion.routes import mix, one_route, straight_through
from distune.models.outputs import ModelOutput

B, S, L, D = 3, 4, 5, 8


@pytest.fixture
def sides() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    mask = torch.arange(L) < torch.tensor([[5], [2], [1]])
    return torch.randn(B, S, D), torch.randn(B, L, D), mask


def made(name: str, *, layers: int = 2, dropout: float = 0.5) -> Any:
    torch.manual_seed(1)
    return FUSIONS[name](D, layers, 2, dropout).eval()


def gated(f: Any, i: Tensor, t: Tensor) -> Tensor:
    gate = torch.sigmoid(f.gate(torch.cat([i, t], dim=1)))
    return gate * torch.tanh(f.image(i)) + (1 - gate) * torch.tanh(f.text(t))


def low_rank(f: Any, i: Tensor, t: Tensor) -> Tensor:
    total = sum(
        (i @ f.image.weight[r * D : r * D + D].T + f.image.bias[r * D : r * D + D])
        * (t @ f.text.weight[r * D : r * D + D].T + f.text.bias[r * D : r * D + D])
        for r in range(2)
    )
    return f.output[0](total)  # type: ignore[no-any-return]


def concat(f: Any, i: Tensor, t: Tensor) -> Tensor:
    values = torch.cat([i, t], dim=1)
    for norm, linear, activation, _ in f.network:
        values = activation(linear(norm(values)))
    return values


POOLED: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "gated": gated,
    "low_rank_bilinear": low_rank,
    "concat_mlp": concat,
    "modality_dropout": concat,
    "simple": lambda f, i, t: f.output[0](i + t),
}


@pytest.mark.parametrize("name", POOLED)
def test_what_joins_two_means(name: str, sides: tuple[Tensor, Tensor, Tensor]) -> None:
    image, text, mask = sides
    fusion = made(name)
    torch.testing.assert_close(
        fusion(*sides).fused, POOLED[name](fusion, image.mean(1), masked_mean(text, mask))
    )
    if name == "concat_mlp":
        widths = [(block[1].in_features, block[1].out_features) for block in fusion.network]
        assert widths == [(2 * D, D), (D, D)]


def test_film_scales_and_shifts_the_image_by_the_text(sides: tuple[Tensor, Tensor, Tensor]) -> None:
    image, text, mask = sides
    fusion = made("film")
    condition = fusion.text_norm(masked_mean(text, mask))
    for layer in fusion.layers:
        scale, shift = layer.modulation(condition)[:, None].split(D, dim=-1)
        image = image + F.gelu((1 + scale) * layer.content(image) + shift)
    joined = torch.cat([fusion.image_norm(image).mean(1), condition], dim=1)
    torch.testing.assert_close(fusion(*sides).fused, fusion.combine(joined))


def test_a_bottleneck_is_the_only_way_between_the_two(sides: tuple[Tensor, Tensor, Tensor]) -> None:
    image, text, mask = sides
    fusion = made("bottleneck")
    fused = []
    for row, length in enumerate(mask.sum(1).tolist()):  # one by one and without padding
        i, t, shared = image[row : row + 1], text[row : row + 1, :length], fusion.shared
        for image_layer, text_layer in zip(fusion.image_layers, fusion.text_layers, strict=True):
            with_image, with_text = (
                image_layer(torch.cat([shared, i], 1)),
                text_layer(torch.cat([shared, t], 1)),
            )
            i, t = with_image[:, 4:], with_text[:, 4:]
            shared = (with_image[:, :4] + with_text[:, :4]) / 2
        fused.append(fusion.combine(torch.cat([i.mean(1), t.mean(1), shared.mean(1)], 1))[0])
    torch.testing.assert_close(fusion(*sides).fused, torch.stack(fused), atol=1e-5, rtol=1e-4)
    assert not {*fusion.image_layers.parameters()} & {*fusion.text_layers.parameters()}, "one for each side"


def attention(projection: Any, query_of: Tensor, others: Tensor, own: Any, nothing: Tensor) -> Tensor:
    """Of (1, S, D) on (1, L, D) and a learned key and value, head by head."""
    query, (_, key, value) = projection(query_of)[0], own(others)
    key, value = torch.cat([nothing[0][None], key], 2), torch.cat([nothing[1][None], value], 2)
    weights = (query @ key.transpose(2, 3) / (D // 2) ** 0.5).softmax(-1)
    return (weights @ value).transpose(1, 2).flatten(2)


def test_each_side_looks_at_the_other_as_it_was(sides: tuple[Tensor, Tensor, Tensor]) -> None:
    image, text, mask = sides
    fusion = made("cross_attention")
    fused = []
    for row, length in enumerate(mask.sum(1).tolist()):
        i, t = image[row : row + 1], text[row : row + 1, :length]
        for layer in fusion.layers:
            to_text = attention(layer.image_projection, i, t, layer.text_projection, layer.nothing[1])
            to_image = attention(layer.text_projection, t, i, layer.image_projection, layer.nothing[0])
            i, t = i + layer.image_output(to_text), t + layer.text_output(to_image)
            i, t = i + layer.image_feed_forward(i), t + layer.text_feed_forward(t)
        joined = torch.cat([fusion.image_norm(i).mean(1), fusion.text_norm(t).mean(1)], 1)
        fused.append(fusion.combine(joined)[0])
    torch.testing.assert_close(fusion(*sides).fused, torch.stack(fused), atol=1e-5, rtol=1e-4)


def test_one_transformer_over_both_knows_which_is_which(sides: tuple[Tensor, Tensor, Tensor]) -> None:
    image, text, mask = sides
    fusion = made("transformer_concat")
    fused = []
    for row, length in enumerate(mask.sum(1).tolist()):
        i = image[row : row + 1] + fusion.modality[0]
        t = text[row : row + 1, :length] + fusion.modality[1]
        tokens = torch.cat([fusion.class_token, i, t], dim=1)
        for layer in fusion.layers:
            tokens = layer(tokens)
        fused.append(fusion.norm(tokens[:, 0])[0])
    torch.testing.assert_close(fusion(*sides).fused, torch.stack(fused), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["energy_aware", "soft_hard_routing"])
def test_routes_are_weighed_by_the_router(name: str, sides: tuple[Tensor, Tensor, Tensor]) -> None:
    """The router is sure of the second example alone."""
    fusion = made(name)
    with torch.no_grad():
        fusion.routes.router[1].weight.mul_(0.01)
        fusion.routes.router[1].bias.copy_(torch.tensor([0.1, 0.0, 0.0]))
    image, text, mask = sides
    answers, logits = fusion.routes(*sides)
    torch.testing.assert_close(answers[:, 0], concat_of(fusion.routes.image, image.mean(1)))
    torch.testing.assert_close(answers[:, 1], concat_of(fusion.routes.text, masked_mean(text, mask)))
    torch.testing.assert_close(answers[:, 2], fusion.routes.full(*sides).fused)
    routes = (fusion.routes.image, fusion.routes.text, fusion.routes.full)
    counts = [sum(p.numel() for p in route.parameters()) for route in routes]
    assert fusion.routes.weights.tolist() == counts
    shares, found = logits.softmax(-1), fusion(*sides)
    best = logits.argmax(-1)
    weights = torch.tensor(counts, dtype=torch.float32)
    if name == "soft_hard_routing":
        assert (shares.amax(-1) < 0.6).all()
        torch.testing.assert_close(found.fused, (answers * shares[..., None]).sum(1))
        assert found.cost.tolist() == [1.0] * B and found.penalty is None
        with torch.no_grad():
            fusion.routes.router[1].bias.copy_(torch.tensor([3.0, 0.0, 0.0]))
        sure = fusion(*sides)
        torch.testing.assert_close(sure.fused, answers[:, 0])
        torch.testing.assert_close(sure.cost, (weights[0] / weights.sum()).expand(B))
        return
    costs = weights / weights[2]
    expected = (shares * costs).sum(-1)
    torch.testing.assert_close(found.fused, answers[torch.arange(B), best])
    torch.testing.assert_close(found.cost, costs[best])
    torch.testing.assert_close(found.penalty, PENALTY * expected.mean())
    drawn = [fusion.train()(*sides) for _ in range(8)]
    assert len({tuple(each.fused[0].tolist()) for each in drawn}) > 1, "routes are drawn in training"
    torch.testing.assert_close(drawn[0].cost, fusion.eval().routes(*sides)[1].softmax(-1) @ costs)
    torch.testing.assert_close(drawn[0].penalty, PENALTY * expected.mean())


def concat_of(network: Any, values: Tensor) -> Tensor:
    for norm, linear, activation, _ in network:
        values = activation(linear(norm(values)))
    return values


@pytest.mark.parametrize("name", [*sorted(POOLED), "film", "bottleneck", "cross_attention", "energy_aware"])
def test_every_fusion_drops_at_the_rate_that_is_asked(name: str) -> None:
    """But the one that drops whole modalities in place of channels."""
    rates = {
        module.p for module in made(name, dropout=0.25).modules() if isinstance(module, torch.nn.Dropout)
    }
    assert rates == {0.0 if name == "modality_dropout" else 0.25}


def test_parts_of_routing() -> None:
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]], requires_grad=True)
    hard = one_route(scores)
    assert hard.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    through = straight_through(hard, scores)
    torch.testing.assert_close(through.detach(), hard)
    answers = torch.arange(6.0).reshape(2, 3, 1)
    mixed = mix(answers, through)
    assert mixed.flatten().tolist() == pytest.approx([1.0, 3.0])
    mixed.sum().backward()
    assert scores.grad is not None and scores.grad.tolist() == answers[..., 0].tolist()


def test_blocks_of_attention_norm_first(sides: tuple[Tensor, Tensor, Tensor]) -> None:
    """Norms are learned ones; heads are cut side by side; every block adds to what it is given."""
    tokens = sides[0]
    torch.manual_seed(0)
    layer = SelfAttention(D, 2, 0.5).eval()
    projection, feed_forward = layer.projection, layer.feed_forward
    normed = F.layer_norm(tokens, (D,), projection.norm.weight, projection.norm.bias)
    joined = normed @ projection.linear.weight.T + projection.linear.bias
    for found, expected in zip(projection(tokens), joined.split(D, dim=-1), strict=True):
        torch.testing.assert_close(found, torch.stack(expected.split(D // 2, dim=-1), dim=1))
    heads = []
    for query, key, value in zip(
        *(part.split(D // 2, dim=-1) for part in joined.split(D, dim=-1)), strict=True
    ):
        heads.append((query @ key.transpose(1, 2) / (D // 2) ** 0.5).softmax(-1) @ value)
    attended = tokens + layer.output[0](torch.cat(heads, dim=-1))
    norm, up, _, down, _ = feed_forward
    assert (up.in_features, up.out_features) == (D, 2 * D)
    inner = F.gelu(up(F.layer_norm(attended, (D,), norm.weight, norm.bias)))
    torch.testing.assert_close(layer(tokens), attended + down(inner), atol=1e-5, rtol=1e-4)
    rates = [module.p for module in layer.modules() if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.5, 0.5]


# Around a fusion


TASKS = (
    Task("t", ("a", "b")),
    Task("s", ("x", "y", "z"), "multi_label"),
    Task("g", ("1", "2", "3"), "ordinal"),
)


def classifier(**values: Any) -> Classifier:
    section = {"vision": "tiny-cnn", "text": "tiny-text", "fusion_dim": 8, "fusion_heads": 2, "dropout": 0.5}
    return build_classifier(StudentConfig(**(section | values)), TASKS, seed=1, image_size=32)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(3)
    mask = torch.arange(4) < torch.tensor([[4], [1]])
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    return pixels, torch.randint(2, 90, (2, 4)) * mask, mask


def test_the_fused_vector_is_dropped_in_training_before_the_heads() -> None:
    model = classifier(fusion="simple")
    assert model.fusion is not None and [head.in_features for head in model.heads] == [8, 8, 8]
    fused: list[Tensor] = []
    model.dropout.register_forward_hook(lambda _, given, out: fused.append(torch.stack([given[0], out])))
    model.eval()(*batch())
    assert torch.equal(*fused[0])
    output = model.train()(*batch())
    given, dropped = fused[1]
    assert not torch.equal(given, dropped) and (dropped == 0).any()
    for head, logits in zip(model.heads, output.logits, strict=True):
        torch.testing.assert_close(logits, head(dropped))


@pytest.mark.parametrize("name", ["energy_aware", "soft_hard_routing", "simple"])
def test_what_a_fusion_says_of_its_cost_is_the_models_answer(name: str) -> None:
    model = classifier(fusion=name).eval()
    said: list[Any] = []
    assert model.fusion is not None
    model.fusion.register_forward_hook(lambda _, __, out: said.append(out))
    output = model(*batch())
    assert output.penalty is said[0].penalty and output.cost is said[0].cost
    assert (output.penalty is not None) is (name == "energy_aware")
    assert (output.cost is not None) is (name != "simple")


def test_a_fusion_has_the_shape_and_the_dropout_of_the_config() -> None:
    model = classifier(fusion="cross_attention", fusion_layers=3)
    rates = {module.p for module in model.fusion.modules() if isinstance(module, torch.nn.Dropout)}  # type: ignore[union-attr]
    assert rates == {0.5} and len(model.fusion.layers) == 3  # type: ignore[union-attr,arg-type]
    assert model.fusion.layers[0].image_projection.heads == 2  # type: ignore[union-attr,index]
    whole = made("modality_dropout")
    assert {module.p for module in whole.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}
    assert whole.probability == 0.5


def test_the_vectors_of_what_is_absent_draw_no_random_number() -> None:
    config = StudentConfig(vision="tiny-cnn", text="tiny-text", fusion_dim=8, fusion_heads=2)
    able, plain, other = (
        build_classifier(config, TASKS, seed=seed, image_size=32, can_miss=can_miss)
        for seed, can_miss in ((1, True), (1, False), (2, False))
    )
    assert {name: value.tolist() for name, value in able.absent.items()} == {
        "image": [0.0] * 8,
        "text": [0.0] * 8,
    }
    state, expected = able.state_dict(), plain.state_dict()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert not torch.equal(plain.heads[0].weight, other.heads[0].weight), "heads are of the seed, too"
    gone = torch.tensor([True, False])
    assert plain.eval()(*batch(), absent=(gone, gone)).absent == (None, None), "it has nothing in its place"


def test_norms_of_tokens_have_no_weights() -> None:
    """They would cost a backward pass where the encoder is frozen."""
    model = classifier(
        vision={"name": "tiny-cnn", "freeze": "all"}, text={"name": "tiny-text", "freeze": "all"}
    )
    trained = {name.partition(".")[0] for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {"image_projection", "text_projection", "fusion", "heads"}


@pytest.mark.parametrize(
    ("values", "pooled"),
    [
        ({"fusion": "cross_attention", "fusion_tokens": "sequence"}, False),
        ({"fusion": "cross_attention", "fusion_tokens": "pooled"}, True),
        ({"fusion": "gated", "fusion_tokens": "sequence"}, True),
        ({"text": "none", "fusion_tokens": "sequence"}, True),
    ],
)
def test_where_single_tokens_are_never_read_their_means_will_do(values: dict[str, Any], pooled: bool) -> None:
    model = classifier(**values).eval()
    assert model.is_pooled is pooled
    pixels, ids, mask = batch()
    if model.text is None:
        ids = mask = None  # type: ignore[assignment]
    whole = model(pixels, ids, mask, with_map=False)
    if pooled:
        image = model.image_tokens(pixels).mean(1)
        text = None if model.text is None else masked_mean(model.text_tokens(ids, mask), mask)
        one = None if text is None else torch.ones(2, 1, dtype=torch.bool)
        for ours, theirs in zip(model(image, text, one, with_map=False).logits, whole.logits, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_encoders_of_a_kept_model_are_kept_by_size_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cache, "_kept", build_cache.OrderedDict())
    config = StudentConfig(vision="tiny-cnn", text="tiny-text", fusion_dim=8, fusion_heads=2)
    counts = []
    for size, seed in ((32, 1), (32, 1), (64, 1), (64, 2)):
        build_classifier(config, TASKS, seed=seed, image_size=size, keep_encoders=True)
        counts.append(len(build_cache._kept))
    assert counts[:3] == [2, 2, 3], "two sizes of images, one text"
    assert len({key for key in build_cache._kept if "random-2" in key}) == 2


def test_what_logits_say() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0]], dtype=torch.bfloat16)
    for task, expected in zip(
        (Task("t", ("a", "b", "c")), TASKS[1], TASKS[2]),
        (logits.float().softmax(-1), logits.float().sigmoid(), logits.float().softmax(-1)),
        strict=True,
    ):
        found = probabilities_of(logits, task)
        assert found.dtype == torch.float32 and torch.equal(found, expected)


def test_a_label_is_a_task_of_no_and_yes() -> None:
    output = ModelOutput(
        (torch.zeros(1, 2), torch.tensor([[1.0, -2.0, 3.0]]), torch.ones(1, 3)), None, None, None
    )
    found = as_exclusive(output, TASKS).logits
    assert [each.tolist() for each in found] == [
        [[0.0, 0.0]], [[0.0, 1.0]], [[0.0, -2.0]], [[0.0, 3.0]], [[1.0, 1.0, 1.0]],
    ]  # fmt: skip
    plain = ModelOutput((torch.zeros(1, 2),), None, None, None)
    assert as_exclusive(plain, TASKS[:1]) is plain

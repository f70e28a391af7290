"""The classifier: from what the prefixes return to logits, with any fusion."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distune.config import Config, StudentConfig
from distune.data.table import Task
from distune.errors import UserError
from distune.models.classifier import Classifier, build_classifier
from distune.models.fusion import FUSIONS
from distune.models.init_from_teacher import check_copyable, copy_layers
from distune.models.parameters import load_trained_state, parameter_groups, trained_state

Tasks = tuple[Task, ...]


def make(tasks: Tasks, *, seed: int = 1, freeze: Any = "none", **values: Any) -> Classifier:
    config = StudentConfig(
        **{
            "vision": {"name": "tiny-cnn", "freeze": freeze},
            "text": {"name": "tiny-text", "freeze": freeze},
            "fusion_dim": 16,
            "fusion_heads": 2,
            **values,
        }
    )
    return build_classifier(config, tasks, seed=seed)


def raw(size: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 256, (size, 3, 64, 64), generator=generator, dtype=torch.uint8)
    ids = torch.randint(2, 4096, (size, 5), generator=generator)
    mask = torch.arange(5) < (torch.arange(size) % 5 + 1)[:, None]
    return pixels, ids * mask, mask


def prefixed(model: Classifier, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    pixels, ids, mask = inputs
    return model.vision.prefix(pixels), model.text.prefix(ids, mask), mask


@pytest.mark.parametrize("tokens", ["sequence", "pooled"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_shapes_of_all_outputs(fusion: str, tokens: str, tasks: Tasks) -> None:
    model = make(tasks, fusion=fusion, fusion_tokens=tokens)
    output = model(*raw())
    assert [logits.shape for logits in output.logits] == [(3, 2), (3, 3)]
    assert output.image_feature.shape == output.text_feature.shape == (3, 16)
    assert output.image_map.shape == (3, 16)
    assert (output.penalty is not None) == (fusion == "energy_aware")
    without = model.eval()(*raw(), with_map=False)
    assert without.image_map.shape == (3, 0)
    torch.testing.assert_close(without.logits, model(*raw()).logits)


@pytest.mark.parametrize("tokens", ["sequence", "pooled"])
def test_features_are_means_over_projected_tokens(tokens: str, tasks: Tasks) -> None:
    model = make(tasks, fusion_tokens=tokens).eval()
    pixels, ids, mask = raw()
    output = model(pixels, ids, mask)
    image = model.image_projection(model.image_norm(model.vision(pixels)))
    text = model.text_projection(model.text_norm(model.text(ids, mask)))
    torch.testing.assert_close(output.image_feature, image.mean(1))
    lengths = mask.sum(1).tolist()
    expected = torch.stack([text[row, :length].mean(0) for row, length in enumerate(lengths)])
    torch.testing.assert_close(output.text_feature, expected)
    torch.testing.assert_close(output.image_map, (image * image).mean(-1))


@pytest.mark.parametrize("tokens", ["sequence", "pooled"])
@pytest.mark.parametrize("freeze", ["none", 1, "all"])
def test_batched_equals_single_and_frozen_equals_whole(freeze: Any, tokens: str, tasks: Tasks) -> None:
    model = make(tasks, freeze=freeze, fusion_tokens=tokens).eval()
    whole = make(tasks, fusion_tokens=tokens).eval()
    pixels, ids, mask = raw()
    together = model(*prefixed(model, (pixels, ids, mask)))
    torch.testing.assert_close(together.logits, whole(pixels, ids, mask).logits, atol=1e-6, rtol=1e-5)
    for row, length in enumerate(mask.sum(1).tolist()):
        one = (pixels[row : row + 1], ids[row : row + 1, :length], mask[row : row + 1, :length])
        alone = model(*prefixed(model, one))
        for single, batch in zip(alone.logits, together.logits, strict=True):
            torch.testing.assert_close(single[0], batch[row], atol=2e-6, rtol=1e-5)


def test_weights_depend_on_the_seed_alone(tasks: Tasks) -> None:
    def weights(seed: int, noise: int) -> Tensor:
        torch.manual_seed(noise)
        model = make(tasks, seed=seed)
        left = torch.rand(1)
        torch.manual_seed(noise)
        assert torch.equal(left, torch.rand(1)), "the global generator has moved"
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(weights(1, 5), weights(1, 6))
    assert not torch.equal(weights(1, 5), weights(2, 5))
    assert not torch.equal(*(make(tasks, seed=seed).heads[1].weight for seed in (1, 2))), (
        "not the encoders alone"
    )


def test_every_weight_gets_a_gradient(tasks: Tasks) -> None:
    model = make(tasks)
    sum(logits.square().sum() for logits in model(*raw()).logits).backward()  # type: ignore[union-attr]
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


class TestTrainedState:
    def test_holds_what_is_not_frozen(self, tasks: Tasks) -> None:
        assert trained_state(make(tasks)).keys() == make(tasks).state_dict().keys()
        names = trained_state(make(tasks, freeze="all")).keys()
        assert names and not any(name.startswith(("vision.", "text.")) for name in names)
        part = trained_state(make(tasks, freeze=1)).keys()
        assert not any(name.startswith(("vision.embeddings.", "vision.layers.0.")) for name in part)
        assert any(name.startswith("vision.layers.1.") for name in part)

    def test_the_buffers_of_a_frozen_prefix_stay_out(self, tasks: Tasks) -> None:
        vision = {"name": "efficientnet-lite0", "pretrained": False, "layers": 2, "freeze": 1}
        names = trained_state(make(tasks, vision=vision)).keys()
        assert not any("layers.0." in name for name in names if name.startswith("vision."))
        assert "vision.layers.1.expand.1.running_mean" in names

    @pytest.mark.parametrize("freeze", ["none", 1, "all"])
    def test_puts_a_model_back(self, freeze: Any, tasks: Tasks) -> None:
        model, other = make(tasks, freeze=freeze).eval(), make(tasks, freeze=freeze).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.01)
        inputs = prefixed(model, raw())
        assert not torch.equal(model(*inputs).logits[0], other(*inputs).logits[0])
        load_trained_state(other, trained_state(model))
        assert torch.equal(model(*inputs).logits[0], other(*inputs).logits[0])

    def test_can_be_written_as_safetensors(self, tasks: Tasks, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        vision = {"name": "efficientnet-lite0", "pretrained": False, "layers": 2}
        model = make(tasks, vision=vision)
        other = make(tasks, seed=2, vision=vision)
        save_file(trained_state(model), tmp_path / "weights.safetensors")
        assert not torch.equal(other.heads[0].weight, model.heads[0].weight)
        load_trained_state(other, load_file(tmp_path / "weights.safetensors"))
        written, read = trained_state(model), trained_state(other)
        assert written.keys() == read.keys()
        assert all(torch.equal(written[name], read[name]) for name in written)

    def test_a_model_can_be_copied(self, tasks: Tasks) -> None:
        model = make(tasks, text={"name": "bert-tiny", "pretrained": False}).eval()
        copied = copy.deepcopy(model)
        assert torch.equal(copied(*raw()).logits[0], model(*raw()).logits[0])

    def test_weights_of_another_model_are_refused(self, tasks: Tasks) -> None:
        model = make(tasks, freeze="all")
        sound = trained_state(model)
        for state in (
            trained_state(make(tasks)),
            {**sound, "more": torch.ones(1)},
            dict([*sound.items()][1:]),
        ):
            with pytest.raises(RuntimeError, match="weights of another model"):
                load_trained_state(model, state)
        bias = "heads.0.bias"
        for odd, token in (
            (torch.tensor([1.0, float("inf")]), f"{bias} .* not finite"),
            (torch.tensor([1.0, float("nan")]), f"{bias} .* not finite"),
            (sound[bias].double(), f"{bias} is of torch.float64"),
            (torch.ones(3), bias),
        ):
            with pytest.raises(RuntimeError, match=token):
                load_trained_state(model, {**sound, bias: odd})


FACTORISED = {"name": "bert-tiny", "pretrained": False, "embedding_rank": 4}


class TestFactorisedEmbedding:
    def test_both_factors_are_saved_and_read_back(self, tasks: Tasks, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        model, other = make(tasks, text=FACTORISED).eval(), make(tasks, text=FACTORISED, seed=2).eval()
        state = trained_state(model)
        factors = {name: tuple(state[name].shape) for name in state if "word_embeddings" in name}
        start = "text.embeddings.word_embeddings"
        assert factors == {f"{start}.words.weight": (30522, 4), f"{start}.basis.weight": (128, 4)}
        save_file(state, tmp_path / "weights.safetensors")
        load_trained_state(other, load_file(tmp_path / "weights.safetensors"))
        assert torch.equal(model(*raw()).logits[0], other(*raw()).logits[0])

    def test_both_factors_learn_at_the_rate_of_the_embeddings(self, tasks: Tasks) -> None:
        model = make(tasks, text=FACTORISED)
        groups = parameter_groups(model, 1.0, 0.1, 0.5)
        found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
        embedding: Any = model.text.embeddings.word_embeddings
        assert found[id(embedding.words.weight)] == (0.125, 0.0)
        assert found[id(embedding.basis.weight)] == (0.125, 0.1)

    def test_a_frozen_prefix_keeps_both_factors(self, tasks: Tasks) -> None:
        model = make(tasks, text={**FACTORISED, "freeze": 1})
        assert not any(".embeddings." in name for name in trained_state(model) if name.startswith("text."))
        embedding: Any = model.text.embeddings.word_embeddings
        assert not embedding.words.weight.requires_grad and not embedding.basis.weight.requires_grad


class TestParameterGroups:
    def test_each_trained_weight_is_in_one_group(self, tasks: Tasks) -> None:
        model = make(tasks, freeze=1)
        grouped = [id(p) for group in parameter_groups(model, 1e-3, 0.1, 0.5) for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)

    def test_only_matrices_decay(self, tasks: Tasks) -> None:
        model = make(tasks, fusion="transformer_concat")
        decay = {
            id(p): group["weight_decay"]
            for group in parameter_groups(model, 1e-3, 0.1)
            for p in group["params"]
        }
        assert decay[id(model.image_projection.weight)] == 0.1
        assert decay[id(model.vision.layers[0][0].weight)] == 0.1  # type: ignore[index]
        for plain in (
            model.image_projection.bias,
            model.vision.layers[0][1].weight,  # type: ignore[index]
            model.text.embeddings.words.weight,
            model.fusion.modality,
            model.text.head.weight,
        ):
            assert decay[id(plain)] == 0.0

    def test_layers_further_from_the_output_learn_more_slowly(self, tasks: Tasks) -> None:
        """As in ELECTRA, BEiT and timm, where the last layer of the encoder has the rate of the head x decay."""
        model = make(tasks)
        rate = {
            id(p): group["lr"] for group in parameter_groups(model, 1.0, 0.1, 0.5) for p in group["params"]
        }
        rates = [{rate[id(p)] for p in group} for group in model.vision.layer_groups()]
        assert rates == [{0.0625}, {0.125}, {0.25}, {0.5}]
        assert [{rate[id(p)] for p in group} for group in model.text.layer_groups()] == [
            {0.125},
            {0.25},
            {0.5},
        ]
        assert rate[id(model.heads[0].weight)] == rate[id(model.image_projection.weight)] == 1.0
        flat = parameter_groups(model, 1.0, 0.1)
        assert {group["lr"] for group in flat} == {1.0} and len(flat) == 2


DEEP = {"name": "deit-tiny", "pretrained": False, "layers": 4}


class TestCopyLayers:
    def test_takes_every_second_layer(self, tasks: Tasks) -> None:
        teacher = make(tasks, seed=1, vision=DEEP).vision
        student = make(tasks, seed=2, vision={**DEEP, "layers": 2}).vision
        copy_layers(teacher, student)
        pairs = [(0, 0), (2, 1)]
        for theirs, ours in pairs:
            for expected, copied in zip(
                teacher.layers[theirs].parameters(), student.layers[ours].parameters(), strict=True
            ):
                assert torch.equal(expected, copied)
        assert torch.equal(next(teacher.head.parameters()), next(student.head.parameters()))
        before = next(student.layers[0].parameters()).clone()
        with torch.no_grad():
            next(teacher.layers[0].parameters()).add_(1.0)
        assert torch.equal(before, next(student.layers[0].parameters())), "teacher and student share weights"

    @pytest.mark.parametrize(
        ("student", "message"),
        [
            ({"name": "deit-small", "pretrained": False, "layers": 2}, "do not have the same layers"),
            ({"name": "tiny-cnn"}, "do not have the same layers"),
            ({"name": "deit-tiny", "pretrained": False, "layers": 6}, "6 layers, the teacher's only 4"),
            ({"name": "deit-tiny", "pretrained": False, "layers": 2, "freeze": 1}, "has frozen layers"),
        ],
    )
    def test_what_does_not_match_is_refused(
        self, student: dict[str, Any], message: str, tasks: Tasks
    ) -> None:
        teacher = make(tasks, vision=DEEP).vision
        with pytest.raises(UserError, match=message):
            copy_layers(teacher, make(tasks, vision=student).vision)

    def test_factors_of_one_rank_are_copied(self, tasks: Tasks) -> None:
        teacher, student = (make(tasks, seed=seed, text=FACTORISED).text for seed in (1, 2))
        copy_layers(teacher, student)
        ours, theirs = student.embeddings.state_dict(), teacher.embeddings.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    @pytest.mark.parametrize(
        ("part", "student", "message"),
        [
            ("vision", {"layers": (1, 3)}, r"contradicts student\.vision\.layers: \[1, 3\]; give .*, 2 for"),
            ("text", {"layers": (2,)}, r"contradicts student\.text\.layers: \[2\]"),
            ("text", {"embedding_rank": 8}, "student's text.embedding_rank is 8, the teacher's None"),
        ],
    )
    def test_choices_that_copying_would_override_are_refused(
        self, part: str, student: dict[str, Any], message: str
    ) -> None:
        config = Config()
        check_copyable(config.teacher, config.student)
        changed = config.student.model_copy(
            update={part: getattr(config.student, part).model_copy(update=student)}
        )
        with pytest.raises(UserError, match=message):
            check_copyable(config.teacher, changed)

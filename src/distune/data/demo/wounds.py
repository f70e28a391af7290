"""A wound-like set of colour photos in the CSV layout, made from a seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from distune.data.table import SPLITS, Split
from distune.errors import DataError
from distune.utils.files.csv_files import write_csv
from distune.utils.files.new_folder import new_folder
from distune.utils.seeds import check_seed

HEIGHT, WIDTH = 64, 80
SMALLEST = 60
TYPES = ("diabetic ulcer", "pressure ulcer", "surgical wound", "venous ulcer")
SEVERITIES = ("mild", "moderate", "severe")
COLUMNS = ("file_path", "type", "severity", "description")
SIZES = {"mild": 0.62, "moderate": 0.9, "severe": 1.25}
# Half width and half height in picture heights, how ragged the edge is, then the colours (red, green, blue)
# of the surroundings, the rim and the bed.
LOOKS = {
    "diabetic ulcer": (0.26, 0.24, 0.10, (200, 150, 125), (222, 205, 160), (190, 95, 70)),
    "pressure ulcer": (0.32, 0.28, 0.15, (190, 120, 125), (150, 60, 75), (60, 38, 36)),
    "surgical wound": (0.50, 0.07, 0.05, (205, 150, 135), (185, 90, 85), (120, 40, 45)),
    "venous ulcer": (0.38, 0.27, 0.45, (140, 95, 75), (200, 90, 85), (165, 30, 38)),
}
TYPE_WORDS = {
    "diabetic ulcer": (
        "on the plantar forefoot",
        "below the great toe",
        "with a callus rim",
        "in neuropathy",
    ),
    "pressure ulcer": ("over the sacrum", "on the heel", "in a bedridden patient", "over the hip bone"),
    "surgical wound": (
        "along the suture line",
        "after laparotomy",
        "with staples in place",
        "at the incision",
    ),
    "venous ulcer": (
        "above the medial ankle",
        "with varicose veins",
        "in oedema of the leg",
        "on the gaiter area",
    ),
}
SEVERITY_WORDS = {
    "mild": ("superficial", "clean and shallow", "healing well"),
    "moderate": ("partial-thickness", "some exudate", "slow to heal"),
    "severe": ("deep and undermined", "heavy exudate", "spreading infection"),
}
VAGUE_PLACES = ("as shown", "on the limb", "in an elderly patient", "at review")
VAGUE_STATES = ("wound seen", "dressing changed", "photograph taken")
BLOCK: tuple[Split, ...] = ("train",) * 5 + ("dev", "test")
CLEAR_TYPE = CLEAR_SEVERITY = 0.72
VAGUE_LOOK = 0.22
WRONG_LABEL = 0.015

Picture = NDArray[np.float64]


def write_wound_demo(root: Path, seed: int, examples: int = 600) -> None:
    """Writes photo-like pictures of wounds and `metadata_{train,dev,test}.csv` with the wound columns.

    The tasks are type (four) and severity (three); picture and description each leave part of both open.
    The same seed and number give the same bytes.

    Args:
        root: folder to make; it must not exist, or be empty.
        seed: seed of the set.
        examples: number of pictures, at least 60; 70 % train, 15 % dev, 15 % test.

    Raises:
        DataError: the folder holds something already, or too few examples are asked for.
        UserError: the seed is none.
    """
    check_seed(seed)
    if examples < SMALLEST:
        raise DataError(root, [f"a wound demo set needs at least {SMALLEST} examples, not {examples}"])
    rows: dict[Split, list[tuple[str, ...]]] = {split: [] for split in SPLITS}
    with new_folder(root) as folder:
        (folder / "images").mkdir()
        for number in range(examples):
            # Every 12 examples hold each pair of labels once, and every 7 such blocks fill the splits 5:1:1.
            kind, severity = TYPES[number % 4], SEVERITIES[number % 12 // 4]
            split = BLOCK[(number // 12 + number % 12) % 7]
            random = np.random.default_rng([seed, number])
            name = f"images/wound_{number + 1:04d}.jpg"
            picture = np.clip(np.rint(_draw(kind, severity, random)), 0, 255).astype(np.uint8)
            _, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            (folder / name).write_bytes(content.tobytes())  # `imwrite` hides a disk that is full
            labels = (_maybe_other(TYPES, kind, random), _maybe_other(SEVERITIES, severity, random))
            rows[split].append((name, *labels, _describe(kind, severity, random)))
        for split in SPLITS:
            write_csv(folder / f"metadata_{split}.csv", [COLUMNS, *rows[split]])


def _draw(kind: str, severity: str, random: np.random.Generator) -> Picture:
    """Draws one picture, red, green and blue from 0 to 255; some blend two types."""
    picture = _wound(kind, severity, random)
    if random.random() < VAGUE_LOOK:
        other = TYPES[(TYPES.index(kind) + int(random.integers(1, len(TYPES)))) % len(TYPES)]
        part = random.uniform(0.4, 0.6)
        picture = (1 - part) * picture + part * _wound(other, severity, random)
    light = random.uniform(0.85, 1.12) * (1.0 + random.uniform(-0.15, 0.15) * np.linspace(-1, 1, WIDTH))
    return picture * light[None, :, None] + random.normal(0.0, 4.0, size=picture.shape)


def _wound(kind: str, severity: str, random: np.random.Generator) -> Picture:
    half_width, half_height, ragged, around, rim, bed = LOOKS[kind]
    size = SIZES[severity] * np.exp(random.normal(0.0, 0.14))
    turn = random.uniform(-0.5, 0.5)
    x = (np.arange(WIDTH) - WIDTH / 2) / HEIGHT - random.uniform(-0.08, 0.08)
    y = (np.arange(HEIGHT) - HEIGHT / 2) / HEIGHT - random.uniform(-0.08, 0.08)
    across = x[None, :] * np.cos(turn) + y[:, None] * np.sin(turn)
    along = y[:, None] * np.cos(turn) - x[None, :] * np.sin(turn)
    angle = np.arctan2(along, across)
    edge = 1.0 + ragged * sum(
        random.normal(0.0, 0.3) * np.sin(waves * angle + random.uniform(0, 6.3)) for waves in (2, 3, 5)
    )
    distance = np.hypot(across / (half_width * size), along / (half_height * size)) / edge
    skin = np.array([214.0, 168.0, 144.0]) * random.uniform(0.72, 1.08) + random.normal(0.0, 5.0, size=3)
    blotches: Picture = cv2.resize(
        random.normal(0.0, 9.0, size=(7, 9)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    picture = skin + blotches[..., None]
    for reach, colour in ((1.5, around), (1.0, rim), (0.78, bed)):
        inside = np.clip((reach - distance) * 6.0 + 0.5, 0.0, 1.0)[..., None]
        picture += inside * (np.array(colour) + random.normal(0.0, 8.0, size=3) - picture)
    if kind == "surgical wound":
        stitches = (
            (np.abs(along) < 0.13) & (np.mod(across, 0.14) < 0.02) & (np.abs(across) < half_width * size)
        )
        picture[stitches] = (40.0, 40.0, 50.0)
    return picture


def _describe(kind: str, severity: str, random: np.random.Generator) -> str:
    state = _pick(SEVERITY_WORDS[severity] if random.random() < CLEAR_SEVERITY else VAGUE_STATES, random)
    place = _pick(TYPE_WORDS[kind] if random.random() < CLEAR_TYPE else VAGUE_PLACES, random)
    return f"{state.capitalize()}, {place}; day {random.integers(1, 60)} of care."


def _pick(choices: tuple[str, ...], random: np.random.Generator) -> str:
    return choices[random.integers(len(choices))]


def _maybe_other(choices: tuple[str, ...], label: str, random: np.random.Generator) -> str:
    """Returns the label, or rarely another one: no set has perfect labels."""
    wrong = choices[(choices.index(label) + int(random.integers(1, len(choices)))) % len(choices)]
    return wrong if random.random() < WRONG_LABEL else label

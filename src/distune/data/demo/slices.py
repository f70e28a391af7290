"""Small CT-like and MR-like slices, drawn from ellipses of tissue."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64
LOCATIONS = ("Abdomen", "Head", "Reproductive and Urinary System", "Spine and Muscles", "Thorax")
NEIGHBOURS = {
    "Abdomen": ("Thorax", "Reproductive and Urinary System"),
    "Head": ("Spine and Muscles",),
    "Reproductive and Urinary System": ("Abdomen",),
    "Spine and Muscles": ("Head", "Thorax"),
    "Thorax": ("Abdomen", "Spine and Muscles"),
}
# Brightness of each tissue from 0 to 1, as a CT window and two MR sequences show it.
CT = {"air": 0.03, "fat": 0.26, "muscle": 0.46, "organ": 0.58, "fluid": 0.36, "bone": 0.97, "brain": 0.45}
MR_T1 = {"air": 0.03, "fat": 0.90, "muscle": 0.36, "organ": 0.50, "fluid": 0.14, "bone": 0.10, "brain": 0.58}
MR_T2 = {"air": 0.03, "fat": 0.62, "muscle": 0.22, "organ": 0.40, "fluid": 0.95, "bone": 0.10, "brain": 0.50}
MODALITIES = {"CT": (CT,), "MR": (MR_T1, MR_T2)}

Plane = NDArray[np.float64]
# x, y, half width, half height (from -1 to 1 over the picture), tissue; later ellipses cover earlier ones.
Ellipse = tuple[float, float, float, float, str]

HEAD: tuple[Ellipse, ...] = (
    (0.00, 0.00, 0.66, 0.82, "fat"),
    (0.00, 0.00, 0.61, 0.77, "bone"),
    (0.00, 0.00, 0.52, 0.68, "brain"),
    (-0.12, -0.05, 0.07, 0.24, "fluid"),
    (0.12, -0.05, 0.07, 0.24, "fluid"),
)
THORAX: tuple[Ellipse, ...] = (
    (0.00, 0.00, 0.92, 0.66, "fat"),
    (0.00, 0.00, 0.84, 0.58, "muscle"),
    (-0.44, -0.02, 0.32, 0.44, "air"),
    (0.44, -0.02, 0.32, 0.44, "air"),
    (0.10, -0.10, 0.26, 0.26, "organ"),
    (0.00, 0.42, 0.12, 0.12, "bone"),
)
ABDOMEN: tuple[Ellipse, ...] = (
    (0.00, 0.00, 0.90, 0.68, "fat"),
    (0.00, 0.00, 0.78, 0.56, "muscle"),
    (-0.38, -0.12, 0.36, 0.34, "organ"),
    (0.42, -0.16, 0.22, 0.20, "air"),
    (-0.34, 0.28, 0.14, 0.16, "organ"),
    (0.38, 0.26, 0.16, 0.18, "organ"),
    (0.00, 0.36, 0.13, 0.13, "bone"),
)
PELVIS: tuple[Ellipse, ...] = (
    (0.00, 0.00, 0.94, 0.62, "fat"),
    (0.00, 0.00, 0.84, 0.52, "muscle"),
    (-0.58, 0.06, 0.18, 0.26, "bone"),
    (0.58, 0.06, 0.18, 0.26, "bone"),
    (0.00, -0.14, 0.28, 0.24, "fluid"),
    (0.00, 0.24, 0.20, 0.12, "organ"),
)
SPINE: tuple[Ellipse, ...] = (
    (0.00, 0.00, 0.74, 0.98, "muscle"),
    (0.52, 0.00, 0.20, 0.98, "fat"),
    *((-0.10, -0.80 + 0.40 * level, 0.22, 0.16, "bone") for level in range(5)),
    (0.24, 0.00, 0.07, 0.96, "fluid"),
)
SHAPES = {
    "Abdomen": ABDOMEN,
    "Head": HEAD,
    "Reproductive and Urinary System": PELVIS,
    "Spine and Muscles": SPINE,
    "Thorax": THORAX,
}

_AXIS = (np.arange(SIDE) + 0.5) / SIDE * 2.0 - 1.0


def draw_slice(
    location: str, modality: str, random: np.random.Generator, *, vague_place: bool, vague_contrast: bool
) -> NDArray[np.uint8]:
    """Draws one slice.

    Args:
        location: body region, one of `LOCATIONS`.
        modality: CT or MR.
        random: source of position, size, contrast, and noise.
        vague_place: mix in a neighbouring region in about equal parts, as a slice between both would.
        vague_contrast: show the tissues halfway between CT and MR.

    Returns:
        uint8 of shape (64, 64), grey.
    """
    tissue = _table(modality, random)
    if vague_contrast:
        other = _table("MR" if modality == "CT" else "CT", random)
        part = random.uniform(0.35, 0.55)
        tissue = {name: (1 - part) * value + part * other[name] for name, value in tissue.items()}
    picture = _render(SHAPES[location], tissue, random)
    if vague_place:
        neighbours = NEIGHBOURS[location]
        neighbour = neighbours[random.integers(len(neighbours))]
        part = random.uniform(0.45, 0.6)
        picture = (1 - part) * picture + part * _render(SHAPES[neighbour], tissue, random)
    noisy = _with_noise(picture, modality, random)
    return np.clip(np.rint(noisy * 255.0), 0, 255).astype(np.uint8)


def _table(modality: str, random: np.random.Generator) -> dict[str, float]:
    choices = MODALITIES[modality]
    return dict(choices[random.integers(len(choices))])


def _render(shapes: tuple[Ellipse, ...], tissue: dict[str, float], random: np.random.Generator) -> Plane:
    """Paints soft-edged ellipses at a random place, size and angle."""
    angle = random.uniform(-0.2, 0.2)
    x = (_AXIS[None, :] - random.uniform(-0.1, 0.1)) / random.uniform(0.82, 1.04)
    y = (_AXIS[:, None] - random.uniform(-0.1, 0.1)) / random.uniform(0.82, 1.04)
    x, y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    picture = np.full((SIDE, SIDE), tissue["air"])
    for centre_x, centre_y, half_width, half_height, name in shapes:
        move_x, move_y, wider, higher, brighter = random.normal(0.0, (0.03, 0.03, 0.08, 0.08, 0.04))
        across = (x - centre_x - move_x) / (half_width * np.exp(wider))
        along = (y - centre_y - move_y) / (half_height * np.exp(higher))
        inside = np.clip(
            (1.0 - np.hypot(across, along)) * min(half_width, half_height) * 20.0 + 0.5, 0.0, 1.0
        )
        picture += inside * (tissue[name] + brighter - picture)
    return picture


def _with_noise(picture: Plane, modality: str, random: np.random.Generator) -> Plane:
    """Adds what the scanner adds: grain to CT, uneven brightness and magnitude noise to MR."""
    gain = random.uniform(0.85, 1.15)
    if modality == "CT":
        grain: Plane = cv2.GaussianBlur(random.normal(0.0, 0.06, size=picture.shape), (3, 3), 0.6)
        return gain * picture + grain + float(random.normal(0.0, 0.02))
    slope_x, slope_y = random.uniform(-0.25, 0.25, size=2)
    field = 1.0 + slope_x * _AXIS[None, :] + slope_y * _AXIS[:, None]
    real, imaginary = random.normal(0.0, 0.04, size=(2, *picture.shape))
    magnitude: Plane = np.hypot(gain * field * picture + real, imaginary)
    return magnitude

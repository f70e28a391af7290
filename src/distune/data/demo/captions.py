"""Captions for the demo slices, some of them vague or about the neighbouring region."""

from __future__ import annotations

from typing import Literal

import numpy as np

from distune.data.demo.slices import NEIGHBOURS

Clarity = Literal["clear", "vague", "misleading"]

SITES: dict[str, tuple[str, ...]] = {
    "Abdomen": ("the liver", "the spleen", "the pancreas"),
    "Head": ("the frontal lobe", "the brain", "the left orbit"),
    "Reproductive and Urinary System": ("the bladder", "the uterus", "the right ovary"),
    "Spine and Muscles": ("the lumbar spine", "the L4 vertebra", "the spinal canal"),
    "Thorax": ("the right lung", "the chest", "the mediastinum"),
}
VAGUE_SITES = ("this region", "the area of interest", "the midline", "this level")
FINDINGS = (
    "a well-defined mass",
    "a small lesion",
    "fluid collection",
    "no acute abnormality",
    "mild swelling",
    "a cystic structure",
)
SCANS = {
    "CT": ("Non-contrast CT", "Contrast-enhanced CT"),
    "MR": ("T1-weighted MR", "T2-weighted MR"),
}
VAGUE_SCANS = ("Image", "Selected image", "Study", "Follow-up examination")
PLANES = ("axial", "coronal", "sagittal")
VERBS = ("shows", "demonstrates", "reveals")


def write_caption(
    location: str, modality: str, random: np.random.Generator, *, place: Clarity, names_scan: bool
) -> str:
    """Writes a caption.

    Args:
        location: body region.
        modality: CT or MR.
        random: source of the words.
        place: clear names a site of the region, vague names none, misleading names one of a neighbour.
        names_scan: name the kind of scan.
    """
    sites = SITES[location]
    if place == "vague":
        sites = VAGUE_SITES
    elif place == "misleading":
        sites = SITES[_pick(NEIGHBOURS[location], random)]
    scan = _pick(SCANS[modality] if names_scan else VAGUE_SCANS, random)
    words = f"{scan}, {_pick(PLANES, random)} plane, {_pick(VERBS, random)} {_pick(FINDINGS, random)}"
    return f"{words} at {_pick(sites, random)}."


def _pick(choices: tuple[str, ...], random: np.random.Generator) -> str:
    return choices[random.integers(len(choices))]

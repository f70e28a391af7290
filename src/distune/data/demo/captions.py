"""Captions for the demo slices, some of them vague or about the neighbouring region."""

from __future__ import annotations

from typing import Literal

import numpy as np

from distune.data.demo.slices import NEIGHBOURS

Clarity = Literal["clear", "vague", "misleading"]

SITES = {
    "Abdomen": (
        "the liver", "the spleen", "the left kidney", "the pancreas", "a small bowel loop", "the stomach",
    ),
    "Head": (
        "the frontal lobe", "the brain", "the left orbit", "the temporal bone", "the ventricles", "the skull",
    ),
    "Reproductive and Urinary System": (
        "the bladder", "the prostate", "the uterus", "the right ovary", "the pelvis", "the distal ureter",
    ),
    "Spine and Muscles": (
        "the lumbar spine", "the L4 vertebra", "the spinal canal", "a cervical disc", "the psoas muscle",
        "the sacrum",
    ),
    "Thorax": (
        "the right lung", "the chest", "the mediastinum", "the left upper lobe", "the aortic arch",
        "the pleura",
    ),
}  # fmt: skip
VAGUE_SITES = (
    "this region",
    "the area of interest",
    "the midline",
    "the left side",
    "the right side",
    "this level",
)
FINDINGS = (
    "a well-defined mass", "a small lesion", "fluid collection", "no acute abnormality", "asymmetry",
    "mild swelling", "a calcified focus", "loss of normal contour", "an enhancing nodule",
    "a cystic structure",
)  # fmt: skip
SCANS = {
    "CT": ("Non-contrast CT", "Contrast-enhanced CT", "CT in a bone window", "Computed tomography"),
    "MR": ("T1-weighted MR", "T2-weighted MRI", "Post-gadolinium T1 image", "FLAIR image"),
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

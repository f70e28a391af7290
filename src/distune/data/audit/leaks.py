"""The same patient, picture or caption on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from distune.data.audit.findings import Finding, Row
from distune.data.audit.perceptual_hash import near_duplicates, partners, pictures
from distune.data.table import EVALUATED, MISSING, SPLITS, Split, Table
from distune.utils.text import counted

POOLED: tuple[Split, ...] = ("train", "dev")
"""Folds are cut from these."""
HASH_DISTANCE = 6
CORRELATION = 0.97
SEVERE_NEAR_SHARE = 0.02
LEAST_WORDS = 5
MANY_SAME_CAPTIONS = 0.05


def evaluation_splits(table: Table) -> tuple[Split, ...]:
    """The splits that models are evaluated on: dev, and test where there is one."""
    return tuple(split for split in EVALUATED if len(table.rows(split)))


def group_findings(table: Table) -> list[Finding]:
    """Finds patients or cases with examples in more than one split: always severe."""
    if len(set(table.groups)) == len(table):
        return [
            Finding(
                "no_groups",
                "info",
                "every example is its own case",
                "Where several images come from one patient, name the column with the patient: nothing else "
                "can keep a patient out of two splits.",
            )
        ]
    rows: list[Row] = [
        {
            "group": str(group),
            **{
                split: sum(table.splits[row] == split for row in members)
                for split in ("train", *evaluation_splits(table))
            },
        }
        for group, members in _across(table, table.groups).items()
    ]
    if not rows:
        return []
    return [
        Finding(
            "groups_across_splits",
            "severe",
            "cases that lie in more than one split",
            f"{len(rows)} of {counted(len(set(table.groups)), 'case')}: a model can know them by heart. "
            "Split again with `distune data split`, which keeps cases whole.",
            tuple(rows),
        )
    ]


def duplicate_findings(table: Table, content: Sequence[str]) -> list[Finding]:
    """Finds equal image files: severe across splits, a warning where their labels differ.

    Args:
        table: the data set.
        content: its `image_fingerprints`.
    """
    findings = []
    across = _across(table, content)
    if across:
        rows = [pair_row(table, *_first_in_two_splits(table, members)) for members in across.values()]
        findings.append(
            Finding(
                "duplicate_images_across_splits",
                "severe",
                "the same image file in more than one split",
                f"{counted(len(across), 'image')}. Leave each in one split alone.",
                tuple(rows),
            )
        )
    contrary = [
        pair_row(
            table, rows_[0], next(row for row in rows_ if (table.labels[row] != table.labels[rows_[0]]).any())
        )
        for rows_ in rows_by_key(content).values()
        if (table.labels[rows_] != table.labels[rows_[0]]).any()
    ]
    if contrary:
        findings.append(
            Finding(
                "same_image_other_label",
                "warning",
                "the same image with different labels",
                f"{counted(len(contrary), 'image')}. At least one of the labels is wrong, or the image "
                "alone cannot tell.",
                tuple(contrary),
            )
        )
    return findings


def near_duplicate_findings(table: Table, content: Sequence[str], small: NDArray[np.uint8]) -> list[Finding]:
    """Finds images across splits that are the same picture, saved again, scaled, lit, lettered or slightly moved.

    Candidates have difference hashes within 6 of 64 bits; their 32 x 32 thumbnails must correlate by 0.97 at
    least, as they are or moved by half a pixel. Severe where they touch 2 % of dev or of test or more, else a warning.

    Args:
        table: the data set.
        content: its `image_fingerprints`; equal files are left to `duplicate_findings`.
        small: its `thumbnails`.
    """
    rows: list[Row] = []
    touched: dict[Split, set[int]] = {split: set() for split in SPLITS}
    shown = pictures(small)
    for first, second in combinations(SPLITS, 2):
        pairs = sorted(_near(small, shown, table.rows(first), table.rows(second), content))
        rows += [pair_row(table, *pair) for pair in pairs]
        touched[second] |= {row for _, row in pairs}
    if not rows:
        return []
    shares = {split: len(touched[split]) / max(1, len(table.rows(split))) for split in EVALUATED}
    said = ", ".join(
        f"{split}: {len(touched[split])} ({shares[split]:.1%})" for split in evaluation_splits(table)
    )
    return [
        Finding(
            "near_duplicate_images_across_splits",
            "severe" if max(shares.values()) >= SEVERE_NEAR_SHARE else "warning",
            "nearly the same image in more than one split",
            f"Images with a twin in an earlier split: {said}; look at them and remove true twins.",
            tuple(rows),
        )
    ]


def twin_case_findings(table: Table, content: Sequence[str], small: NDArray[np.uint8]) -> list[Finding]:
    """Finds equal and nearly equal images of two cases in one of train and dev, which folds may part.

    The rule for nearly equal images is that of `near_duplicate_findings`. A warning where they touch 2 % of train
    and dev or more, else a note: without folds these pairs lie on one side.

    Args:
        table: the data set.
        content: its `image_fingerprints`.
        small: its `thumbnails`.
    """
    rows: list[Row] = []
    touched: set[int] = set()
    shown = pictures(small)
    for split in POOLED:
        rows_of = table.rows(split)
        files = {content[row] for row in rows_of}
        equal = partners(content, [(file, file) for file in files], rows_of, rows_of, table.groups)
        near = _near(small, shown, rows_of, rows_of, table.groups)
        pairs = sorted({(min(pair), max(pair)) for pair in (*equal, *near)})
        rows += [pair_row(table, *pair) for pair in pairs]
        touched |= {row for pair in pairs for row in pair}
    if not rows:
        return []
    share = len(touched) / sum(len(table.rows(split)) for split in POOLED)
    return [
        Finding(
            "twin_images_of_two_cases",
            "warning" if share >= SEVERE_NEAR_SHARE else "info",
            "the same or nearly the same image in two cases of one split",
            f"{counted(len(touched), 'image')} of train and dev ({share:.1%}). With folds the two can lie "
            "in two of them, "
            "which is a leak: where they show one patient, give both one case.",
            tuple(rows),
        )
    ]


def _near(
    small: NDArray[np.uint8],
    shown: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    apart: Sequence[Hashable],
) -> list[tuple[int, int]]:
    """Pairs of rows whose pictures are alike, as `partners` gives them; each picture is compared once."""
    distinct = np.unique(shown)
    ours, theirs = (np.searchsorted(distinct, np.unique(shown[rows])) for rows in (first, second))
    alike = distinct[near_duplicates(small[distinct], ours, theirs, HASH_DISTANCE, CORRELATION)]
    return partners(shown.tolist(), map(tuple, alike.tolist()), first, second, apart)


def same_caption_findings(table: Table) -> list[Finding]:
    """Finds texts of 5 words or more that occur word for word in several splits and cases."""
    keys: list[Hashable] = [
        text if len(text.split()) >= LEAST_WORDS else row for row, text in enumerate(table.texts)
    ]
    across = [
        members
        for members in _across(table, keys).values()
        if len({table.groups[row] for row in members}) > 1
    ]
    if not across:
        return []
    outside_train = [row for members in across for row in members if table.splits[row] != "train"]
    share = len(outside_train) / sum(split != "train" for split in table.splits)
    scored = " and ".join(evaluation_splits(table))
    return [
        Finding(
            "same_captions_across_splits",
            "warning" if share >= MANY_SAME_CAPTIONS else "info",
            "the same text in several splits and cases",
            f"{counted(len(across), 'text')}, {counted(len(outside_train), 'example')} of {scored} ({share:.1%}).",
            tuple(
                {**pair_row(table, *_first_in_two_splits(table, m)), "text": table.texts[m[0]][:200]}
                for m in across
            ),
        )
    ]


def rows_by_key(keys: Iterable[Hashable]) -> dict[Hashable, list[int]]:
    """The rows of each key, in their order."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return rows


def _across(table: Table, keys: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Returns the rows of every key that occurs in more than one split."""
    members = rows_by_key(keys)
    return {key: rows for key, rows in members.items() if len({table.splits[row] for row in rows}) > 1}


def _first_in_two_splits(table: Table, rows: Sequence[int]) -> tuple[int, int]:
    return rows[0], next(row for row in rows if table.splits[row] != table.splits[rows[0]])


def pair_row(table: Table, first: int, second: int) -> Row:
    """Two examples side by side, as evidence."""
    return {
        "first": table.ids[first],
        "first split": table.splits[first],
        "first labels": _labels(table, table.labels[first]),
        "second": table.ids[second],
        "second split": table.splits[second],
        "second labels": _labels(table, table.labels[second]),
        "same case": "yes" if table.groups[first] == table.groups[second] else "no",
    }


def _labels(table: Table, labels: NDArray[np.int64]) -> str:
    return ", ".join(
        "unknown" if label == MISSING else task.classes[label]
        for task, label in zip(table.tasks, labels.tolist(), strict=True)
    )

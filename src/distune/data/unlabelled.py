"""Examples without labels: they teach a student through its teacher's answers, and nothing is scored on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from distune.config import TaskConfig
from distune.data.labels import stratified_on
from distune.data.readers.problems import Fault
from distune.data.readers.raw_rows import RawExample
from distune.data.split import assign_splits
from distune.data.table import EVALUATED

SEED = 0
"""Whose labels are kept depends on the data alone: two seeds of a run learn from the same ones."""


def set_apart(examples: Sequence[RawExample]) -> list[RawExample]:
    """Moves the train rows without any label to the split `unlabelled`; blanks are no label."""
    cleaned = [replace(example, labels=tuple(map(_known, example.labels))) for example in examples]
    return [
        replace(example, split="unlabelled")
        if example.split == "train" and not any(example.labels)
        else example
        for example in cleaned
    ]


def _known(label: str) -> str:
    return label if label.strip() else ""


def left_out(examples: Sequence[RawExample]) -> list[RawExample]:
    """Moves unlabelled rows of cases that a fold leaves out to the split `unused`: they would show what it asks."""
    evaluated = {example.group for example in examples if example.split == "dev"}
    return [
        replace(example, split="unused")
        if example.split == "unlabelled" and example.group in evaluated
        else example
        for example in examples
    ]


def leak_problems(examples: Sequence[RawExample]) -> list[list[Fault]]:
    """Finds unlabelled rows of a case that a model is evaluated on.

    Args:
        examples: all examples, in their splits.

    Returns:
        For each example its faults, empty where there is nothing wrong.
    """
    splits = {example.group: example.split for example in examples if example.split in EVALUATED}
    return [
        [
            Fault(
                f"unlabelled row of a case of the {splits[example.group]} split",
                repr(example.group),
                "take it out: the teacher's answer on it would reveal what is evaluated",
            )
        ]
        if example.split == "unlabelled" and example.group in splits
        else []
        for example in examples
    ]


def keep_labels(
    examples: Sequence[RawExample],
    fraction: float,
    task_names: Sequence[str],
    settings: Mapping[str, TaskConfig],
) -> list[RawExample]:
    """Keeps the labels of a share of the train cases, so that every class stays; the others become unlabelled.

    Args:
        examples: the usable ones.
        fraction: share of the rows of the train split, spread over the classes as they are.
        task_names: the label columns.
        settings: the sections of tasks that are ordinal or multi-label.

    Returns:
        The examples in the same order.

    Raises:
        UserError: there are too few cases to leave any without labels.
    """
    places = [place for place, example in enumerate(examples) if example.split == "train"]
    rows, _ = stratified_on([examples[place].labels for place in places], task_names, settings)
    assigned = assign_splits(
        rows,
        [examples[place].group for place in places],
        fractions=(fraction, 1.0 - fraction),
        seed=SEED,
    )
    changed = list(examples)
    for place, number in zip(places, assigned.tolist(), strict=True):
        if number:
            example = examples[place]
            changed[place] = replace(example, split="unlabelled", labels=("",) * len(example.labels))
    return changed

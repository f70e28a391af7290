"""How the classes lie in the splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

import numpy as np

from distune.data.audit.findings import AuditSection, Finding, Row
from distune.data.audit.leaks import evaluation_splits
from distune.data.table import EVALUATED, MISSING, SPLITS, Split, Table
from distune.utils.text import counted

FEW_IN_TRAIN = 10
FEW_IN_EVALUATION = 10
UNEVEN = 10.0


def class_balance(table: Table) -> AuditSection:
    """Counts the examples of each class in each split."""
    rows: list[Row] = []
    for position, task in enumerate(table.tasks):
        counts = {split: _counts(table, split, position) for split in SPLITS if len(table.rows(split))}
        for number, name in enumerate(task.classes):
            by_split: Row = {split: int(count[number]) for split, count in counts.items()}
            share = counts["train"][number] / max(1, counts["train"].sum())
            rows.append(
                {"task": task.name, "class": name, **by_split, "share of train": round(float(share), 4)}
            )
    return AuditSection("Class balance", tuple(rows))


def balance_findings(table: Table) -> list[Finding]:
    """Finds rare and missing classes and very uneven ones, which make macro F1 a matter of few examples."""
    findings = []
    for position, task in enumerate(table.tasks):
        train = _counts(table, "train", position)
        rare = _below(task.classes, train, FEW_IN_TRAIN)
        if rare:
            findings.append(
                Finding(
                    "rare_classes",
                    "warning",
                    f"{task.name}: classes with fewer than {FEW_IN_TRAIN} train examples",
                    f"{len(rare)} of {counted(len(task.classes), 'class', 'classes')}; their scores say "
                    "little. Collect more or join them.",
                    rare,
                )
            )
        ratio = train.max() / max(1, train.min())
        if ratio > UNEVEN:
            findings.append(
                Finding(
                    "uneven_classes",
                    "info",
                    f"{task.name}: the largest class is {ratio:.0f} times the smallest",
                    "Consider training.class_weights: balanced.",
                )
            )
        for split in EVALUATED:
            counts = _counts(table, split, position)
            few = _below(task.classes, counts, FEW_IN_EVALUATION) if counts.sum() else ()
            if few:
                findings.append(
                    Finding(
                        "few_to_judge",
                        "warning",
                        f"{task.name}: classes with fewer than {FEW_IN_EVALUATION} {split} examples",
                        f"One example more or less moves the macro F1 of {split} visibly.",
                        few,
                    )
                )
    return findings


def unseen_pair_findings(table: Table) -> list[Finding]:
    """Finds pairs of labels, one from each of two tasks, that dev or test has and train never shows."""
    findings = []
    for first, second in combinations(range(len(table.tasks)), 2):
        one, other = table.tasks[first], table.tasks[second]
        known = set(map(tuple, table.labels[table.rows("train")][:, [first, second]].tolist()))
        places: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        for split, (a, b) in zip(table.splits, table.labels[:, [first, second]].tolist(), strict=True):
            if MISSING not in (a, b) and (a, b) not in known:
                places[a, b][split] += 1
        if places:
            rows: list[Row] = [
                {
                    one.name: one.classes[a],
                    other.name: other.classes[b],
                    **{split: count[split] for split in evaluation_splits(table)},
                }
                for (a, b), count in sorted(places.items())
            ]
            total = sum(sum(count.values()) for count in places.values())
            findings.append(
                Finding(
                    "unseen_label_pairs",
                    "warning",
                    f"label pairs of {one.name} and {other.name} that train never shows",
                    f"{counted(len(places), 'pair')}, {counted(total, 'example')} of "
                    f"{' and '.join(evaluation_splits(table))}.",
                    tuple(rows),
                )
            )
    return findings


def lookalike_label_findings(table: Table) -> list[Finding]:
    """Finds classes whose names differ only in case or space; they are usually one class written twice."""
    findings = []
    for task in table.tasks:
        spellings: dict[str, list[str]] = defaultdict(list)
        for name in task.classes:
            spellings["".join(name.split()).casefold()].append(name)
        rows = [
            {"task": task.name, "classes": ", ".join(map(repr, same))}
            for same in spellings.values()
            if len(same) > 1
        ]
        if rows:
            findings.append(
                Finding(
                    "lookalike_labels",
                    "warning",
                    f"{task.name}: classes that differ only in case or space",
                    "They are trained as different classes. If they are the same, correct the files.",
                    tuple(rows),
                )
            )
    return findings


def _counts(table: Table, split: Split, position: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(
        table.labels[table.rows(split, position), position], minlength=len(table.tasks[position].classes)
    )


def _below(
    classes: tuple[str, ...], counts: np.ndarray[tuple[int], np.dtype[np.int64]], least: int
) -> tuple[Row, ...]:
    return tuple(
        {"class": name, "examples": int(count)}
        for name, count in zip(classes, counts, strict=True)
        if count < least
    )

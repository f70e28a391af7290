"""What the texts are like, and how much they give away."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from distune.data.audit.bag_of_words import WordBaseline
from distune.data.audit.findings import AuditSection, Finding, Row, Severity
from distune.data.table import SPLITS, Table

SEVERE_WORDS = 0.99
STRONG_WORDS = 0.90
MANY_EMPTY = 0.10
MANY_NAMED = 0.50
SHORTEST_WORD = 4
SHORTEST_STEM = 5
ENDING = 2
GENERIC = {"system", "other", "others", "with", "without", "unknown", "none", "normal", "type", "class"}
"""Words in names of classes that tell nothing about a text that holds them."""


def text_lengths(table: Table) -> AuditSection:
    """Measures the texts of each split, in words."""
    rows: list[Row] = []
    for split in SPLITS:
        words = np.array([len(text.split()) for text in table.texts_at(table.rows(split))])
        if len(words):
            rows.append(
                {
                    "split": split,
                    "texts": len(words),
                    "empty": int((words == 0).sum()),
                    "mean words": round(float(words.mean()), 1),
                    "median": float(np.median(words)),
                    "95th percentile": float(np.percentile(words, 95)),
                    "longest": int(words.max()),
                }
            )
    return AuditSection("Length of the texts", tuple(rows))


def empty_text_findings(table: Table) -> list[Finding]:
    """Finds examples without text, and texts that miss mostly from one class."""
    empty = np.array([not text.strip() for text in table.texts])
    if not empty.any():
        return []
    rows: list[Row] = []
    for position, task in enumerate(table.tasks):
        for number, name in enumerate(task.classes):
            mine = table.labels[:, position] == number
            rows.append(
                {"task": task.name, "class": name, "empty": int(empty[mine].sum()), "of": int(mine.sum())}
            )
    return [
        Finding(
            "empty_texts",
            "warning" if empty.mean() >= MANY_EMPTY else "info",
            "examples without text",
            f"{int(empty.sum())} of {len(table)} ({empty.mean():.1%}).",
            tuple(rows),
        )
    ]


def word_section(baselines: list[WordBaseline]) -> AuditSection:
    """Shows what a bag of words predicts, and by which words."""
    return AuditSection(
        "What words alone predict",
        tuple(
            {
                "task": baseline.task,
                "macro F1 on dev": round(baseline.macro_f1, 4),
                "always the most frequent class": round(baseline.guessing, 4),
                "class": name,
                "strongest words": ", ".join(words),
            }
            for baseline in baselines
            for name, words in baseline.words.items()
        ),
    )


def word_findings(baselines: list[WordBaseline]) -> list[Finding]:
    """Grades the baselines: a macro F1 on dev of 0.99 or more is severe, of 0.9 or more a warning."""
    findings = []
    for baseline in baselines:
        score = baseline.macro_f1
        severity: Severity = (
            "severe" if score >= SEVERE_WORDS else "warning" if score >= STRONG_WORDS else "info"
        )
        advice = {
            "severe": "The text gives the label away; no image is needed. Take the telling words out of the text.",
            "warning": "Compare every model with this number: most of the task is in the words.",
            "info": "A model that reads image and text should do better than this.",
        }[severity]
        findings.append(
            Finding(
                "words_alone",
                severity,
                f"{baseline.task}: words alone reach a macro F1 of {baseline.macro_f1:.4f} on dev (quick fit)",
                f"Always naming the most frequent class reaches {baseline.guessing:.4f}. {advice}",
            )
        )
    return findings


def named_label_findings(table: Table) -> list[Finding]:
    """Finds texts that hold a word of the name of a class; how a text names a class is written at `_naming`."""
    findings = []
    for position, task in enumerate(table.tasks):
        rows: list[Row] = []
        right = 0
        for number, name in enumerate(task.classes):
            pattern = _naming(name, task.classes)
            naming = np.array([pattern.search(text) is not None for text in table.texts])
            mine = table.labels[:, position] == number
            right += int((naming & mine).sum())
            rows.append(
                {
                    "class": name,
                    "examples": int(mine.sum()),
                    "texts that name it": int((naming & mine).sum()),
                    "texts of other classes that name it": int((naming & ~mine).sum()),
                }
            )
        if right:
            share = right / len(table)
            findings.append(
                Finding(
                    "texts_name_the_label",
                    "warning" if share >= MANY_NAMED else "info",
                    f"{task.name}: texts that name their own label",
                    f"At least {right} of {len(table)} ({share:.1%}) hold a word of its name; synonyms do not count.",
                    tuple(rows),
                )
            )
    return findings


def _naming(name: str, classes: Sequence[str]) -> re.Pattern[str]:
    """What names a class in a text: any word of its name that no other class has, long ones in forms that begin alike.

    `Abdomen` is named by abdominal too, and `Spine and Muscles` by spine and by muscle. A name of short words counts
    as a whole; an abbreviation such as `MR` may have one more letter: MRI.
    """
    others = {word for other in classes if other != name for word in _words(other)}
    words = [word for word in _words(name) if len(word) >= SHORTEST_WORD and word not in others | GENERIC]
    if words:
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(_forms, words))})", re.IGNORECASE)
    whole = r"\s+".join(map(re.escape, name.split()))
    is_abbreviation = len(name) > 1 and name.isalpha() and name.isupper()
    if is_abbreviation and not any(other.startswith(name) for other in classes if other != name):
        return re.compile(rf"(?<!\w)(?:(?i:{whole})|{whole}[A-Z])(?!\w)")
    return re.compile(rf"(?<!\w){whole}(?!\w)", re.IGNORECASE)


def _forms(word: str) -> str:
    if len(word) <= SHORTEST_STEM:
        return rf"{re.escape(word)}s?(?!\w)"
    return re.escape(word[: max(SHORTEST_STEM, len(word) - ENDING)])


def _words(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold())

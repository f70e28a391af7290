"""What the texts are like, and how much they give away."""

from __future__ import annotations

import re

import numpy as np

from distune.data.bag_of_words import WordBaseline
from distune.data.findings import Finding, Row, Section, Severity
from distune.data.table import SPLITS, Table

SEVERE_WORDS = 0.99
STRONG_WORDS = 0.90
MANY_EMPTY = 0.10
MANY_NAMED = 0.50


def text_lengths(table: Table) -> Section:
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
                    "95 %": float(np.percentile(words, 95)),
                    "longest": int(words.max()),
                }
            )
    return Section("Length of the texts", tuple(rows))


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


def word_section(baselines: list[WordBaseline]) -> Section:
    """Shows what a bag of words predicts, and by which words."""
    return Section(
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
    """Judges the baselines: a macro F1 on dev of 0.99 or more is severe, of 0.9 or more a warning."""
    findings = []
    for baseline in baselines:
        score = baseline.macro_f1
        severity: Severity = (
            "severe" if score >= SEVERE_WORDS else "warning" if score >= STRONG_WORDS else "info"
        )
        advice = {
            "severe": "The text gives the label away; no image is needed. Take the telling words out of the text.",
            "warning": "Judge every model against this number: most of the task is in the words.",
            "info": "A model that reads image and text should do better than this.",
        }[severity]
        findings.append(
            Finding(
                "words_alone",
                severity,
                f"{baseline.task}: words alone reach a macro F1 of {baseline.macro_f1:.4f} on dev",
                f"Always naming the most frequent class reaches {baseline.guessing:.4f}. {advice}",
            )
        )
    return findings


def named_label_findings(table: Table) -> list[Finding]:
    """Finds texts that hold the name of a class of the task as whole words."""
    findings = []
    for position, task in enumerate(table.tasks):
        rows: list[Row] = []
        right = 0
        for number, name in enumerate(task.classes):
            words = r"\s+".join(map(re.escape, name.split()))
            pattern = re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
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
                    f"{right} of {len(table)} ({share:.1%}).",
                    tuple(rows),
                )
            )
    return findings

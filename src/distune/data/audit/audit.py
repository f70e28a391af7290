"""The data's own report: what a reader of any score on this data should know first."""

from __future__ import annotations

from dataclasses import replace

from distune.data.audit.bag_of_words import word_baselines
from distune.data.audit.files import file_findings, file_forms, file_section
from distune.data.audit.findings import SEVERITIES, AuditReport, AuditSection, Finding
from distune.data.audit.labels import (
    balance_findings,
    class_balance,
    lookalike_label_findings,
    unseen_pair_findings,
)
from distune.data.audit.leaks import (
    duplicate_findings,
    group_findings,
    near_duplicate_findings,
    same_caption_findings,
    twin_case_findings,
)
from distune.data.audit.participant_flow import participant_flow
from distune.data.audit.perceptual_hash import thumbnails
from distune.data.audit.repeats import repeat_findings
from distune.data.audit.texts import (
    empty_text_findings,
    named_label_findings,
    text_lengths,
    word_findings,
    word_section,
)
from distune.data.audit.unlabelled import unlabelled_findings
from distune.data.audit.values import class_word_findings, reading_findings
from distune.data.fingerprint import image_fingerprints
from distune.data.table import Table
from distune.utils.text import counted

__all__ = ["AuditReport", "AuditSection", "Finding", "audit"]

MOST_CLASSES = 200
"""Classes of a task from which on it is not learned from words and file headers."""


def audit(table: Table) -> AuditReport:
    """Looks for leaks between the splits, shortcuts to the labels, and classes too small to evaluate.

    Labels of the test split are counted and compared between equal images, never predicted. The thresholds are
    written in the docstrings of the single rules, and the severe ones are: a case in two splits; an equal image
    file in two splits, or in an evaluated split and among the unlabelled rows; nearly equal images in 2 % of dev or
    test; a bag of words with a macro F1 of 0.99 on dev; the form of the image files with a skill of 0.95 on dev.

    Args:
        table: a table whose images have been checked; of examples without labels only the images count, and each
            label of a multi-label task counts as a task of two classes.

    Returns:
        The findings, the worst first, and tables that describe the data.
    """
    flow = participant_flow(table)
    whole = table.as_exclusive()
    table, pictured = whole.labelled(), whole.with_images()
    asked = _with_few_classes(table)
    words = word_baselines(asked)
    seen = table.with_images()
    forms = file_forms(seen.images)
    contents = image_fingerprints(pictured)
    of_image = dict(zip(pictured.images, contents, strict=True))
    content = [of_image[image] for image in seen.images]
    small = thumbnails(seen.images, seen.rules)
    findings = [
        *_split_findings(table),
        *_many_class_findings(table),
        *group_findings(table),
        *duplicate_findings(seen, content),
        *near_duplicate_findings(seen, content, small),
        *twin_case_findings(seen, content, small),
        *repeat_findings(seen, content),
        *unlabelled_findings(pictured, contents),
        *same_caption_findings(table),
        *word_findings(words),
        *named_label_findings(asked),
        *empty_text_findings(table),
        *file_findings(_with_few_classes(seen), forms),
        *balance_findings(table),
        *unseen_pair_findings(table),
        *lookalike_label_findings(table),
        *class_word_findings(table),
        *reading_findings(table),
    ]
    findings.sort(key=lambda finding: -SEVERITIES.index(finding.severity))
    sections = (
        flow,
        class_balance(table),
        text_lengths(table),
        word_section(words),
        file_section(_with_few_classes(seen), forms),
    )
    return AuditReport(findings=tuple(findings), sections=sections)


def _with_few_classes(table: Table) -> Table:
    """The table with the tasks whose classes are few enough to be learned from words and file headers in seconds."""
    kept = [position for position, task in enumerate(table.tasks) if len(task.classes) <= MOST_CLASSES]
    return replace(
        table, tasks=tuple(table.tasks[position] for position in kept), labels=table.labels[:, kept]
    )


def _many_class_findings(table: Table) -> list[Finding]:
    return [
        Finding(
            "many_classes",
            "warning",
            f"{task.name}: {counted(len(task.classes), 'class', 'classes')}",
            f"Above {MOST_CLASSES} the audit does not ask whether words or the form of the files tell them: that would "
            "take minutes. Is this column a label?",
        )
        for task in table.tasks
        if len(task.classes) > MOST_CLASSES
    ]


def _split_findings(table: Table) -> list[Finding]:
    if len(table.rows("test")):
        return []
    return [
        Finding(
            "no_test_split",
            "info",
            "there is no test split",
            "Scores on dev are optimistic: each training keeps its best epoch on dev, and tuning its best trial. "
            "Keep some cases apart to confirm the result.",
        )
    ]

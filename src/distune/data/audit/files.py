"""Whether the form of the image files tells the class, without looking at the picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from distune.data.audit.findings import AuditSection, Finding, Row
from distune.data.pixels.dicom import dicom_header_of
from distune.data.pixels.images import located
from distune.data.table import Table
from distune.utils.files.paths import naming
from distune.utils.threads import threaded

SEVERE_SKILL = 0.95
STRONG_SKILL = 0.25


@dataclass(frozen=True)
class FileForm:
    """What the header of an image file says."""

    format: str
    mode: str
    width: int
    height: int


def file_forms(paths: Sequence[str]) -> list[FileForm]:
    """Reads the header of every image file."""

    def read(image: str) -> FileForm:
        path, _ = located(image)
        if (header := dicom_header_of(path)) is not None:
            mode = f"{header.photometric} {header.bits} bit"
            return FileForm("DICOM", mode, header.width, header.height)
        with naming(Path(path)), Image.open(path) as opened:
            return FileForm(str(opened.format), opened.mode, *opened.size)

    return list(threaded(read, paths, step="reading image headers"))


def file_section(table: Table, forms: Sequence[FileForm]) -> AuditSection:
    """Shows formats and sizes by class."""
    rows: list[Row] = []
    for position, task in enumerate(table.tasks):
        for number, name in enumerate(task.classes):
            mine = [forms[row] for row in np.flatnonzero(table.labels[:, position] == number).tolist()]
            if mine:
                kinds = Counter(f"{form.format} {form.mode}" for form in mine)
                rows.append(
                    {
                        "task": task.name,
                        "class": name,
                        "files": ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()),
                        "median width": float(np.median([form.width for form in mine])),
                        "median height": float(np.median([form.height for form in mine])),
                    }
                )
    return AuditSection("Image files", tuple(rows))


def file_findings(table: Table, forms: Sequence[FileForm]) -> list[Finding]:
    """Predicts each task from format, colour mode, width and height alone.

    A small decision tree is trained on train and scored on dev by its skill
    `(macro F1 - 1 / classes) / (1 - 1 / classes)`: 0 is guessing, 1 is perfect. A skill of 0.95 is severe (the form
    of the file gives the label away), of 0.25 a warning.
    """
    from sklearn.metrics import f1_score
    from sklearn.tree import DecisionTreeClassifier

    kinds = sorted({(form.format, form.mode) for form in forms})
    inputs = np.array(
        [
            [float((form.format, form.mode) == kind) for kind in kinds]
            + [form.width, form.height, form.width / form.height]
            for form in forms
        ]
    )
    findings = []
    for position, task in enumerate(table.tasks):
        train, dev = table.rows("train", position), table.rows("dev", position)
        if not len(train) or not len(dev):  # none of them has an image
            continue
        tree = DecisionTreeClassifier(
            max_leaf_nodes=16, min_samples_leaf=5, class_weight="balanced", random_state=0
        )
        tree.fit(inputs[train], table.labels[train, position])
        predicted = tree.predict(inputs[dev])
        score = float(f1_score(table.labels[dev, position], predicted, average="macro", zero_division=0))
        chance = 1.0 / len(task.classes)
        skill = (score - chance) / (1.0 - chance)
        if skill >= STRONG_SKILL:
            findings.append(
                Finding(
                    "file_form_tells_class",
                    "severe" if skill >= SEVERE_SKILL else "warning",
                    f"{task.name}: the form of the image files alone reaches a macro F1 of {score:.4f} on dev",
                    "Format, colour mode, width and height differ between classes; a model can learn them in place "
                    "of the picture. Save all images in one form.",
                    tuple(row for row in file_section(table, forms).rows if row["task"] == task.name),
                )
            )
    return findings

"""A first config as commented YAML: what each line says, and why it is so here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distune.config import EncoderConfig
from distune.setup.columns import Layout
from distune.setup.data_section import columns_section
from distune.setup.encoders import Encoders
from distune.utils.text import one_line


@dataclass(frozen=True)
class FirstConfig:
    """Everything that a first config is written from.

    Attributes:
        name: names runs and studies.
        source: the table that it was made from.
        tables: folder with the tables of the splits.
        layout: what the columns are.
        encoders: those of teacher and student.
        max_tokens: longest text.
        train: rows of the train split.
        remarks: what the reader should know, as comments of the data section.
        extra: more lines of the data section.
    """

    name: str
    source: Path
    tables: Path
    layout: Layout
    encoders: Encoders
    max_tokens: int
    train: int
    remarks: tuple[str, ...] = ()
    extra: Mapping[str, object] | None = None


def config_text(first: FirstConfig) -> str:
    """The YAML, in the order of the schema."""
    layout, encoders = first.layout, first.encoders
    data = {
        **columns_section(first.tables, layout),
        "image_size": encoders.image_size,
        "max_tokens": first.max_tokens if layout.text else None,
        **(first.extra or {}),
    }
    why = {column.name: column.why for column in layout.columns}
    notes = {
        "root": "image paths start from here",
        "tables": f"made from {first.source.name}; the splits are kept, so scores can be compared",
        "image_column": why[layout.image],
        "text_column": why.get(layout.text or "", ""),
        "group_column": "all examples of one of these are in one split",
        "max_tokens": "95 % of the texts are shorter",
    }
    small = encoders.frozen or encoders.teacher[0].name.startswith("tiny")
    lines = [
        f"# Made by `distune init {one_line(first.source.name)}`.",
        "# Change what you know better; `distune check` validates it.",
        f"name: {_yaml(first.name)}",
        "data:",
        *(f"  # {one_line(remark)}" for remark in first.remarks),
        *([] if layout.text else ["  # No column holds a text, so the models below read the image alone."]),
        *(_line(key, value, notes.get(key)) for key, value in data.items() if value is not None),
        f"# Encoders: {encoders.why}.",
        *_model("teacher", encoders.teacher, first, small=small),
        *_model("student", encoders.student, first, small=small),
        "training:",
        f"  batch_size: {32 if small else 16}",
        "  class_weights: balanced  # rare classes count as much as frequent ones, as in the macro F1",
        "  label_smoothing: 0.05",
        "# `distune tune` searches these and the default ranges; each holds the value above, which is trial 0.",
        "search_space:",
        *_ranges(small=small, text=bool(layout.text)),
    ]
    return "\n".join(lines) + "\n"


def _line(key: str, value: object, note: str | None = None) -> str:
    comment = f"  # {one_line(note)}" if note else ""
    return f"  {key}: {_yaml(value)}{comment}"


def _yaml(value: object) -> str:
    """A value on one line; every text is quoted, so that no name of a column is read as something else."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(inner) for inner in value) + "]"
    if (
        isinstance(value, str)
        and value.isidentifier()
        and value.isascii()
        and value.lower() not in _YAML_WORDS
    ):
        return value
    return _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What no YAML file may hold as it is."""
_YAML_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none"}


def _model(
    role: str, encoders: tuple[EncoderConfig, EncoderConfig], first: FirstConfig, *, small: bool
) -> list[str]:
    is_teacher = role == "teacher"
    lines = [f"{role}:"]
    for part, encoder in zip(("vision", "text"), encoders, strict=True):
        if encoder.name == "none":
            lines.append(f"  {part}: none")
        elif encoder.freeze == "all":
            lines.append(f"  {part}: {{name: {encoder.name}, freeze: all}}")
        else:
            lines.append(f"  {part}: {encoder.name}")
    if not small:
        return [
            *lines,
            "  epochs: 3" if is_teacher else "  epochs: 10",
            f"  lr: {'1.0e-5' if is_teacher else '3.0e-4'}",
        ]
    # Few examples give few steps in an epoch: at least some hundred steps in all, whatever the size of the set.
    steps = max(1, first.train // 32)
    epochs = min(60, max(10 if is_teacher else 15, -(-(300 if is_teacher else 400) // steps)))
    rates = {True: ("3.0e-4", "5.0e-4"), False: ("1.0e-3", "1.0e-3")}[first.encoders.frozen]
    # Without texts there is nothing to fuse, and the width is that of what the heads read.
    fusion = [
        "  fusion: concat_mlp",
        "  fusion_tokens: pooled  # one vector an image and a text: seconds where whole sequences take minutes",
        f"  fusion_layers: {2 if is_teacher else 1}",
    ]
    return [
        *lines,
        *(fusion if first.layout.text else ()),
        f"  fusion_dim: {512 if is_teacher else 256}",
        "  dropout: 0.3",
        f"  epochs: {epochs}",
        f"  lr: {rates[0] if is_teacher else rates[1]}",
    ]


def _ranges(*, small: bool, text: bool) -> list[str]:
    if not small:
        return [
            "  teacher_lr: {type: float, low: 5.0e-6, high: 1.0e-4, log: true}",
            "  student_lr: {type: float, low: 1.0e-4, high: 5.0e-4, log: true}",
            "  label_smoothing: {type: float, low: 0.0, high: 0.15, key: training.label_smoothing}",
        ]
    return [
        "  teacher_lr: {type: float, low: 1.0e-4, high: 3.0e-3, log: true}",
        "  student_lr: {type: float, low: 1.0e-4, high: 3.0e-3, log: true}",
        "  alpha: {type: float, low: 0.5, high: 2.0}",
        "  beta: {type: float, low: 25.0, high: 200.0, log: true}",
        "  T: {type: float, low: 2.0, high: 6.0}",
        *(["  student_fusion_dim: {type: categorical, choices: [128, 192, 256, 384]}"] if text else []),
        "  teacher_dropout: {type: float, low: 0.1, high: 0.6}",
        "  student_dropout: {type: float, low: 0.1, high: 0.6}",
        "  label_smoothing: {type: float, low: 0.0, high: 0.15, key: training.label_smoothing}",
    ]

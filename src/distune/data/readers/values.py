"""What cells mean: which are missing, and which group or label each of the others names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from distune.config import DataConfig, TaskConfig
from distune.data.readers.doubts import (
    empty_texts,
    group_notes,
    label_notes,
    same_signs,
    subgroup_notes,
    text_notes,
    unused,
)
from distune.data.readers.problems import SHOWN, Fault
from distune.data.readers.raw_rows import RawExample
from distune.data.readers.spellings import case_twins, normal_form, one_spelling
from distune.utils.text import counted, first_of

LONGEST_TEXT = 131_072
"""Characters of a text that are kept; no model reads a tenth of them."""


def interpreted(
    examples: Sequence[RawExample], task_names: Sequence[str], config: DataConfig
) -> tuple[list[RawExample], list[list[Fault]], list[str]]:
    """Empties missing cells, joins spellings of one group or label, and applies `data.label_map`.

    What a table has in one spelling alone stays as it is written.

    Args:
        examples: as a reader found them.
        task_names: the label columns.
        config: gives the missing values and the label map.

    Returns:
        The examples in the same order; for each its faults (a group or label that looks like another one); and one
        line for each way in which cells were understood.
    """
    missing = MissingWords(config.missing_values)
    texts = [missing("text", example.text) for example in examples]
    groups = [missing("group", example.group) for example in examples]
    columns = [
        [
            # Made of a column a label: its names are no cells, so none of them is a word for nothing.
            example.labels[task]
            if _has_columns(name, config)
            else missing(f"label {name}", example.labels[task])
            for example in examples
        ]
        for task, name in enumerate(task_names)
    ]
    subgroups, of_subgroups = _subgroups(examples, config.subgroup_columns, missing)
    notes = [*missing.notes(), *text_notes(texts)]
    if config.missing == "stop":
        notes += empty_texts(texts)
    faults: list[list[Fault]] = [[] for _ in examples]
    joined, noted = one_spelling(groups, "group")
    notes += [*noted, *group_notes(joined), *of_subgroups]
    in_train = [example.split == "train" for example in examples]
    twins = case_twins(joined, in_train)
    for own, group in zip(faults, joined, strict=True):
        _add(own, [group], twins, "group", GROUP_REMEDY)
    for task, name in enumerate(task_names):
        columns[task], noted = _labels(name, columns[task], in_train, config, faults)
        notes += noted
    long = sum(len(text) > LONGEST_TEXT for text in texts)
    if long:
        notes.append(f"text: {long} longer than {LONGEST_TEXT:,} characters, cut there")
    changed = [
        _with(example, text[:LONGEST_TEXT], group, own, labels)
        for example, text, group, own, labels in zip(
            examples,
            texts,
            joined,
            subgroups,
            zip(*columns, strict=True) if columns else [()] * len(examples),
            strict=True,
        )
    ]
    return changed, faults, notes


def _labels(
    name: str, cells: Sequence[str], in_train: Sequence[bool], config: DataConfig, faults: list[list[Fault]]
) -> tuple[list[str], list[str]]:
    """The cells of one label column as their classes are named, with a line for each way of understanding them.

    What is wrong with a cell is added to the faults of its example.
    """
    settings = config.tasks.get(name, TaskConfig())
    label_map = dict((config.label_map or {}).get(name, {}))
    parts = [cell_parts(cell, settings) for cell in cells]
    written = [part for own in parts for part in own]
    notes = unused(name, written, label_map)
    named, noted = one_spelling([mapped_label(label, label_map) for label in written], f"label {name}")
    named = _in_order(named, settings.order or ())
    notes += [*noted, *same_signs(f"label {name}", named)]
    if settings.columns is None:
        none = [settings.negative] if settings.separator else []
        meant = {*label_map.values(), *(settings.order or ()), *none}
        notes += label_notes(name, named, meant, negative=settings.negative if settings.separator else None)
    of_train = [is_train for own, is_train in zip(parts, in_train, strict=True) for _ in own]
    twins = case_twins(named, of_train, apart=set(label_map.values()))
    remedy = f"give one: data.label_map: {{{name}: {{spelling: class}}}}; to keep both, map each to itself"
    left = iter(named)
    spelled = [[next(left) for _ in own] for own in parts]
    for own, cell, found in zip(faults, cells, spelled, strict=True):
        own += _contradictions(name, cell, found, settings)
        _add(own, found, twins, f"label of task {name!r}", remedy)
    return [(settings.separator or "").join(own) for own in spelled], notes


def _subgroups(
    examples: Sequence[RawExample], columns: Sequence[str], missing: MissingWords
) -> tuple[list[tuple[str, ...]], list[str]]:
    """The subgroups of each example, understood as groups are, with a line for each way of understanding them."""
    notes: list[str] = []
    understood: list[list[str]] = []
    for place, name in enumerate(columns):
        what = f"subgroup {name}"
        cells = [example.subgroups[place] if example.subgroups else "" for example in examples]
        values, noted = one_spelling([missing(what, cell) for cell in cells], what)
        twins = case_twins(values)
        alike = [f"{other!r}, {value!r}" for value, other in twins.items()]
        notes += [*noted, *([f"{what}: {first_of(alike, SHOWN, '; ')} count as one"] if alike else [])]
        understood.append([twins.get(value, value) for value in values])
        notes += subgroup_notes(name, understood[-1])
    return list(zip(*understood, strict=True)) if understood else [()] * len(examples), notes


def _has_columns(task: str, config: DataConfig) -> bool:
    return config.tasks.get(task, TaskConfig()).columns is not None


GROUP_REMEDY = "one patient needs one spelling: correct the file"


def _with(
    example: RawExample, text: str, group: str, subgroups: tuple[str, ...], labels: tuple[str, ...]
) -> RawExample:
    if (text, group, subgroups, labels) == (example.text, example.group, example.subgroups, example.labels):
        return example
    return replace(example, text=text, group=group, subgroups=subgroups, labels=labels)


class MissingWords:
    """Empties the cells that stand for nothing, and counts them by column.

    Args:
        values: the words for nothing, as in `data.missing_values`.
    """

    def __init__(self, values: Iterable[str]):
        self._values = {value.strip().casefold() for value in values} | {""}
        self._found: dict[str, Counter[str]] = {}
        self._known: dict[str, bool] = {}

    def __call__(self, column: str, cell: str) -> str:
        """The cell, or an empty text in its place."""
        if len(cell) > 40:  # no word for nothing, and no memory for every text
            return cell
        is_missing = self._known.get(cell)
        if is_missing is None:
            is_missing = self._known[cell] = cell.strip().casefold() in self._values
        if not is_missing:
            return cell
        self._found.setdefault(column, Counter())[cell.strip()] += 1
        return ""

    def notes(self) -> list[str]:
        """A line for each column with words for nothing."""
        lines = []
        for column, counts in self._found.items():
            words = ", ".join(f"{word!r}: {count}" for word, count in counts.most_common() if word)
            if words:
                lines.append(
                    f"{column}: {counted(counts.total(), 'cell is missing', 'cells are missing')}, of them "
                    f"written as a word {words}"
                )
        return lines


def cell_parts(cell: str, settings: TaskConfig) -> list[str]:
    """The labels of a cell as they are written: several where the task has a separator."""
    if settings.separator is None or cell.strip() == settings.negative:
        return [cell]
    return cell.split(settings.separator)


def mapped_label(label: str, label_map: Mapping[str, str]) -> str:
    """The class that a spelling is mapped to, and the spelling itself where the map does not name it."""
    return label_map.get(label, label_map.get(label.strip(), label))


def _in_order(labels: list[str], order: Sequence[str]) -> list[str]:
    """Labels of an ordinal task as its order has them, where they differ in form alone, such as `1` for `1.0`."""
    forms = {normal_form(name): name for name in order}
    return [label if label in order else forms.get(normal_form(label), label) for label in labels]


def _contradictions(task: str, cell: str, parts: Sequence[str], settings: TaskConfig) -> list[Fault]:
    """What is wrong with a cell of several labels: the word for no label is one of them, or there is none."""
    held = [part.strip() for part in parts]
    if len(held) < 2 or not (settings.negative in held or not any(held)):
        return []
    remedy = f"write the labels alone, {settings.negative!r} alone, or leave the cell empty"
    return [Fault(f"labels of task {task!r} that contradict each other", repr(cell), remedy)]


def _add(
    faults: list[Fault], values: Sequence[str], twins: Mapping[str, str], what: str, remedy: str
) -> None:
    faults += [
        Fault(f"{what} in two spellings that look alike", f"{value!r}, {twins[value]!r}", remedy)
        for value in values
        if value in twins
    ]

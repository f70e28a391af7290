"""From files to the one table of examples, with every problem named at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import compress

import numpy as np

from distune.components import READERS
from distune.config import DataConfig
from distune.data.demo.demo import read_demo
from distune.data.folds import with_fold
from distune.data.labels import PLAIN, encoded_label, parts, task_of
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.data.pixels.several_pictures import several_pictures
from distune.data.readers.checks import (
    NOTHING_KNOWN,
    checked_images,
    label_problems,
    split_problems,
    value_problems,
)
from distune.data.readers.doubts import repeated
from distune.data.readers.image_files import ImageFiles, image_paths, wrong_root
from distune.data.readers.problems import Fault, Faulty, by_cause, by_example
from distune.data.readers.raw_form import check_raw_table
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.readers.values import interpreted
from distune.data.table import Table, confused
from distune.data.unlabelled import keep_labels, leak_problems, left_out, set_apart
from distune.errors import DataError
from distune.utils.arguments import check_argument
from distune.utils.files.paths import locale_hint
from distune.utils.text import nearest_hint


def read_table(
    config: DataConfig,
    *,
    check_images: bool = True,
    known: Mapping[str, Collection[str]] = NOTHING_KNOWN,
) -> Table:
    """Reads a data set and checks every example.

    Args:
        config: where the data set is and how it is read.
        check_images: decode every image file; a caller whose process or parent has just checked the same
            set may leave it out. With `on_bad_example: drop` the images are always decoded, because the
            table would otherwise hold other examples.
        known: by task, classes that a student knows already. Its set is evaluated as one table: train need not hold
            these classes, and rows of any split may lack labels.

    Returns:
        The usable examples in file order, the files of train, dev and test one after the other, also where
        `data.fold` makes other splits of them, then those of `data.unlabelled`; the classes of each task are the sorted
        labels of the train split and those known. With `on_bad_example: drop`, `dropped` names what was left out.

    Raises:
        DataError: the set cannot be used; every cause is listed with its examples.
    """
    check_argument("config", config, DataConfig)
    check_argument("known", known, Mapping)
    for classes in known.values():
        check_argument("known", classes, list, tuple, set, frozenset)
        for name in classes:
            check_argument("known", name, str)
    root = config.root
    if config.reader == "demo":
        raw = read_demo(config)
    elif not root.is_dir():
        hint = locale_hint(str(root))
        raise DataError(
            root, [f"there is no such folder; set data.root (or --data-root) to the data set{hint}"]
        )
    else:
        raw = READERS[config.reader](config)
        if READERS.source(config.reader):  # a plugin's
            raw = check_raw_table(raw, config)
    _check_tasks(config, raw)
    usable, faults, spread = _checked(raw, config, check_images or config.on_bad_example == "drop", known)
    structure = raw.structure + spread + _subgroup_problems(config, raw)
    if not structure and not known:
        # A split whose every example is at fault is no second problem, but for one who drops them.
        drops = config.on_bad_example == "drop" or not faults
        left = [example for example, _ in usable] if drops else raw.examples
        structure = split_problems(left, raw.read, raw.task_names, config.tasks)
    if structure or (faults and config.on_bad_example == "stop"):
        raise DataError(root, [*structure, *by_cause(faults)], by_example(faults))
    return _table(config, raw, usable, by_example(faults), known)


def _check_tasks(config: DataConfig, raw: RawTable) -> None:
    known = ", ".join(raw.task_names)
    problems = [
        f"data.{section}: there is no task {name!r}{nearest_hint(name, raw.task_names)}; tasks: {known}"
        for section, named in (("tasks", config.tasks), ("label_map", config.label_map or {}))
        for name in named
        if name not in raw.task_names
    ]
    missing = {word.strip().casefold() for word in config.missing_values}
    problems += [
        f"data.label_map.{name}: {spelling!r} becomes {label!r}, a word of data.missing_values; map it to '' where its "
        "label is not known, or take the word from that list"
        for name, spellings in (config.label_map or {}).items()
        for spelling, label in spellings.items()
        if label.strip() and label.strip().casefold() in missing
    ]
    if problems and not raw.structure:
        raise DataError(config.root, problems)


def _subgroup_problems(config: DataConfig, raw: RawTable) -> list[str]:
    """The columns that no example has a value of: a misspelt field, or a reader that knows no such columns."""
    if raw.structure or not raw.examples:
        return []
    held = [example.subgroups for example in raw.examples if example.subgroups]
    return [
        f"data.subgroup_columns: no example has a value of {name!r}"
        for place, name in enumerate(config.subgroup_columns)
        if not any(values[place] for values in held)
    ]


def pixel_rules(config: DataConfig) -> PixelRules:
    """How a data set's image files become pixels; prediction takes the same rules."""
    return PixelRules(window=config.window, percentiles=config.percentiles)


def _checked(
    raw: RawTable, config: DataConfig, check_images: bool, known: Mapping[str, Collection[str]]
) -> tuple[list[tuple[RawExample, str]], list[Faulty], list[str]]:
    """Returns the usable examples with their image files, what is wrong with each other one, and with all of them."""
    drops = config.on_bad_example == "drop"
    examples, spellings, notes = interpreted(raw.examples, raw.task_names, config)
    faults = value_problems(
        examples, raw.task_names, allow_missing=config.missing == "allow", needs_labels=not known
    )
    _append(faults, spellings)
    if config.missing == "allow" and not known:
        examples = set_apart(examples)
    files = ImageFiles(config.root, follow_links=config.follow_links)
    paths = image_paths(files, examples, faults, may_lack=config.missing == "allow")
    raw.notes += notes + files.notes()
    if (wrong := wrong_root(config.root, examples, faults)) is not None:
        return [], [], [wrong]
    if check_images:
        raw.notes += _check_images(examples, paths, faults, config)
    good = [not own for own in faults]
    is_whole = not raw.structure and (all(good) or drops)
    if config.fold is not None and is_whole:
        folded = with_fold(list(compress(examples, good)), config.fold, raw.task_names, config.tasks)
        examples = left_out(_put_back(examples, good, folded))
    if config.label_fraction < 1.0 and is_whole:
        usable_ones = list(compress(examples, good))
        kept = keep_labels(usable_ones, config.label_fraction, raw.task_names, config.tasks)
        examples = _put_back(examples, good, kept)
    _append(faults, leak_problems(examples))
    raw.notes += [] if known else repeated(examples, paths)
    if "train" in raw.read and any(example.split == "train" for example in examples):
        # Where bad examples stop everything, a class that only they have is not a second problem.
        counted = good if drops else [True] * len(examples)
        _append(faults, label_problems(examples, counted, raw.task_names, config.tasks, known))
    rows = list(zip(examples, paths, faults, strict=True))
    usable = [(example, path) for example, path, own in rows if path is not None and not own]
    return (
        usable,
        [*raw.bad_rows, *((example.origin, fault) for example, _, own in rows for fault in own)],
        [],
    )


def _append(faults: list[list[Fault]], more: list[list[Fault]]) -> None:
    for own, found in zip(faults, more, strict=True):
        own += found


def _put_back(examples: list[RawExample], good: list[bool], changed: list[RawExample]) -> list[RawExample]:
    """All examples, the good ones as they were changed."""
    left = iter(changed)
    return [next(left) if usable else example for example, usable in zip(examples, good, strict=True)]


def _check_images(
    examples: list[RawExample], paths: list[str | None], faults: list[list[Fault]], config: DataConfig
) -> list[str]:
    """Adds what is wrong with image files, and notes how many hold more pictures than the one that is read."""
    rows = [row for row, path in enumerate(paths) if path]
    checked = checked_images(
        [path for path in paths if path], config.max_image_megapixels, pixel_rules(config)
    )
    several, flat = [], []
    for row, image in zip(rows, checked, strict=True):
        name = examples[row].image
        if image.problem is not None:
            faults[row].append(replace(image.problem, detail=f"{name!r} {image.problem.detail}".strip()))
        elif image.is_one_of_several:
            several.append(name)
        if image.is_flat:
            flat.append(name)
    notes = [several_pictures(several)] if several else []
    if flat:
        notes.append(
            f"image: {len(flat)} of {len(rows)}, of more than 8 bits, shown as a single grey, as where all values lie "
            f"outside the window (data.window, or a DICOM file's own), such as {flat[0]!r}"
        )
    idle = [
        f"data.{name}"
        for name in ("window", "percentiles")
        if getattr(config, name) != getattr(DEFAULT, name)
    ]
    if idle and checked and not any(image.is_deep for image in checked):
        notes.append(f"{' and '.join(idle)}: without effect, as no image has more than 8 bits")
    return notes


def _table(
    config: DataConfig,
    raw: RawTable,
    usable: list[tuple[RawExample, str]],
    dropped: list[str],
    known: Mapping[str, Collection[str]],
) -> Table:
    examples = [example for example, _ in usable]
    settings = [config.tasks.get(name, PLAIN) for name in raw.task_names]
    tasks = tuple(
        task_of(
            name,
            own,
            {part for e in examples if e.split == "train" for part in parts(e.labels[position], own)}
            | set(known.get(name, ())),
        )
        for position, (name, own) in enumerate(zip(raw.task_names, settings, strict=True))
    )
    if problem := confused(tasks):
        raise DataError(config.root, [problem])
    labels = np.array(
        [
            [
                number
                for label, task, own in zip(example.labels, tasks, settings, strict=True)
                for number in encoded_label(label, task, own)
            ]
            for example in examples
        ],
        dtype=np.int64,
    )
    return Table(
        root=config.root.resolve(),
        ids=tuple(example.id for example in examples),
        images=tuple(path for _, path in usable),
        texts=tuple(example.text for example in examples),
        labels=labels,
        groups=tuple(example.group for example in examples),
        splits=tuple(example.split for example in examples),
        tasks=tasks,
        dropped=tuple(dropped),
        notes=tuple(raw.notes),
        rules=pixel_rules(config),
        subgroups={
            name: tuple(example.subgroups[place] for example in examples)
            for place, name in enumerate(config.subgroup_columns)
        },
        may_lack=config.missing == "allow",
    )

"""What makes an example unusable: its values and its image file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from distune.config import TaskConfig
from distune.data.labels import PLAIN, parts
from distune.data.pixels.dicom import dicom_header_in
from distune.data.pixels.images import is_deep, located, pixels_of
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.data.pixels.several_pictures import has_more
from distune.data.readers.problems import Fault
from distune.data.readers.raw_rows import RawExample
from distune.data.table import EVALUATED, Split
from distune.errors import UserError, is_of_the_machine
from distune.utils.files.paths import naming
from distune.utils.text import NOT_UNICODE, is_unicode, listed, nearest_hint
from distune.utils.threads import threaded

_LEAVE_OUT = "fill it in, or leave such rows out"
_NO_LABEL = f"{_LEAVE_OUT}; data.missing: allow takes a train row without one"
NO_SETTINGS: Mapping[str, TaskConfig] = {}
NOTHING_KNOWN: Mapping[str, Collection[str]] = {}


def value_problems(
    examples: Sequence[RawExample],
    task_names: Sequence[str],
    *,
    allow_missing: bool = False,
    needs_labels: bool = True,
) -> list[list[Fault]]:
    """Checks ids, groups, texts and labels, each example for itself.

    Args:
        examples: all examples.
        task_names: the label columns.
        allow_missing: a row may lack labels, its image or its text; one of dev or test needs a label at least, to be
            evaluated on.
        needs_labels: False takes a row of any split without them.

    Returns:
        For each example its faults, empty where there is nothing wrong.
    """
    first_origin: dict[str, str] = {}
    problems = []
    for example in examples:
        empty = [task for task, label in zip(task_names, example.labels, strict=True) if not label.strip()]
        faults = [Fault(f"empty label for task {task!r}", remedy=_NO_LABEL) for task in empty]
        may_lack = allow_missing and example.split == "train"
        if example.split == "unlabelled" or may_lack or not needs_labels:
            faults = []
        elif allow_missing:
            of_split = f"a row of the {example.split} split is there to be evaluated on"
            none = Fault("no label at all", of_split, _LEAVE_OUT)
            faults = [none] if len(empty) == len(task_names) else []
        if allow_missing and not (example.image.strip() or example.text.strip()):
            faults.append(Fault("neither an image nor a text", "a row needs one of them"))
        if not example.group.strip():
            faults.append(Fault("empty group", "the patient or case is not known", _LEAVE_OUT))
        if not _is_unicode(example):
            faults.append(Fault(NOT_UNICODE))
        first = first_origin.setdefault(example.id, example.origin)
        if first != example.origin:
            faults.append(Fault("id is already taken", f"{example.id!r} by {first}"))
        problems.append(faults)
    return problems


def _is_unicode(example: RawExample) -> bool:
    texts = (example.id, example.image, example.text, example.group, *example.labels, *example.subgroups)
    return is_unicode("".join(texts))


def label_problems(
    examples: Sequence[RawExample],
    usable: Sequence[bool],
    task_names: Sequence[str],
    settings: Mapping[str, TaskConfig] = NO_SETTINGS,
    known: Mapping[str, Collection[str]] = NOTHING_KNOWN,
) -> list[list[Fault]]:
    """Finds labels of dev and test that no usable train example has; they are never mapped to another class.

    The classes of an ordinal task are those of its order, in every split.

    Args:
        examples: all examples.
        usable: whether an example counts: it has passed every other check, or that of another is what is wrong.
        task_names: the label columns.
        settings: the sections of tasks that are ordinal or multi-label.
        known: by task, classes that train need not have.
    """
    kinds = [settings.get(name, PLAIN) for name in task_names]
    there = [
        set(kind.order or kind.columns or ())
        or {
            part
            for example, good in zip(examples, usable, strict=True)
            if good and example.split == "train"
            for part in parts(example.labels[task], kind)
        }.union(known.get(name, ()))
        for task, (name, kind) in enumerate(zip(task_names, kinds, strict=True))
    ]
    return [
        [
            Fault(
                f"label of task {name!r} that "
                + ("its order lacks" if kind.order else "does not occur in train"),
                f"{label!r}{nearest_hint(label, classes)}",
                "leave such examples out, or join the class with another one (data.label_map)",
            )
            for name, written, classes, kind in zip(task_names, example.labels, there, kinds, strict=True)
            if example.split in EVALUATED or (kind.order and example.split == "train")
            for label in parts(written, kind)
            if label.strip() and label not in classes
        ]
        for example in examples
    ]


class CheckedImage(NamedTuple):
    """Why an image file is unusable, or None; whether it holds more pictures than the one read, and deep values.

    It is flat where deep values all become one grey, as outside of a window.
    """

    problem: Fault | None
    is_one_of_several: bool = False
    is_deep: bool = False
    is_flat: bool = False


def image_problems(
    paths: Sequence[str], max_megapixels: float, rules: PixelRules = DEFAULT
) -> list[Fault | None]:
    """What `checked_images` finds wrong with each image file."""
    return [checked.problem for checked in checked_images(paths, max_megapixels, rules)]


def checked_images(
    paths: Sequence[str], max_megapixels: float, rules: PixelRules = DEFAULT
) -> list[CheckedImage]:
    """Decodes every image file, its size checked first, so that a small file cannot ask for much memory.

    Args:
        paths: existing files; a file named twice is decoded once.
        max_megapixels: larger images are refused by their header.
        rules: how deep pixels become 8 bits.
    """
    distinct = list(dict.fromkeys(paths))
    checked = threaded(
        lambda path: _checked_image(path, max_megapixels, rules), distinct, step="checking images"
    )
    found = dict(zip(distinct, checked, strict=True))
    return [found[path] for path in paths]


def _checked_image(image: str, max_megapixels: float, rules: PixelRules) -> CheckedImage:
    name, frame = located(image)
    path = Path(name)
    try:
        with naming(path), path.open("rb") as file:
            width, height, more, deep = _header(file, name)
            if width * height > max_megapixels * 1e6:
                limit_name = f"image is larger than data.max_image_megapixels {max_megapixels:g}"
                return CheckedImage(Fault(limit_name, f"{width} x {height} pixels"))
            file.seek(0)
            content = file.read()
    except UserError as error:
        return CheckedImage(Fault("image cannot be read", str(error)))
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return CheckedImage(Fault(f"image is larger than Pillow's safety limit, {limit:.0f} MP"))
    except UnidentifiedImageError:
        return CheckedImage(
            Fault("image file is empty" if path.stat().st_size == 0 else "file is not an image")
        )
    except Exception as error:  # Pillow's plugins raise what they like on damaged files
        if is_of_the_machine(error) or isinstance(error, FileNotFoundError):  # it was there a moment ago
            raise
        return CheckedImage(Fault("image is not readable", str(error)))
    try:
        shown = pixels_of(content, rules, frame, suffix=path.suffix)
    except UserError as error:
        return CheckedImage(Fault("image cannot be decoded", str(error)))
    deep = is_deep(content) if deep is None else deep
    is_flat = deep and bool(shown.min() == shown.max())
    return CheckedImage(None, is_one_of_several=more and frame is None, is_deep=deep, is_flat=is_flat)


def _header(file: BinaryIO, path: str) -> tuple[int, int, bool, bool | None]:
    """Width and height by the header of a file, whether it holds several pictures, and of DICOM whether it is deep."""
    if (header := dicom_header_in(file, path)) is not None:
        return header.width, header.height, header.frames > 1, header.bits > 8 or header.in_units
    file.seek(0)
    with Image.open(file) as opened:
        return *opened.size, has_more(opened), None


def split_problems(
    examples: Sequence[RawExample],
    read: Mapping[Split, str],
    task_names: Sequence[str],
    settings: Mapping[str, TaskConfig] = NO_SETTINGS,
) -> list[str]:
    """Finds splits without a usable example and tasks with fewer than two classes.

    Args:
        examples: the usable examples.
        read: the file of each split that was read.
        task_names: the label columns.
        settings: the sections of tasks that are ordinal or multi-label.
    """
    sizes = Counter(example.split for example in examples)
    problems = [
        f"{name}: the {split} split has no usable example"
        + ("; remove the file if there is no test split" if split == "test" else "")
        for split, name in read.items()
        if not sizes[split]
    ]
    if sizes["train"]:
        for position, task in enumerate(task_names):
            kind = settings.get(task, PLAIN)
            train = (e.labels[position] for e in examples if e.split == "train")
            classes = sorted({part for label in train for part in parts(label, kind)})
            if kind.kind == "multi_label" and classes:
                continue
            if len(classes) < 2:
                problems.append(
                    f"{read.get('train', 'train')}: task {task!r} needs two classes or more in the "
                    f"train split, and has {listed(classes)}"
                )
    for split, name in read.items():
        rows = [example for example in examples if example.split == split]
        problems += [
            f"{name}: task {task!r} has no label in the {split} split, so nothing can be evaluated on it"
            for position, task in enumerate(task_names)
            if split in EVALUATED and rows and not any(row.labels[position] for row in rows)
        ]
    return problems

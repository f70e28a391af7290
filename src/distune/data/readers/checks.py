"""What makes an example unusable: its values and its image file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from distune.data.dicom import dicom_header_of
from distune.data.images import FRAME, located, read_pixels
from distune.data.intensity import DEFAULT, PixelRules
from distune.data.readers.raw import RawExample
from distune.data.table import Split
from distune.errors import UserError
from distune.utils.text import listed, nearest_hint
from distune.utils.threads import threaded


def value_problems(examples: Sequence[RawExample], task_names: Sequence[str]) -> list[list[str]]:
    """Judges ids, groups, texts and labels, each example for itself.

    Returns:
        For each example its reasons, empty where there is nothing wrong.
    """
    first_origin: dict[str, str] = {}
    problems = []
    for example in examples:
        reasons = [
            f"empty label for task {task!r}"
            for task, label in zip(task_names, example.labels, strict=True)
            if not label.strip()
        ]
        if not example.group.strip():
            reasons.append("empty group: the patient or case is not known")
        if not _is_unicode(example):
            reasons.append("text that is not valid Unicode (half of a surrogate pair)")
        first = first_origin.setdefault(example.id, example.origin)
        if first != example.origin:
            reasons.append(f"id {example.id!r} is already taken by {first}")
        problems.append(reasons)
    return problems


def _is_unicode(example: RawExample) -> bool:
    try:
        "".join((example.id, example.text, example.group, *example.labels)).encode()
    except UnicodeEncodeError:
        return False
    return True


def label_problems(
    examples: Sequence[RawExample], usable: Sequence[bool], task_names: Sequence[str]
) -> list[list[str]]:
    """Finds labels of dev and test that no usable train example has; they are never mapped to another class.

    Args:
        examples: all examples.
        usable: whether an example has passed every other check.
        task_names: the label columns.
    """
    known = [
        {
            example.labels[task]
            for example, good in zip(examples, usable, strict=True)
            if good and example.split == "train"
        }
        for task in range(len(task_names))
    ]
    return [
        [
            f"label {label!r} of task {name!r} does not occur in train{nearest_hint(label, classes)}"
            for name, label, classes in zip(task_names, example.labels, known, strict=True)
            if example.split != "train" and label.strip() and label not in classes
        ]
        for example in examples
    ]


def image_paths(
    root: Path, examples: Sequence[RawExample], problems: Sequence[list[str]]
) -> list[str | None]:
    """Finds the image file of every example.

    Args:
        root: no file is outside it.
        examples: all examples.
        problems: for each example its reasons; the one why there is no file is added.

    Returns:
        For each example the resolved path of its file, or None; as text, because a path object of every example
        takes more memory than all its values.
    """
    real_root = root.resolve()
    folders: dict[Path, Path] = {}
    paths: list[str | None] = []
    for example, reasons in zip(examples, problems, strict=True):
        image, frame = located(example.image)
        found = _image_path(real_root, image, folders)
        if isinstance(found, Path):
            paths.append(str(found) if frame is None else f"{found}{FRAME}{frame}")
        else:
            paths.append(None)
            reasons.append(found)
    return paths


def _image_path(root: Path, image: str, folders: dict[Path, Path]) -> Path | str:
    """Returns the file, or the reason why there is none."""
    if not image.strip():
        return "no image path"
    try:
        path = root / image
        folder = folders.get(path.parent)
        if folder is None:
            folder = folders[path.parent] = path.parent.resolve()
        real = Path(os.path.realpath(folder / path.name)) if path.name else folder
        if not real.is_relative_to(root):
            return f"image {image!r} leaves the data root; put the file under it"
        if real.is_file():
            return real
        return f"image {image!r} is {'not a file' if real.exists() else 'missing'}"
    except (OSError, ValueError, RuntimeError) as error:
        return f"image {image!r} is no usable path: {error}"


def image_problems(
    paths: Sequence[str], max_megapixels: float, rules: PixelRules = DEFAULT
) -> list[str | None]:
    """Decodes every image file, its size checked first, so that a small file cannot ask for much memory.

    Args:
        paths: existing files; a file named twice is decoded once.
        max_megapixels: larger images are refused by their header.
        rules: how deep pixels become 8 bits.

    Returns:
        For each path the reason why it is unusable, or None.
    """
    distinct = list(dict.fromkeys(paths))
    problems = threaded(lambda path: _image_problem(path, max_megapixels, rules), distinct)
    found = dict(zip(distinct, problems, strict=True))
    return [found[path] for path in paths]


def _image_problem(image: str, max_megapixels: float, rules: PixelRules) -> str | None:
    path, _ = located(image)
    try:
        if (header := dicom_header_of(path)) is not None:
            width, height = header.width, header.height
        else:
            with Image.open(path) as opened:
                width, height = opened.size
    except UserError as error:
        return f"image is {error}"
    except Image.DecompressionBombError:
        return f"image is larger than Pillow's safety limit, {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} MP"
    except UnidentifiedImageError:
        return "image file is empty" if Path(path).stat().st_size == 0 else "file is not an image"
    except (OSError, ValueError, SyntaxError) as error:
        return f"image is not readable: {error}"
    if width * height > max_megapixels * 1e6:
        return (
            f"image of {width} x {height} pixels is larger than data.max_image_megapixels {max_megapixels:g}"
        )
    try:
        read_pixels(image, rules)
    except UserError as error:
        return f"image is {str(error).removeprefix(f'{image}: ')}"
    return None


def split_problems(
    examples: Sequence[RawExample], read: Mapping[Split, str], task_names: Sequence[str]
) -> list[str]:
    """Finds splits without a usable example and tasks with fewer than two classes.

    Args:
        examples: the usable examples.
        read: the file of each split that was read.
        task_names: the label columns.
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
            classes = sorted({e.labels[position] for e in examples if e.split == "train"})
            if len(classes) < 2:
                problems.append(
                    f"{read.get('train', 'train')}: task {task!r} needs two classes or more in the "
                    f"train split, and has {listed(classes)}"
                )
    return problems

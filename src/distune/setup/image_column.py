"""The column of an unknown table that names image files, and the folder that they start from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from distune.data.readers.image_files import ImageFiles
from distune.errors import UserError
from distune.setup.cells import SAMPLE, Cells, cells_of, check_columns, is_named
from distune.utils.text import listed

Named = TypeVar("Named")
_FEW = 5
_DECIMAL = re.compile(r"[+-]?\d*[.,]\d+(e[+-]?\d+)?|[+-]?\d+e[+-]?\d+", re.I)


def images_of(
    folder: Path, header: Sequence[str], rows: Sequence[Sequence[str]], wished: str | None = None
) -> tuple[str, ImageFiles]:
    """The column that names image files, and the files that it names.

    Raises:
        UserError: no column does.
    """
    check_columns(header, (wished,))
    columns = cells_of(header, rows, lambda cell: not cell.strip())
    name, files, _ = image_column(folder, columns, wished)
    return name, files


def image_column(
    folder: Path,
    columns: Mapping[str, Cells],
    wished: str | None,
    others: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ImageFiles, str]:
    """The column whose cells name image files, the folder that they start from, and how many do.

    Args:
        folder: where the table lies.
        columns: all columns.
        wished: the one that the user names for images; None looks for it.
        others: columns that the user names for something else, each with its option; none of them is taken.

    Raises:
        UserError: no column names image files, or it is not clear which is meant.
    """
    near, below = _roots(folder)
    able = {name: cells for name, cells in columns.items() if name not in others}
    best = _most_found(able, [ImageFiles(root) for root in near + below], wished)
    follow_links = best is None
    if best is None:
        best = _most_found(able, [ImageFiles(root, follow_links=True) for root in near + below], wished)
    if best is None or (best[0] < 0.5 and wished is None):
        if wished is None:
            _refuse_named({name: columns[name] for name in others}, near + below, others)
        which = f"column {wished!r} names no" if wished else "no column names"
        most = f"; column {best[1]!r} does in {best[0]:.0%} of the cells that were tried" if best else ""
        raise UserError(
            f"{which} image files under {folder}, the two folders above it, or below it{most}; put the table beside "
            "its images, and name the column with --image"
        )
    share, name, files = best
    if files.root in below:
        places = [ImageFiles(root, follow_links=follow_links) for root in below]
        files = _of_folders(able[name], files, places, near[0])
    if wished is None:
        name = _of_rivals(name, able, files)
    if (name, files) != best[1:]:
        share, name, files = _most_found(able, [files], name) or best
    if isinstance(files.find(name), Path):
        raise UserError(
            f"the first row names no columns: {name!r} is an image file; write a row above it with the columns' names"
        )
    linked = ", behind links" if files.follow_links else ""
    return name, files, f"{share:.0%} of the cells that were tried name files under {files.root}{linked}"


def _refuse_named(named: Mapping[str, Cells], roots: Sequence[Path], options: Mapping[str, str]) -> None:
    """Refuses to take the only column of images for something else."""
    found = _most_found(named, [ImageFiles(root, follow_links=True) for root in roots], None)
    if found is not None and found[0] >= 0.5:
        option = options[found[1]]
        raise UserError(
            f"column {found[1]!r}, named with {option}, is the only one that names image files, and a column has one "
            f"role; name another with {option}, or leave it out"
        )


def _most_found(
    columns: Mapping[str, Cells], places: Sequence[ImageFiles], wished: str | None
) -> tuple[float, str, ImageFiles] | None:
    """The share of cells that name files, their column, and where; None where none does."""
    best: tuple[float, str, ImageFiles] | None = None
    for name, cells in columns.items():
        if name != wished if wished is not None else not _may_be_image(cells):
            continue
        sample = [cell for cell in cells.sample() if _may_be_path(cell)]
        if not sample:
            continue
        for files in places:
            share = sum(isinstance(files.find(cell), Path) for cell in sample) / len(sample)
            if share > (best[0] if best else 0.0):
                best = (share, name, files)
            if share == 1.0:  # none can be better
                return best
    return best


def _of_folders(cells: Cells, best: ImageFiles, places: Sequence[ImageFiles], above: Path) -> ImageFiles:
    """The folder of images where others have other files of the same names, such as masks, or the other classes.

    Raises:
        UserError: names do not tell which it is.
    """
    sample = [cell for cell in cells.sample() if _may_be_path(cell)]
    here = {cell: best.find(cell) for cell in sample}

    def has_others(files: ImageFiles) -> bool:
        found = ((files.find(cell), here[cell]) for cell in sample)
        return sum(isinstance(one, Path) and one != other for one, other in found) > len(sample) / 10

    rivals = [best, *(files for files in places if files.root != best.root and has_others(files))]
    named = {files.root.relative_to(above).as_posix(): files for files in rivals}
    chosen = _of_images(named)
    if chosen is None:
        raise UserError(
            f"the files that a column names, such as {sample[0]!r}, lie in several folders, {listed(list(named))}; "
            "write the folder into the column, as in folder/name, or put the table into the one that is meant"
        )
    return chosen


def _of_images(rivals: Mapping[str, Named]) -> Named | None:
    """The one of several whose name is not that of masks, or says images; None where names do not tell."""
    able = [name for name in rivals if not is_named("mask", name)]
    chosen = able if len(able) == 1 else [name for name in able if is_named("image", name)]
    return rivals[chosen[0]] if len(rivals) == 1 or len(chosen) == 1 else None


def _of_rivals(best: str, columns: Mapping[str, Cells], files: ImageFiles) -> str:
    """The column of images where others name other files there, such as masks.

    Raises:
        UserError: names do not tell which it is.
    """
    rivals = [
        name
        for name, cells in columns.items()
        if name != best and _may_be_image(cells) and _names_others(cells, columns[best], files)
    ]
    chosen = _of_images({name: name for name in (best, *rivals)})
    if chosen is None:
        raise UserError(
            f"columns {listed([best, *rivals])} name different image files; say with --image which one is to be learnt "
            "from"
        )
    return chosen


def _names_others(cells: Cells, images: Cells, files: ImageFiles) -> bool:
    """Whether most cells name files, and not those that the cells of the images beside them name."""
    sample = [pair for pair in zip(cells.all, images.all, strict=True) if all(map(_may_be_path, pair))]
    sample = sample[:: max(1, len(sample) // SAMPLE)]
    others = 0
    for number, (one, image) in enumerate(sample):
        path = files.find(one)
        others += isinstance(path, Path) and path != files.find(image)
        if number == _FEW and not others:  # a table may have a thousand columns
            break
    return others > len(sample) / 2


def _may_be_image(cells: Cells) -> bool:
    """Not a grade from 1 to 4, even if there is an image 4.png, nor a measured number."""
    return not cells.is_categorical and cells.share(_DECIMAL) <= 0.5


def _may_be_path(cell: str) -> bool:
    return bool(cell.strip()) and len(cell) < 400 and "\n" not in cell


def _roots(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folder and two above it, and those up to two below."""
    folder = folder.resolve()
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))[:30]
    deeper = [path for first in below[:10] for path in sorted(first.iterdir())[:200] if path.is_dir()][:30]
    return [folder, *folder.parents[:2]], [*below, *deeper]

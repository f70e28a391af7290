"""From what a table says to the image file: as it is written, else the one file that fits."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from distune.data.pixels.dicom import SUFFIXES as DICOM_SUFFIXES
from distune.data.pixels.images import FRAME, located
from distune.data.readers.problems import Fault
from distune.data.readers.raw_rows import RawExample
from distune.errors import is_of_the_machine
from distune.utils.files.paths import locale_hint
from distune.utils.text import counted, listed

SUFFIXES = {
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".jp2",
    *DICOM_SUFFIXES,
}
"""What may be added to a path without an extension."""
MISSING = "image file is missing"
_WHERE = "data.root must be the folder that image paths start from"


class ImageFiles:
    """Finds image files under a root; nothing outside of it is ever named.

    Args:
        root: the data root.
        follow_links: also take files outside to which a link inside points.
    """

    def __init__(self, root: Path, *, follow_links: bool = False):
        self.root = root.resolve()
        self.follow_links = follow_links
        self._root = str(self.root)
        self._inside = self._root.rstrip("/") + "/"
        self._folders: dict[str, str] = {}
        self._listings: dict[Path, dict[str, list[str]]] = {}
        self._adapted: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def find(self, image: str) -> Path | Fault:
        """The file of an image, or why there is none."""
        if not image.strip():
            return Fault("no image path")
        try:
            return self._exact(image) or self._fitting(image)
        except (OSError, ValueError, RuntimeError) as error:
            if is_of_the_machine(error):
                raise
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            return Fault("image path that cannot be used", f"{reason}: {image!r}")

    def notes(self) -> list[str]:
        """One line for each way in which paths were adapted, with the first one."""
        return [
            f"image: {counted(count, 'path')} {how}, such as {self._first[how]}"
            for how, count in self._adapted.items()
        ]

    def _exact(self, image: str) -> Path | Fault | None:
        """The file that is named exactly; None where there is no such file."""
        if not self.follow_links and (plain := self._plain_file(image)) is not None:
            return plain
        path = self.root / image
        if self.follow_links:
            inside = Path(os.path.normpath(path))
            if not inside.is_relative_to(self.root):
                return _outside(image)
            return inside if inside.is_file() else _no_file(image, inside)
        real = path.resolve()
        if not real.is_relative_to(self.root):
            linked = path.is_symlink() or path.parent.is_symlink()
            return _outside(image, "to follow links inside it, set data.follow_links: true" if linked else "")
        return real if real.is_file() else _no_file(image, real)

    def _plain_file(self, image: str) -> Path | None:
        """The file that is named exactly, if it lies under the root and is no link; one look at the disk tells."""
        folder, name = os.path.split(image if image.startswith("/") else self._inside + image)
        real = self._folders.get(folder)
        if real is None:  # resolved once for all its files
            real = self._folders[folder] = os.path.realpath(folder)
        if real != self._root and not real.startswith(self._inside):
            return None
        file = f"{real.rstrip('/')}/{name}"
        try:
            is_plain = stat.S_ISREG(os.lstat(file).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Path(file) if is_plain else None

    def _fitting(self, image: str) -> Path | Fault:
        parts = _parts(image)
        if not parts or image.startswith(("/", "~")):
            return _missing(image)
        places = [self.root]
        for part in parts[:-1]:
            places = [place / name for place in places for name in self._named(place, part)
                      if (place / name).is_dir()]  # fmt: skip
        fits = [place / name for place in places for name in self._named(place, parts[-1], is_file=True)]
        if not fits:
            return _missing(image)
        shown = [str(fit.relative_to(self.root)) for fit in fits]
        if len(fits) > 1:
            return Fault("image path that fits several files", f"{image!r}: {', '.join(sorted(shown))}",
                         "write the whole name of the file")  # fmt: skip
        found = self._exact(shown[0])
        if isinstance(found, Path):
            how = _how(image, shown[0])
            self._adapted[how] += 1
            self._first.setdefault(how, f"{image!r} -> {shown[0]!r}")
            return found
        return found or _missing(image)

    def _named(self, folder: Path, name: str, *, is_file: bool = False) -> list[str]:
        """The names in a folder that fit: exactly, else but for case and Unicode form, else but for a suffix."""
        listing = self._listing(folder)
        key = _key(name)
        same = listing.get(key, [])
        if name in same:
            return [name]
        if same or not is_file:
            return same
        return [found for suffix in SUFFIXES for found in listing.get(key + suffix, [])]

    def _listing(self, folder: Path) -> dict[str, list[str]]:
        known = self._listings.get(folder)
        if known is None:
            known = self._listings[folder] = {}
            real = folder if self.follow_links else folder.resolve()
            if real.is_relative_to(self.root):
                for path in sorted(real.iterdir()):
                    known.setdefault(_key(path.name), []).append(path.name)
        return known


def image_paths(
    files: ImageFiles,
    examples: Sequence[RawExample],
    faults: Sequence[list[Fault]],
    *,
    may_lack: bool = False,
) -> list[str | None]:
    """Finds the image file of every example.

    Args:
        files: the files under the data root.
        examples: all examples.
        faults: for each example what is wrong with it; why there is no file is added.
        may_lack: an example may have no image; its path is then empty.

    Returns:
        For each example the path of its file, or None; as text, because a path object of every example takes more
        memory than all its values.
    """
    paths: list[str | None] = []
    for example, own in zip(examples, faults, strict=True):
        if may_lack and not example.image.strip():
            paths.append("")
            continue
        image, frame = located(example.image)
        found = files.find(image)
        if isinstance(found, Path):
            paths.append(str(found) if frame is None else f"{found}{FRAME}{frame}")
        else:
            paths.append(None)
            own.append(found)
    return paths


def wrong_root(root: Path, examples: Sequence[RawExample], faults: Sequence[list[Fault]]) -> str | None:
    """One line where not a single image file is there, and where they are instead if that is near; else None."""
    absent = [any(fault.cause == MISSING for fault in own) for own in faults]
    if len(absent) < 2 or not all(absent):
        return None
    image, _ = located(examples[0].image)
    path = Path(image.replace("\\", "/"))
    near = [*root.resolve().parents[:2], *_folders(root)]
    there = next((folder for folder in near if (folder / path).is_file()), None)
    hint = f"; {image!r} is under {there}" if there else ""
    first = listed([image])
    return f"none of {counted(len(absent), 'image file')} is there, such as {first}; {_WHERE}{hint}{locale_hint(image)}"


def _folders(root: Path) -> list[Path]:
    """Folders one and two below the root."""
    below = [path for path in sorted(root.iterdir())[:200] if path.is_dir()]
    return below + [path for folder in below[:50] for path in sorted(folder.iterdir())[:200] if path.is_dir()]


def _missing(image: str) -> Fault:
    return Fault(MISSING, repr(image), _WHERE + locale_hint(image))


def _no_file(image: str, path: Path) -> Fault | None:
    return Fault("image that is not a file", repr(image)) if path.exists() else None


def _outside(image: str, remedy: str = "") -> Fault:
    remedy = remedy or "put the file under it, and write the path from there"
    return Fault("image that leaves the data root", repr(image), remedy)


def _parts(image: str) -> list[str]:
    """The folders and the name in a path of any system, without the blanks around it."""
    return [part for part in image.strip().replace("\\", "/").split("/") if part not in ("", ".")]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _how(image: str, found: str) -> str:
    plain = "/".join(_parts(image))
    ways = []
    if "\\" in image:
        ways.append("with backslashes")
    if image != image.strip():
        ways.append("with blanks around them")
    if _key(plain) != _key(found):
        ways.append("without an extension")
    if not found.startswith(plain):
        ways.append("in other case or Unicode form")
    return " and ".join(ways) or "written otherwise"

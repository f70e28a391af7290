"""A folder that appears complete or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distune.errors import DataError
from distune.utils.files.atomic import name_instead
from distune.utils.files.drafts import draft_of, held

OF_THE_DESKTOP = (".DS_Store", "Thumbs.db", "desktop.ini", ".directory")
"""Files that a desktop leaves in every folder that it shows, and makes again; a folder with nothing else is empty."""
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@contextmanager
def new_folder(root: Path) -> Iterator[Path]:
    """Yields a temporary sibling folder, and gives it the final name when the block ends well.

    Of several processes that make the same folder, one wins and the others get an error.

    Args:
        root: the final name; it must not exist, or be a folder with nothing in it but `OF_THE_DESKTOP`.

    Raises:
        DataError: the name is taken, before or after the block.
        OSError: it cannot be written.
    """
    root = root.absolute()
    if root.is_symlink():  # which no folder can take the place of
        raise DataError(root, ["is a link; name the folder that it leads to, or another one"])
    if root.exists() and not (root.is_dir() and all(path.name in OF_THE_DESKTOP for path in root.iterdir())):
        raise DataError(root, ["there is something else already; choose another folder"])
    with _drafted(root) as draft:
        yield draft
        try:
            for file in (root / name for name in OF_THE_DESKTOP):
                if file.exists():  # else a fault of the disk would name a file that does not exist
                    file.unlink(missing_ok=True)
            draft.rename(root)
        except OSError as error:
            if error.errno in _TAKEN:
                reason = "another process has made it meanwhile; choose another folder"
                raise DataError(root, [reason]) from None
            raise


@contextmanager
def _drafted(root: Path) -> Iterator[Path]:
    """A draft of a folder, which is removed at the end where it was not renamed."""
    draft = draft_of(root)
    try:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, draft, ignore_errors=True)
            draft.mkdir(parents=True)
            stack.enter_context(held(draft))
            yield draft
    except OSError as error:
        name_instead(error, draft, root)
        raise

"""Files that a reader sees whole: the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from distune.errors import UserError, is_disk_fault, no_room
from distune.utils.files.drafts import draft_of, held
from distune.utils.files.paths import GONE

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""What a disk says that is full or not ours to write."""
_DRAFT = ".distune-draft"
_OUTPUTS = (".md", ".html", ".json", ".yaml", ".csv")


def check_replaceable(*paths: Path) -> None:
    """Refuses what no file may take the place of; to be asked before the work that the files are to hold.

    Raises:
        OSError: a path is a folder, a device, a pipe or a socket.
    """
    for path in paths:
        if path.exists() and not path.is_file():
            what = "is a folder" if path.is_dir() else "is no regular file"
            raise OSError(errno.EINVAL, f"{what} and is not replaced", str(path))


def check_outputs(folder: Path) -> None:
    """Refuses a folder in which something that is no file has the name of a page or a table; it need not be there.

    Raises:
        OSError: as `check_replaceable`.
    """
    check_replaceable(*(path for path in sorted(folder.glob("*")) if path.suffix in _OUTPUTS))


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A draft to write; it takes the file's place where the block ends without an error.

    Each draft has a name of its own, so processes that write the same file at once do not meet; the last one wins.

    Args:
        path: the file.
        durable: wait until the draft is on the disk, so that even a power cut leaves a whole file.

    Raises:
        OSError: the path is a device, a pipe or a socket, whose place no file may take; or the draft cannot be written,
            which is said of the file.
    """
    check_replaceable(path)
    draft = draft_of(path)
    try:
        draft.touch()
        with held(draft):
            yield draft
        with held(draft):  # a library may have put another file there
            if durable:
                _flush(draft)
            draft.replace(path)
    except OSError as error:
        name_instead(error, draft, path)
        raise
    finally:
        with suppress(OSError):  # of a disk that was made read-only; why nothing was written is said
            draft.unlink(missing_ok=True)


def name_instead(error: OSError, draft: Path, final: Path) -> None:
    """Lets an error name a file or folder by the name that the user gave it, and a folder that is gone as gone.

    Args:
        error: it is changed. What the disk says while a file is written names none.
        draft: what was written.
        final: what it would have become.
    """
    if error.filename is None and (no_room(error) or is_disk_fault(error)):
        error.filename = str(final)
    written = error.filename2 or error.filename  # of a copy, or a new name, the second one
    if isinstance(written, str):
        is_of_draft = Path(written).is_relative_to(draft)
        error.filename = str(final / Path(written).relative_to(draft)) if is_of_draft else written
        del error.filename2  # set to None, it would be said
    if error.errno == errno.ENOENT and not final.parent.exists():
        error.strerror = GONE


def check_new(files: Iterable[Path]) -> None:
    """Refuses to write files of which one is there already, were it a link to nothing.

    Args:
        files: of one folder, which belong together. What is left of a process that was killed while it put them in
            place is removed first.

    Raises:
        UserError: names the file; or another process writes such files here.
    """
    files = list(files)
    if files[0].parent.is_dir():
        with _locked(files[0].parent):
            _check_new(files)


def _check_new(files: Sequence[Path]) -> None:
    """The same; the folder is locked."""
    draft = files[0].parent / _DRAFT
    drafts = {file: draft / file.name for file in files if (draft / file.name).exists()}
    placed = [file for file, written in drafts.items() if file.exists() and written.samefile(file)]
    if len(placed) < len(drafts):
        for file in placed:
            file.unlink()
    shutil.rmtree(draft, ignore_errors=True)
    if there := next((file for file in files if os.path.lexists(file)), None):
        raise UserError(f"{there}: is there already; delete it, or choose another folder with --out")


@contextmanager
def all_or_none(folder: Path, files: Iterable[Path]) -> Iterator[Path]:
    """For the block that writes new files which belong together: it is alone, and leaves all of them or none.

    Args:
        folder: will hold them, and is there.
        files: in it; none of them is there.

    Yields:
        A folder to write them to. What a process leaves that is killed is removed by the next one, see `check_new`.

    Raises:
        UserError: one of them is there, or another process writes such files here.
    """
    files = list(files)
    with _locked(folder):
        _check_new(files)  # again: another process may have been faster
        draft = folder / _DRAFT
        try:
            draft.mkdir()
            yield draft
            for file in files:
                with suppress(FileNotFoundError):  # it was not needed
                    _put(draft / file.name, file)
            shutil.rmtree(draft, ignore_errors=True)  # here: who is interrupted now leaves none
        except BaseException as error:
            for file in files:
                with suppress(OSError):
                    if not _is_anothers(file, draft):
                        file.unlink()
            if isinstance(error, OSError):
                name_instead(error, draft, folder)
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _is_anothers(file: Path, draft: Path) -> bool:
    """Whether a file was made meanwhile by somebody else: its draft is not the same."""
    written = draft / file.name
    return file.exists() and written.exists() and not written.samefile(file)


def _put(draft: Path, file: Path) -> None:
    """Gives a file its name beside that of its draft: where both are there, a killed process put it in place."""
    try:
        file.hardlink_to(draft)
    except FileExistsError:  # made meanwhile
        raise
    except OSError:  # a file system without links
        draft.rename(file)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes away by a lock on the folder itself, which leaves no file."""
    import fcntl  # not on Windows, where a bundle predicts, too

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"{folder}: another process writes here; wait for it, or choose another folder"
        ) from None
    except OSError:  # a file system that locks no folders
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file as it is."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

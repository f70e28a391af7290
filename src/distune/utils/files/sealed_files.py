"""Records that vouch for themselves and for files beside them: what was changed since is found when it is read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from distune.utils.files.atomic import write_text
from distune.utils.files.json_files import as_json, parse_json
from distune.utils.files.paths import check_is_file, naming, read_file

_FILES, _CHECKSUM = "files", "checksum"
_AT_ONCE = 2**20


def write_sealed(
    path: Path, values: Mapping[str, Any], files: Iterable[Path] = (), *, ascii_alone: bool = True
) -> None:
    """Writes a JSON object with its own checksum and those of files beside it, whole or not at all.

    The checksums are CRC-32: they find damage and files that were mixed up, not an intent.

    Args:
        path: the record.
        values: what JSON can hold.
        files: which files of its folder belong to it.
        ascii_alone: write other characters as escapes, as those that are not valid Unicode must be.
    """
    named = {file.name: _checksum_of(file) for file in sorted(files)}
    held = {**values, **({_FILES: named} if named else {})}
    write_text(path, as_json({**held, _CHECKSUM: _checksum(held)}, ascii_alone=ascii_alone))


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` was given, or what a record of an earlier version holds, which has no checksums.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON object, or was changed after it was written.
    """
    return {name: value for name, value in _read(path).items() if name != _FILES}


def missing_beside(record: Path) -> list[Path]:
    """The files that a record names and that are not beside it; none where it is none, or a damaged one."""
    with suppress(OSError, ValueError):
        return [
            file for name in _read(record).get(_FILES, ()) if not (file := record.with_name(name)).exists()
        ]
    return []


def was_changed(file: Path, record: Path) -> bool | None:
    """Whether a file is another than when a record beside it was written.

    Raises:
        OSError: the file cannot be read.

    Returns:
        None where there is no record that tells.
    """
    recorded: Any = None
    with suppress(OSError, ValueError):  # none; a damaged one is named by who reads it
        recorded = _read(record).get(_FILES)
    if not isinstance(recorded, dict) or file.name not in recorded:
        return None
    return bool(_checksum_of(file) != recorded[file.name])


def was_edited(record: Path) -> bool:
    """Whether a record is another than when it was written, or none; one without a checksum counts as unedited.

    Raises:
        OSError: it cannot be read.
    """
    try:
        held = parse_json(read_file(record), any_text=True)
    except ValueError:
        return True
    checksum = held.pop(_CHECKSUM, None) if isinstance(held, dict) else ""
    return checksum is not None and checksum != _checksum(held)


def _read(path: Path) -> dict[str, Any]:
    written = read_file(path)
    held = parse_json(written)
    if not isinstance(held, dict):
        raise ValueError("it holds no JSON object")
    checksum = held.pop(_CHECKSUM, None)
    # Earlier versions wrote neither checksums of files nor its own; one of files is never alone.
    if (checksum is None and _FILES not in held) or _is_as_written(written, checksum):
        return held
    if checksum != _checksum(held):
        raise ValueError("it was changed after it was written")
    return held


def _is_as_written(written: bytes, checksum: Any) -> bool:
    """Whether a record has the checksum of its bytes; that of its values takes ten times as long to compute.

    Others that mean the same are as sound, such as those with letters that are not escaped.
    """
    end = f',\n  "{_CHECKSUM}": "{checksum}"\n}}\n'.encode()
    return written.endswith(end) and _crc(written.removesuffix(end) + b"\n}\n") == checksum


def _checksum(held: Mapping[str, Any]) -> str:
    return _crc(as_json(held).encode())


def _crc(written: bytes) -> str:
    return f"{zlib.crc32(written):08x}"


def _checksum_of(file: Path) -> str:
    check_is_file(file)
    found = 0
    with naming(file), file.open("rb") as stream:
        while block := stream.read(_AT_ONCE):
            found = zlib.crc32(block, found)
    return f"{found:08x}"

"""What image decoders write to the terminal, caught: of most damage it is all that they make known.

libjpeg fills what it cannot decode with grey and writes a line without a name to C's `stderr`; libpng and libtiff write
such lines too. glibc lets a program point `stderr` at another stream; what Python writes takes no part in that.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypeVar

from distune.errors import UserError

Decoded = TypeVar("Decoded")
_UNBUFFERED = 2
_DAMAGE = re.compile(
    r"Corrupt JPEG data: .*|Premature end of JPEG.*|Inconsistent progression.*|libpng error: .*"
    r"|\w+Decode\w*: .*|.*: Using code not yet in table.*|.*: Corrupted LZW table.*"
)
_LEFT_OVER = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_END, _PADDING = b"\xff\xd9", {0x00, 0xFF}

_gate = threading.Condition()
_decoding = 0
_waiting = 0


def check_decoded(decode: Callable[[], Decoded], content: bytes) -> Decoded:
    """Decodes an image, and refuses it where its decoder makes damage known.

    Args:
        decode: decodes the file by C code; called again where something is heard, which may be of another thread.
        content: the file.

    Raises:
        UserError: its decoder wrote that data are corrupt or missing.
    """
    decoded, words = _heard(decode)
    found = _DAMAGE.search(words)
    if found and not _is_padding(found[0], content):
        raise UserError(
            f"damaged: its decoder says {found[0].strip()[:200]!r}; if it looks whole, save it again"
        )
    return decoded


def _is_padding(line: str, content: bytes) -> bool:
    """Whether what is left over at the end of a JPEG is what some cameras fill their files up with."""
    left_over, end = _LEFT_OVER.match(line), content.rfind(_END)
    return bool(left_over and set(content[max(0, end - int(left_over[1])) : end]) <= _PADDING)


def _heard(decode: Callable[[], Decoded]) -> tuple[Decoded, str]:
    """Calls a function, and tells what it wrote to C's `stderr`; nothing where that cannot be caught.

    Lines of all threads meet in one place, so whoever hears something decodes again while no other thread does.
    """
    global _decoding, _waiting
    with _gate:
        stream = _stream()
    if stream is None:
        return decode(), ""
    with _gate:
        _gate.wait_for(lambda: not _waiting)
        _decoding += 1
        stream.point_at_memory(True)
    try:
        decoded, words = stream.listen(decode)
    finally:
        with _gate:
            _decoding -= 1
            stream.point_at_memory(_decoding > 0)
            _gate.notify_all()
    if not words:
        return decoded, ""
    with _gate:
        _waiting += 1
        try:
            _gate.wait_for(lambda: not _decoding)
            stream.point_at_memory(True)
            return stream.listen(decode)
        finally:
            _waiting -= 1
            stream.point_at_memory(False)
            _gate.notify_all()


class _Stream(NamedTuple):
    """C's `stderr`, and what can take its place.

    Attributes:
        file: a file in memory.
        pointer: where `stderr` is kept.
        caught: the stream that writes into the file.
        own: the stream that was there first.
    """

    file: int
    pointer: ctypes.c_void_p
    caught: int
    own: int

    def listen(self, decode: Callable[[], Decoded]) -> tuple[Decoded, str]:
        """Calls a function, and tells what the file in memory has been given in the meantime."""
        start = os.fstat(self.file).st_size
        decoded = decode()
        length = os.fstat(self.file).st_size - start
        return decoded, os.pread(self.file, length, start).decode("utf-8", "replace") if length else ""

    def point_at_memory(self, is_caught: bool) -> None:
        """Points `stderr` at the file in memory, or back, and then empties the file."""
        self.pointer.value = self.caught if is_caught else self.own
        if not is_caught and os.fstat(self.file).st_size:
            os.ftruncate(self.file, 0)
            os.lseek(self.file, 0, os.SEEK_SET)


@cache
def _stream() -> _Stream | None:
    """The stream of this process, made at the first call.

    None but with glibc, whose manual says that `stderr` is a variable like any other; elsewhere it may not be one.
    """
    if platform.libc_ver()[0] != "glibc" or not hasattr(os, "memfd_create"):
        return None
    library = ctypes.CDLL(None)
    library.fdopen.restype = ctypes.c_void_p
    file = os.memfd_create("decoder-messages")
    caught = library.fdopen(file, b"w")
    library.setvbuf(ctypes.c_void_p(caught), None, _UNBUFFERED, 0)
    pointer = ctypes.c_void_p.in_dll(library, "stderr")
    return _Stream(file, pointer, caught, int(pointer.value or 0))

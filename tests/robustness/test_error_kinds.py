"""What an error of any library says has run out or fails, and how errors of several problems read."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from distune.errors import (
    OUT_OF,
    ConfigError,
    DataError,
    has_run_out,
    is_disk_full,
    is_of_the_machine,
    is_out_of_memory,
)


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


class Allocation(MemoryError):
    """As NumPy derives its own."""


MEMORY, MACHINE, DISK = "memory", "machine", "disk"
ERRORS: list[tuple[BaseException, set[str]]] = [
    (MemoryError(), {MEMORY, MACHINE}),
    (Allocation("x"), {MEMORY, MACHINE}),
    (OutOfMemoryError("x"), {MEMORY}),
    *((RuntimeError(f"[E] {words} (7 bytes)"), {MEMORY}) for words in (
        "Out Of Memory", "Cannot allocate memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED",
        "std::bad_alloc", "std::badalloc", "Failed to allocate memory", "failed to map segment",
        "could not create a primitive",
    )),
    *((OSError(number, "odd words"), {MACHINE}) for number in
      (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)),
    *((OSError(number, "odd words"), {MACHINE}) for number in (errno.EIO, errno.ESTALE, errno.ENOTCONN)),
    (RuntimeError("can't start new thread"), {MACHINE}),
    (OSError(errno.ENOSPC, "odd words"), {DISK}),
    (OSError(errno.EDQUOT, "odd words"), {DISK}),
    *((RuntimeError(f"(x) {words}"), {DISK}) for words in
      ("database or disk is full", "No space left on device", "Disk quota exceeded")),
    (OSError(errno.EFBIG, "File too large"), set()),
    (OSError(errno.EACCES, "Permission denied"), set()),
    (ValueError("an ordinary fault"), set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "kinds"),
    ERRORS,
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value)[:40],
)
def test_what_has_run_out(error: BaseException, kinds: set[str]) -> None:
    found = {MEMORY: is_out_of_memory(error), MACHINE: is_of_the_machine(error), DISK: is_disk_full(error)}
    assert {kind for kind, holds in found.items() if holds} == kinds
    assert has_run_out(error) == bool(kinds)
    assert set(OUT_OF) == {errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


@pytest.mark.parametrize("kind", [ConfigError, DataError])
def test_one_line_is_a_sentence_and_several_are_a_list(kind: type[ConfigError] | type[DataError]) -> None:
    one = kind("x.yaml", ["a: wrong"], ["row 1: wrong"])
    assert str(one) == "x.yaml: a: wrong" and (one.problems, one.examples) == (
        ("a: wrong",),
        ("row 1: wrong",),
    )
    several = kind("x.yaml", ["a: wrong (2 examples)\n  row 1", "b"])
    assert str(several) == "x.yaml: 2 problems\n  a: wrong (2 examples)\n    row 1\n  b"
    assert str(kind("x", ["a\nb"])) == "x: 1 problem\n  a\n  b" and several.examples == ()
    many = kind("x", [f"p{number}" for number in range(1_102)])
    first, *shown, more = str(many).splitlines()
    assert (first, len(shown), shown[-1], more) == (
        "x: 1,102 problems",
        30,
        "  p29",
        "  ... and 1,072 more lines",
    )
    assert len(many.problems) == 1_102 and "more" not in str(kind("x", ["p"] * 30))


def test_what_an_error_is_of_is_kept_as_text() -> None:
    assert DataError(Path("a/b"), ["x"]).root == "a/b" and ConfigError("a.yaml", ["x"]).source == "a.yaml"

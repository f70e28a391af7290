"""What no graph of a bundle holds, found in its file alone: it may come from somebody else.

A loop could compute for ever, functions that call each other can unfold without end, and weights in another file are
under no checksum. The file is a protocol buffer: fields of a number and a value, of which those with a length can be
skipped. `onnx`, which could read it, is not installed where a bundle predicts.

Source: the ONNX project, `onnx.proto`, for the numbers of the fields.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from distune.errors import UserError
from distune.utils.files.paths import check_is_file

INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""By message, the fields that are looked into, and what message they hold."""
NEVER: Mapping[str, Mapping[int, str]] = {
    "model": {25: "functions of its own"},
    "attribute": {6: "control flow (a loop or a branch)", 11: "control flow (a loop or a branch)"},
    "tensor": {13: "weights in another file"},
}
MOST_FIELDS = 1_000_000
"""Fields that are looked at, about a second's work: a student of two BERT-sized encoders has some 50,000."""
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FIXED = {_FIXED_64: 8, _FIXED_32: 4}


def check_graph(file: Path) -> None:
    """Refuses a graph with control flow, functions, or weights in another file.

    Raises:
        UserError: it holds such, has far more parts than any student, or its file is no protocol buffer.
    """
    check_is_file(file)
    if not file.stat().st_size:
        raise UserError(f"{file}: is empty; export again")
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        try:
            found = _never(held)
        except (IndexError, ValueError):
            raise UserError(f"{file}: is no graph that can be read; export again") from None
    if found:
        raise UserError(
            f"{file}: holds {found}, which no export of Distune writes; take a bundle that `distune export` made"
        )


def scales_inputs(file: Path) -> bool:
    """Whether a graph scales what it computes with by the largest value among all examples of a batch."""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held.find(b"DynamicQuantizeLinear") >= 0


def _never(held: mmap.mmap) -> str | None:
    """What a graph must not hold, in words; None where it holds no such."""
    left, inside = MOST_FIELDS, [("model", 0, len(held))]
    while inside:
        message, start, end = inside.pop()
        for number, first, last in _fields(held, start, end):
            left -= 1
            if left < 0:
                return f"more than {MOST_FIELDS:,} parts"
            if number in NEVER.get(message, {}):
                return NEVER[message][number]
            if number in INSIDE[message]:
                inside.append((INSIDE[message][number], first, last))
    return None


def _fields(held: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field's value."""
    while at < end:
        tag, at = _varint(held, at)
        if tag >> 32:  # onnxruntime drops the bits above, and would find another field than is found here
            raise ValueError("a tag of more than 32 bits")
        kind = tag & 7
        if kind == _VARINT:
            first, last = at, _varint(held, at)[1]
        elif kind == _BYTES:
            length, first = _varint(held, at)
            last = first + length
        elif kind in _FIXED:
            first, last = at, at + _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind}")
        if last > end:
            raise ValueError("it ends in a field")
        yield tag >> 3, first, last
        at = last


def _varint(held: mmap.mmap, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        byte = held[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 64 bits")

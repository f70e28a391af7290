"""The rooms of the source import downwards, as CONTRIBUTING.md draws them."""

from __future__ import annotations

import ast
import re

from .pages import ROOT

SOURCE = ROOT / "src/distune"


def rows_of_rooms() -> list[list[str]]:
    """The rows of the drawing, from above."""
    drawn = re.search(
        r"```text\n(cli .*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert drawn is not None
    return [line.split("  ")[0].split() for line in drawn[1].splitlines()]


def test_every_room_is_drawn_once() -> None:
    drawn = [room for row in rows_of_rooms() for room in row]
    there = {
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert sorted(drawn) == sorted(there - {"__init__", "__main__"})


def test_no_room_imports_from_a_row_above() -> None:
    floor = {room: number for number, row in enumerate(rows_of_rooms()) for room in row}
    upwards = [
        f"{path.relative_to(SOURCE)}: {node.module}"
        for path in SOURCE.rglob("*.py")
        if (room := path.relative_to(SOURCE).parts[0].removesuffix(".py")) in floor
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("distune.")
        if floor.get(str(node.module).split(".")[1], 99) < floor[room]
    ]
    assert upwards == []

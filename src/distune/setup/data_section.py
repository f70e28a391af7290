"""The section `data` of a first config, and whether the set can be read by it."""

from __future__ import annotations

from pathlib import Path

from distune.config import DataConfig
from distune.data import Table, read_table
from distune.data.readers.spellings import case_twins
from distune.errors import DataError
from distune.setup.columns import Layout
from distune.setup.source_table import SourceTable
from distune.utils.text import counted

MOST_BAD = 0.2
"""Share of examples that may be left out; more of them are a fault to be corrected first."""
_SPECIAL = ("tasks", "missing", "follow_links", "label_map")


def columns_section(tables: Path, layout: Layout) -> dict[str, object]:
    """What a config says of the columns of a table, None where there is no such column.

    Args:
        tables: folder with the tables of the splits.
        layout: what the columns are.
    """
    return {
        "reader": "csv",
        "root": str(layout.root),
        "tables": str(tables),
        "image_column": layout.image,
        "text_column": layout.text,
        "group_column": layout.group,
        "label_columns": list(layout.labels),
        "frame_column": layout.frame,
    }


def data_section(tables: Path, source: SourceTable) -> dict[str, object]:
    """The columns of a table, and what its cells ask besides: separators, missing labels, spellings to be joined.

    Args:
        tables: folder with the tables of the splits.
        source: the whole table.
    """
    layout = source.layout
    section = columns_section(tables, layout)
    if layout.follow_links:
        section["follow_links"] = True
    if layout.separators:
        section["tasks"] = {label: {"separator": separator} for label, separator in layout.separators.items()}
    if source.lacks_labels():
        section["missing"] = "allow"
    single = [label for label in layout.labels if label not in layout.separators]
    # Spellings of a class that look alike, with the most frequent one.
    label_map = {label: dict(twins) for label in single if (twins := case_twins(source.values(label)))}
    if label_map:
        section["label_map"] = label_map
    return section


def mapped(extra: dict[str, object]) -> list[str]:
    """What to say about spellings that the config joins."""
    label_map = extra.get("label_map")
    return [
        f"column {label}: {', '.join(f'{spelling!r} is read as {name!r}' for spelling, name in twins.items())}; "
        "data.label_map says so"
        for label, twins in (label_map.items() if isinstance(label_map, dict) else ())
    ]


def tried(section: dict[str, object]) -> tuple[Table, dict[str, object], list[str]]:
    """Reads the set as the config will; bad examples are left out if they are few.

    Returns:
        The table, the lines that the config needs besides the columns, and what to say about what was left out.
    """
    extra: dict[str, object] = {key: section[key] for key in _SPECIAL if key in section}
    try:
        return read_table(DataConfig.model_validate(section)), extra, []
    except DataError as error:
        bad, problems = len(error.examples), error.problems
    try:
        table = read_table(DataConfig.model_validate({**section, "on_bad_example": "drop"}))
    except DataError:
        raise DataError(section["root"], problems) from None
    if bad > MOST_BAD * (len(table) + bad):
        raise DataError(section["root"], problems)
    causes = "; ".join(problem.splitlines()[0] for problem in problems)
    remark = f"left out, as it cannot be used: {bad} of {counted(len(table) + bad, 'example')}: {causes}"
    return table, {**extra, "on_bad_example": "drop"}, [" ".join(remark.split())[:300]]

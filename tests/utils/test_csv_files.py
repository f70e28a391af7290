"""A CSV is read whatever a notebook set in the module of that name, and what it set stays."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from distune.analysis.records.from_csv import _table
from distune.confirmation.statistics.scores.subgroups import FILE, read_subgroups
from distune.data.readers.table_formats import open_table
from distune.training.files.prediction_files import predictions_file, read_rows
from distune.utils.files.csv_files import LONGEST, of_any_length, write_rows

LONG = "word " * 50_000


@pytest.fixture(params=[20, 10**6])
def limit(request: pytest.FixtureRequest) -> Iterator[int]:
    before = csv.field_size_limit(request.param)
    yield request.param
    csv.field_size_limit(before)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a table": ("table.csv", lambda file: dict(open_table(file).rows)[2][1]),
    "predictions": (
        predictions_file(Path(), "dev").name,
        lambda file: read_rows(file.parent, "dev")[0]["site"],
    ),
    "subgroups": (FILE, lambda file: read_subgroups(file.parent)["site"]["1"]),
    "trials": ("trials.csv", lambda file: _table(file)[1][0]["site"]),
}


@pytest.mark.parametrize("name", READERS)
def test_cells_of_any_length_are_read(name: str, limit: int, tmp_path: Path) -> None:
    file, read = READERS[name]
    (tmp_path / file).write_text(f"id,site\n1,{LONG}\n")
    assert read(tmp_path / file) == LONG
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("limit", [20], indirect=True)
def test_several_threads_read_at_once(limit: int) -> None:
    def rows() -> Iterator[int]:
        for _ in range(5):
            sleep(0.001)  # the others have their turn
            yield csv.field_size_limit()

    with ThreadPoolExecutor(3) as pool:
        limits = list(pool.map(lambda _: list(of_any_length(rows())), range(3)))
    assert limits == [[LONGEST] * 5] * 3 and csv.field_size_limit() == limit


def test_rows_are_read_back_with_any_line_end_in_a_cell(tmp_path: Path) -> None:
    rows = [["a", "b"], ["1\r2", "x"], ["1\n2", "y,z"], ["1\r\n2", 'q"'], ["\u2028", ""]]
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        write_rows(file, rows)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows
    assert (tmp_path / "t.csv").read_bytes().startswith(b'a,b\n"1\r2","x"\n')

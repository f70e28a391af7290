"""A database that is damaged anywhere is named as such by whoever reads it, and never a traceback."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import optuna
import pytest

from distune.analysis.records.sources import read_study
from distune.errors import UserError
from distune.tuning.status import read_status

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("whole") / "study.db"
    study = optuna.create_study(storage=f"sqlite:///{file}", study_name="study")

    def objective(trial: optuna.Trial) -> float:
        trial.report(0.5, 1)
        trial.set_user_attr("seconds", 1.5)
        return trial.suggest_float("x", 0, 1)

    study.optimize(objective, n_trials=3)
    study._storage._backend.engine.dispose()
    return file.read_bytes()


def without_a_page(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PAGE):
        yield content[:start] + bytes(PAGE) + content[start + PAGE :]


def with_a_cell_elsewhere(content: bytes) -> Iterator[bytes]:
    """Where a page says that its first row begins; without a look at the page, the row would be gone."""
    for start in range(PAGE, len(content), PAGE):
        if content[start] in (10, 13) and content[start + 4]:
            yield content[: start + 8] + bytes([content[start + 8] ^ 0xFF]) + content[start + 9 :]


def with_a_row_elsewhere(content: bytes) -> Iterator[bytes]:
    """The last byte of an index's first entry, which is a row's number: what looks rows up there misses this one."""
    for start in range(PAGE, len(content), PAGE):
        if content[start] == 10 and content[start + 4]:
            entry = start + int.from_bytes(content[start + 8 : start + 10])
            last = entry + content[entry]
            yield content[:last] + bytes([content[last] ^ 1]) + content[last + 1 :]


def with_other_bits(content: bytes) -> Iterator[bytes]:
    """Values that are not what Optuna writes: other names of states, other characters, other numbers."""
    used = [at for at in range(PAGE, len(content)) if content[at]]
    for seed in range(16):
        damaged, rng = bytearray(content), random.Random(seed)
        for at in rng.sample(used, 8):
            damaged[at] ^= 1 << rng.randrange(8)
        yield bytes(damaged)


@pytest.mark.parametrize(
    "damage", [without_a_page, with_a_cell_elsewhere, with_a_row_elsewhere, with_other_bits]
)
@pytest.mark.parametrize("read", [read_study, lambda file: read_status("study", logs=file.parent)])
def test_damage_is_named(whole, damage, read, tmp_path) -> None:
    file, named, tried = tmp_path / "study.db", 0, list(damage(whole))
    for content in tried:
        file.write_bytes(content)
        try:
            read(file)
        except UserError as error:
            assert "study.db" in str(error) or "no study study" in str(error)
            named += 1
    assert tried and named == len(tried) if damage is not with_other_bits else named > 5


@pytest.mark.parametrize("held", ["{}", '{"name": "X", "attributes": {}}', "{"])
@pytest.mark.parametrize("read", [read_study, lambda file: read_status("study", logs=file.parent)])
def test_a_range_that_is_none_is_named(whole, held, read, tmp_path) -> None:
    file = tmp_path / "study.db"
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE trial_params SET distribution_json = ?", (held,))
    with pytest.raises(UserError, match=r"study\.db cannot be read"):
        read(file)


NUMBERS = {
    "trials": "number",
    "trial_values": "value",
    "trial_intermediate_values": "intermediate_value",
    "trial_params": "param_value",
}


@pytest.mark.parametrize("odd", ["none", None])
@pytest.mark.parametrize("table", NUMBERS)
@pytest.mark.parametrize("read", [read_study, lambda file: read_status("study", logs=file.parent)])
def test_what_stands_in_place_of_a_number_is_named(whole, table, odd, read, tmp_path) -> None:
    """SQLite keeps text, too, in any column."""
    file = tmp_path / "study.db"
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as database:
        try:
            database.execute(f"UPDATE {table} SET {NUMBERS[table]} = ? WHERE rowid = 2", (odd,))
        except sqlite3.IntegrityError:
            assert odd is None
            return  # the database itself refuses it
        database.commit()
    with pytest.raises(UserError, match=r"study\.db"):
        read(file)

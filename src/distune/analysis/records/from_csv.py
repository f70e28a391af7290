"""A table of trials that Distune did not run, as `trials_dataframe().to_csv()` of Optuna writes it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from distune.analysis.parameters.space import FIRST, Parameter
from distune.analysis.records import attributes
from distune.analysis.records.study_record import STATES, Direction, State, StudyRecord, TrialRecord
from distune.analysis.records.typed_cells import finite, typed, whole
from distune.errors import UserError, is_of_the_machine
from distune.utils.files.csv_files import of_any_length
from distune.utils.files.paths import read_file
from distune.utils.text import counted, listed

PARAMETER = "params_"
ATTRIBUTE = "user_attrs_"
MOST_CHOICES = 12
MOST_TRIALS = 1_000_000
"""Trial numbers of a table are below it."""
EXPECTED = ("number", "value", "datetime_start", "datetime_complete", "duration", "state")
DURATION = re.compile(
    r"(?:(?P<days>-?\d+) days?,? ?)?(?:(?P<h>\d+):(?P<m>\d+):(?P<s>\d+(?:\.\d+)?))?$", re.ASCII
)


def from_csv(path: Path | str, direction: Direction = "maximize") -> StudyRecord:
    """Reads a table of trials; columns that it lacks are named in `missing`.

    Args:
        path: CSV file with the columns number, value, datetime_start, datetime_complete, duration, state,
            params_*; each may be absent, but not both value and params_*.
        direction: maximize or minimize.

    Raises:
        UserError: no such file, no table of trials, or cells that cannot be read (all are listed).
    """
    path = Path(path)
    header, rows = _table(path)
    columns = {column.removeprefix(PARAMETER): column for column in header if column.startswith(PARAMETER)}
    names = [name for name in FIRST if name in columns] + [name for name in columns if name not in FIRST]
    if not rows or ("value" not in header and not names):
        raise UserError(
            f"{path}: no table of trials: it needs rows, and a column value or params_*; "
            f"found {counted(len(rows), 'row')} and the columns {', '.join(header) or '(none)'}"
        )
    several = [column for column in header if column.startswith("values_")]
    if several and "value" not in header:  # one column an objective, as Optuna writes them
        raise UserError(
            f"{path}: trials of several objectives: {listed(several)}; rename the one that counts to value"
        )
    problems: list[str] = []
    said: list[str] = []
    params = {
        name: typed(columns[name], [row[columns[name]] for row in rows], problems, said) for name in names
    }
    trials = [
        _trial(index, row, {name: column[index] for name, column in params.items()}, problems)
        for index, row in enumerate(rows)
    ]
    occurrences = Counter(trial.number for trial in trials)
    problems += [f"number {number} occurs {n} times" for number, n in sorted(occurrences.items()) if n > 1]
    if problems:
        count = f"{counted(len(problems), 'cell')} that cannot be used"
        raise UserError("\n".join([f"{path}: {count}", *(f"  {line}" for line in problems)]))
    return StudyRecord(
        name=path.stem,
        direction=direction,
        trials=tuple(sorted(trials, key=lambda trial: trial.number)),
        space={name: _observed(name, column) for name, column in params.items()},
        space_source="observed",
        source=str(path),
        missing=(*_missing(header, bool(names), direction), *said),
    )


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        text = read_file(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(of_any_length(reader))
        header = list(reader.fieldnames or [])
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        if is_of_the_machine(error):
            raise
        raise UserError(f"{path}: not readable as CSV: {error}") from None
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    if twice:
        raise UserError(
            f"{path}: columns that stand twice: {', '.join(map(repr, twice))}; rename or remove one"
        )
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            other = "more" if None in row else "fewer"
            raise UserError(
                f"{path}: row {number} has {other} cells than the header has columns ({len(header)})"
            )
    return header, rows


def _trial(index: int, row: Mapping[str, str], params: Mapping[str, Any], problems: list[str]) -> TrialRecord:
    line = index + 2

    def cell(column: str, read: Callable[[str], Any]) -> Any:
        written = row.get(column, "").strip()
        if _is_empty(written):
            return None
        try:
            return read(written)
        except (ValueError, KeyError, OverflowError):
            problems.append(f"row {line}: {column} is {written!r}")
            return None

    def lacks(column: str) -> bool:
        return column in row and _is_empty(row[column].strip())

    value = cell("value", finite)
    recorded = cell("state", lambda written: STATES[written.rpartition(".")[2].upper()])
    if lacks("state"):
        problems.append(f"row {line}: state is {row['state']!r}")
    if recorded == "complete" and lacks("value"):
        problems.append(f"row {line}: value is {row['value']!r}, of a complete trial")
    state: State = recorded or ("complete" if value is not None else "failed")
    started, finished = (cell(name, _moment) for name in ("datetime_start", "datetime_complete"))
    seconds = cell("duration", _seconds) or attributes.seconds_between(started, finished)
    number = cell("number", _number)
    return TrialRecord(
        number=index if number is None else number,
        state=state,
        value=value if state == "complete" else None,
        params={name: held for name, held in params.items() if held is not None},
        started=started,
        finished=finished,
        seconds=seconds,
        memory_mb=cell(f"{ATTRIBUTE}peak_memory_mb", finite),
        device_memory_mb=cell(f"{ATTRIBUTE}peak_device_mb", finite),
        device=cell(f"{ATTRIBUTE}device", str),
        failure_kind=cell(f"{ATTRIBUTE}failure_kind", str),
        failure_message=cell(f"{ATTRIBUTE}failure_message", str),
        baseline=cell(f"{ATTRIBUTE}baseline", str) == "True",
    )


def _is_empty(written: str) -> bool:
    return not written or written.lower() in ("nan", "nat", "none")


def _moment(written: str) -> datetime:
    """A date and time without a zone; one with a zone is turned into local time, as Optuna writes it."""
    moment = datetime.fromisoformat(written)
    return moment.astimezone().replace(tzinfo=None) if moment.tzinfo else moment


def _seconds(written: str) -> float:
    """A duration as pandas writes it (`0 days 00:12:03.5`, or `0 days` where all are whole days), or plain seconds."""
    match = DURATION.match(written)
    if match is None:
        seconds = finite(written)
    else:
        days, hours, minutes = (int(match[part] or 0) for part in ("days", "h", "m"))
        seconds = (days * 24 + hours) * 3600 + minutes * 60 + float(match["s"] or 0)
    if seconds < 0:
        raise ValueError("no trial ends before it starts")
    return seconds


def _number(written: str) -> int:
    """A trial's number; one beyond any study would make the report count up to it."""
    number = whole(written)
    if not 0 <= number < MOST_TRIALS:
        raise ValueError(written)
    return number


def _observed(name: str, column: Sequence[Any]) -> Parameter:
    """What a column shows of a parameter: a range for floats and for ints without gaps, the values for all else."""
    seen = [value for value in column if value is not None]
    if seen and all(isinstance(value, float) for value in seen):
        return Parameter(name, "float", low=min(seen), high=max(seen), log=_spans_decades(seen))
    if not seen or not all(isinstance(value, int) and not isinstance(value, bool) for value in seen):
        return Parameter(name, "categorical", choices=tuple(sorted(set(seen), key=str)))
    values = sorted(set(seen))
    has_no_gaps = 1 < len(values) == values[-1] - values[0] + 1
    if has_no_gaps or len(values) > MOST_CHOICES:
        return Parameter(name, "int", low=values[0], high=values[-1])
    # 4 and 8, or 256, 384 and 512, were most likely choices: nothing says that 5 could have been drawn.
    return Parameter(name, "categorical", choices=tuple(values))


def _spans_decades(values: Sequence[float]) -> bool:
    """Learning rates and weight decays are searched by factors: all positive, and far below one."""
    return min(values) > 0 and max(values) < 1e-2


def _missing(header: Sequence[str], has_params: bool, direction: Direction) -> tuple[str, ...]:
    absent = [name for name in EXPECTED if name not in header]
    said = [f"The table has no column {', '.join(absent)}."] if absent else []
    known = (PARAMETER, ATTRIBUTE, "system_attrs_", "values_")
    unread = [name for name in header if name.strip() and name not in EXPECTED and not name.startswith(known)]
    said += [f"Not read are its columns {listed(unread)}."] if unread else []
    if not has_params:
        said.append("The table has no columns params_*.")
    if "state" not in header:
        said.append("States are taken from the values: a trial with a value is complete, one without failed.")
    better = "larger" if direction == "maximize" else "smaller"
    said.append(f"The table does not say which values are good: {better} ones, by --direction {direction}.")
    if "number" not in header:
        said.append("Trials are numbered by their row.")
    said.append(
        "A table of trials does not tell on which examples its scores were measured, nor of how many seeds or folds "
        "they are; it holds no search space, base config, sampler, pruner, epochs, intermediate scores or run folders."
    )
    return tuple(said)

"""User attributes of any origin, read as what they should be or as None."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import Session
from distune.utils.numbers import is_number

KINDS = ("float", "int", "categorical")


LARGEST = 1e300
"""Beyond it the difference of two numbers may be none."""


def number(value: Any) -> float | None:
    """A finite number whose differences are finite too, or None."""
    return float(value) if is_number(value) and abs(value) <= LARGEST else None


def whole(value: Any) -> int | None:
    """A whole number, or None."""
    return int(value) if is_number(value) and value == int(value) else None


def text(value: Any) -> str | None:
    """A string that is not empty, or None; an int (a worker's number) is written out."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def first_text(value: Any) -> str | None:
    """The first entry of a list where it is a string, or None."""
    return text(value[0]) if isinstance(value, list) and value else None


def mapping(value: Any) -> Mapping[str, Any] | None:
    """A mapping that is not empty, or None."""
    return value if isinstance(value, Mapping) and value else None


def numbers(value: Any) -> Mapping[str, float] | None:
    """The finite numbers of a mapping, or None where there are none."""
    found = {str(name): float(item) for name, item in (mapping(value) or {}).items() if is_number(item)}
    return found or None


def moment(value: Any) -> datetime | None:
    """A date and time in ISO form, or None."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def seconds_between(started: datetime | None, finished: datetime | None) -> float | None:
    """How long a trial took by its moments.

    None where one is not known, where it took no time, as one that was added afterwards, or where the clock was set
    back meanwhile.
    """
    if started is None or finished is None:
        return None
    return max(0.0, (finished - started).total_seconds()) or None


def plain(value: Any) -> str | int | float | bool:
    """A parameter's value as it is; what is no number, text or truth value, such as None or a list, as its text."""
    is_kept = isinstance(value, str | bool) or is_number(value)
    return value if is_kept and isinstance(value, str | int | float) else str(value)


def sessions(value: Any) -> tuple[Session, ...] | None:
    """The runs of the tuning command, or None where they are not recorded."""
    if not isinstance(value, list) or not value:
        return None
    return tuple(
        Session(
            started=moment(item.get("started")),
            finished=moment(item.get("finished")),
            workers=whole(item.get("workers")),
            devices=_names(item.get("devices")),
            reason=text(item.get("reason")),
        )
        for item in value
        if isinstance(item, Mapping)
    )


def space(value: Any) -> dict[str, Parameter]:
    """The search space as the study records it; entries of another form are left out."""
    found = {}
    for name, item in (mapping(value) or {}).items():
        if not isinstance(item, Mapping) or item.get("type") not in KINDS:
            continue
        choices = held if isinstance(held := item.get("choices"), list | tuple) else ()
        low, high = number(item.get("low")), number(item.get("high"))
        if choices if item["type"] == "categorical" else _is_range(low, high, item):
            found[str(name)] = Parameter(
                name=str(name),
                kind=item["type"],
                low=low,
                high=high,
                log=item.get("log") is True,
                step=number(item.get("step")),
                choices=tuple(map(plain, choices)),
                when={key: _as_tuple(held) for key, held in (mapping(item.get("when")) or {}).items()}
                or None,
                key=text(item.get("key")),
            )
    return found


def _is_range(low: float | None, high: float | None, item: Mapping[str, Any]) -> bool:
    step = item.get("step")
    return (
        low is not None
        and high is not None
        and low <= high
        and not (item.get("log") is True and low <= 0)
        and (step is None or (number(step) or 0) > 0)
    )


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)

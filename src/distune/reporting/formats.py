"""How numbers are written: one function a kind of number, the same in every table and sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from distune.utils.text import first_of, one_line

DASH = "—"
plain = one_line
"""How foreign text is written."""
LARGE = 1e6
FEW_SEEDS, WIDEST = 3, 0.8
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
STATES = {"complete": "completed", "pruned": "pruned", "failed": "failed", "running": "unfinished"}
"""What the states of trials are called where they are counted."""
FAILURES = {
    "crash": "crash of the worker",
    "out_of_memory": "out of memory",
    "not_finite": "loss nan or infinite",
    "preempted": "machine taken away",
    "data": "bad data",
    "config": "bad config",
}
"""What the kinds of failure are called."""


def score(value: float | None) -> str:
    """A score with four digits, such as `0.9294`."""
    return DASH if value is None else format(value, _digits(value))


def spread(low: float, high: float) -> str:
    """A range of scores, such as `0.0367 to 0.0636`; one score where both ends are written alike."""
    first, last = score(low), score(high)
    return first if first == last else f"{first} to {last}"


def gain(value: float) -> str:
    """A difference of scores with its sign, such as `+0.0123`."""
    return format(value, f"+{_digits(value)}").replace("-", "−")


def _digits(value: float) -> str:
    """Four decimal places, or four digits of what is no F1 score but, say, a loss that ran away."""
    return ".4f" if abs(value) < LARGE else ".3e"


def interval(low: float, high: float) -> str:
    """An interval of differences, such as `[−0.0031, +0.0270]`."""
    return f"[{gain(low)}, {gain(high)}]"


def over_seeds(held: Mapping[str, Any] | None, number: Callable[[float], str] | None = None) -> str:
    """A mean over seeds with its interval, such as `0.8123 [0.8011, 0.8235]`; of one seed, the number alone."""
    if held is None:
        return DASH
    number = score if number is None else number
    if held["low"] is None or held["high"] is None:
        return number(held["mean"])
    if number is score and _says_nothing(held):
        return f"{number(held['mean'])} (too few seeds)"
    return f"{number(held['mean'])} [{number(held['low'])}, {number(held['high'])}]"


def _says_nothing(held: Mapping[str, Any]) -> bool:
    """Whether an interval over two or three seeds spans nearly all scores, or from 0 to more than double the mean.

    One over cases honours their number already, and is left out by the confirmation where it says nothing.
    """
    if held.get("cases") is not None or held.get("seeds", FEW_SEEDS + 1) > FEW_SEEDS:
        return False
    return bool(held["high"] - held["low"] > WIDEST or (held["low"] <= 0 and held["high"] > 2 * held["mean"]))


def share(value: float) -> str:
    """A fraction in whole percent, such as `23 %`; small ones keep a digit."""
    percent = 100 * value
    digits = 1 if 0 < abs(percent) < 0.95 else 0
    return f"{percent:.{digits}f} %".replace("-", "−")


def chance(value: float) -> str:
    """A probability that was sampled, such as `84 %`; never as certain as `0 %` or `100 %`."""
    if value < 0.01:
        return "< 1 %"
    return "> 99 %" if value > 0.99 else f"{100 * value:.0f} %"


def shares(counts: Sequence[int]) -> list[str]:
    """Parts of a whole in percent, each rounded on its own: whole where those add up and hide no part, else tenths."""
    total = sum(counts)
    if not total:
        return [DASH] * len(counts)
    whole = [(200 * count + total) // (2 * total) for count in counts]
    hides_none = all(bool(percent) == bool(count) for percent, count in zip(whole, counts, strict=True))
    digits = 0 if hides_none and sum(whole) == 100 else 1
    return [f"{100 * count / total:.{digits}f} %" for count in counts]


def probability(value: float) -> str:
    """A p-value, such as `0.032` or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Time in the largest fitting unit, such as `42 s`, `84 min`, `4.6 h`."""
    if seconds is None:
        return DASH
    if seconds < 0:
        return "−" + duration(-seconds)
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 120 * 60:
        minutes = f"{seconds / 60:.1f}" if seconds < 20 * 60 else f"{seconds / 60:.0f}"
        return f"{minutes.removesuffix('.0')} min"
    hours = seconds / 3600
    if hours / 24 >= LARGE:
        return f"{hours / 24:.3e} days"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def milliseconds(value: float) -> str:
    """A short time, such as `0.5 ms` or `142 ms`."""
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def rate(value: float) -> str:
    """A mean number of things, such as `1.9`."""
    return f"{value:.1f}"


def span_of_time(low: float, high: float) -> str:
    """A range of times, such as `17 to 25 min` or `80 s to 2 min`; one time where both ends are written alike."""
    first, last = duration(low), duration(high)
    if first == last:
        return first
    number, _, unit = first.rpartition(" ")
    return f"{number if last.endswith(f' {unit}') else first} to {last}"


def ordinal(number: int) -> str:
    """A place in a row in words, such as `third`; beyond the tenth `11.`."""
    return ORDINALS[number - 1] if number <= len(ORDINALS) else f"{number}."


def about(count: int | None, of: str, most: int | None = None) -> str:
    """A rough number of something, to two digits, such as `about 4,500 examples`; empty for None.

    Beyond `most`, the number that it is certain to exceed: `more than 1,000 seeds`.
    """
    if count is None:
        return ""
    if most is not None and count > most:
        return f"more than {most:,} {of}"
    digits = max(0, len(str(count)) - 2)
    return f"about {round(count, -digits):,} {of}"


def memory(megabytes: float | None) -> str:
    """Memory, such as `812 MB` or `8.4 GB`."""
    if megabytes is None:
        return DASH
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def moment(value: datetime | None) -> str:
    """A point in time to the minute."""
    return DASH if value is None else value.strftime("%Y-%m-%d %H:%M")


def days(first: date, last: date) -> str:
    """A day or a span of days, such as `December 16-17, 2025`."""
    if first == last:
        return f"{first:%B} {first.day}, {first.year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first:%B} {first.day}-{last.day}, {first.year}"
    if first.year == last.year:
        return f"{first:%B} {first.day} - {last:%B} {last.day}, {first.year}"
    return f"{first:%B} {first.day}, {first.year} - {last:%B} {last.day}, {last.year}"


def listing(items: list[str], most: int = 12) -> str:
    """Items joined with commas; of many, the first and the number of the others."""
    return first_of(items, most)

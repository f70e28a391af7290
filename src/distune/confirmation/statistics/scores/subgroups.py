"""How the recommended model scores by sex, age, site or scanner: `data.subgroup_columns`.

A numeric column is cut into bands: ages at 18, 40 and 65, others at the thirds of the evaluated examples. What a group
of fewer than SMALL cases scores is shown with its interval and called small; no difference is claimed of it.
Differences are of a group from all other examples, in accuracy, as a class that a group hardly has would swing its
macro F1; all differences of all columns are one family.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import accuracy
from distune.confirmation.statistics.inference.significance import family_level
from distune.confirmation.statistics.inference.standard_errors import Errors, errors_of
from distune.confirmation.statistics.scores.case_scores import CaseScores, TaskAnswers, overall, task_answers
from distune.data.table import MISSING, Table
from distune.errors import UserError
from distune.training.files.prediction_files import SplitPredictions
from distune.training.files.run_folder import read_text
from distune.utils.files.atomic import replacing
from distune.utils.files.csv_files import of_any_length
from distune.utils.numbers import written_number

FILE = "subgroups.csv"
SMALL = 20
"""Cases below which a group is called small."""
MOST = 12
"""Values above which a column is no set of groups."""
NUMERIC_FROM = 7
"""Different numbers from which a numeric column is cut into bands."""
AGES = (18.0, 40.0, 65.0)
_BOUND = re.compile(r"(?P<sign>[<>≤≥]?)=?\s*(?P<number>\d+(\.\d+)?)\s*\+?")

Values = Mapping[str, Mapping[str, str]]
"""Column -> example -> its value; examples without one are left out."""


def write_subgroups(table: Table, confirmation: Path) -> None:
    """Keeps the values of all examples beside the predictions; without columns there is no such file."""
    path = confirmation / FILE
    if not table.subgroups:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(
            [("id", *table.subgroups), *zip(table.ids, *table.subgroups.values(), strict=True)]
        )


def read_subgroups(confirmation: Path) -> Values:
    """The values that `write_subgroups` kept; nothing where it kept none.

    Raises:
        UserError: the file is damaged.
    """
    path = confirmation / FILE
    if not path.is_file():
        return {}
    try:
        lines = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        header, *rows = of_any_length(lines)
    except (csv.Error, ValueError):  # cut in a quoted cell, or empty
        header, rows = [], []
    if header[:1] != ["id"] or any(len(row) != len(header) for row in rows):
        raise UserError(f"{path} is damaged; run distune confirm again")
    return {
        column: {row[0]: row[place] for row in rows if row[place]}
        for place, column in enumerate(header[1:], 1)
    }


def subgroup_numbers(scored: Sequence[SplitPredictions], values: Values) -> dict[str, Any]:
    """Scores and differences of every group of every column; the schema is in the text of `numbers`.

    Args:
        scored: predictions of one contender, a seed each.
        values: of the examples, by column.
    """
    found = {
        column: _column([of.get(name) for name in scored[0].ids], column, scored)
        for column, of in values.items()
    }
    claims = [group for about in found.values() for group in about["groups"] if group["difference"]]
    level = family_level(len(claims))
    for group in claims:
        mean, errors = group["difference"]
        half = errors.half_width(group["cases"], level)
        low, high = max(-1.0, mean - half), min(1.0, mean + half)
        verdict = "higher" if low > 0 else "lower" if high < 0 else "not significantly different"
        group["difference"] = {"mean": mean, "low": low, "high": high, "verdict": verdict}
    return found


def groups_in(values: Sequence[str | None], column: str) -> list[str | None]:
    """The group of each example: its value, or the band that its number lies in; None where it is not known.

    What is no number is a group of its own beside the bands, unless there would be more groups than are shown.
    """
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    given = sum(value is not None for value in values)
    spellings = Counter(value for value in values if value is not None)
    first = {value.casefold(): value for value, _ in reversed(spellings.most_common())}
    named = [None if value is None else first[value.casefold()] for value in values]
    if len(known) < 0.9 * given or len(set(known)) < NUMERIC_FROM:
        return named
    is_age = re.search(r"(^|[^a-z])age([^a-z]|$)", column.casefold()) is not None
    cuts = AGES if is_age else tuple(float(cut) for cut in np.quantile(known, (1 / 3, 2 / 3)))
    names = [f"below {cuts[0]:g}"]
    names += [f"{low:g} to below {high:g}" for low, high in pairwise(cuts)]
    names.append(f"{cuts[-1]:g} and above")
    bands = [None if n is None else names[int(np.searchsorted(cuts, n, side="right"))] for n in numbers]
    others = {name for name, band in zip(named, bands, strict=True) if band is None and name is not None}
    if len(names) + len(others) > MOST:  # such as 12,5 or 3 mg: they hide no bands
        return bands
    return [name if band is None else band for band, name in zip(bands, named, strict=True)]


def _number(value: str | None) -> float | None:
    """What a cell counts as: `90+` and `>89`, as ages are made anonymous, from their bound on; `<1` below it."""
    bound = _BOUND.fullmatch(value or "")
    try:
        number = written_number(bound["number"] if bound else value or "")
    except ValueError:
        return None
    if bound and bound["sign"] == "<":
        number = math.nextafter(number, -math.inf)
    return number if math.isfinite(number) else None


def _column(values: Sequence[str | None], column: str, scored: Sequence[SplitPredictions]) -> dict[str, Any]:
    groups = np.array([group or "" for group in groups_in(values, column)])
    names = sorted({str(name) for name in groups} - {""}, key=_in_order)
    if len(names) > MOST:
        return {"groups": [], "unknown": int((groups == "").sum()), "values": len(names)}
    return {
        "groups": [_group(name, groups, scored) for name in names],
        "unknown": int((groups == "").sum()),
        "values": len(names),
    }


def _in_order(name: str) -> tuple[float, str]:
    """Bands by their lower end, everything else by name."""
    if name.startswith("below "):
        return -math.inf, name
    number = _number(name.split(" ")[0])
    return (0.0 if number is None else number), name


def _group(name: str, groups: NDArray[Any], scored: Sequence[SplitPredictions]) -> dict[str, Any]:
    chosen = groups == name
    own = task_answers([one.only(chosen) for one in scored])
    cases = len(set(np.asarray(scored[0].groups)[chosen]))
    # A group that knows no label of a task has no score that could be set beside those of others.
    score = overall(own) if len(own) == len(task_answers(scored)) else None
    is_small = cases < SMALL
    return {
        "name": name,
        "examples": int(chosen.sum()),
        "cases": cases,
        "small": is_small,
        "score": asdict(score.interval()) if score is not None and np.isfinite(score.values).all() else None,
        "accuracy": asdict(_accuracy(own).interval()) if own else None,
        "difference": None if is_small else _difference(scored, chosen, (groups != "") & ~chosen, cases),
    }


def _accuracy(answers: Sequence[TaskAnswers]) -> CaseScores:
    """Share of right answers, mean over the tasks."""
    by_task = [each.counted(accuracy) for each in answers]
    return CaseScores(
        np.mean([each.values for each in by_task], axis=0),
        np.mean([each.without for each in by_task], axis=0),
    )


def _difference(
    scored: Sequence[SplitPredictions], chosen: NDArray[np.bool_], rest: NDArray[np.bool_], cases: int
) -> tuple[float, Errors] | None:
    """The group's accuracy less that of all others, and its errors.

    Both are taken over all cases, as a case may have examples on both sides; the group's own bound the degrees of
    freedom. They are of the tasks of which both know labels. None where the others are few, or there is no such task.
    """
    if len(set(np.asarray(scored[0].groups)[rest])) < SMALL:
        return None
    both = [
        task_answers([replace(one, labels=np.where(part[:, None], one.labels, MISSING)) for one in scored])
        for part in (chosen, rest)
    ]
    of_group, of_others = ({each.task.name for each in answers} for answers in both)
    shared = of_group & of_others
    if not shared:
        return None
    ours, theirs = (_accuracy([each for each in answers if each.task.name in shared]) for answers in both)
    errors = errors_of([ours.pseudovalues - theirs.pseudovalues])
    mean = float(ours.values.mean() - theirs.values.mean())
    return mean, replace(errors, freedom=min(errors.freedom, cases - 1.0))

"""Several studies and runs in one table."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from distune.analysis.ranking import Ranking, rank
from distune.analysis.records.sources import database_file, read_study
from distune.analysis.records.study_files import read_confirmation
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import settings_of, task_settings
from distune.config import TaskConfig
from distune.confirmation.statistics.files import NUMBERS
from distune.errors import UserError
from distune.training.files.run_folder import CONFIG, RESULTS, check_unchanged, results_of
from distune.training.scoring.scores import named_score
from distune.utils.files.paths import in_full
from distune.utils.numbers import is_number
from distune.utils.text import one_line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contestant:
    """One study or run; what it does not record is None.

    Attributes:
        name: name of the study, or of the run folder.
        kind: study or run.
        dev: best score on dev; of a study the best of many, so it flatters.
        base: of a study the score of its base config.
        confirmed: of a confirmed study, mean score over seeds of the config that the confirmation recommends.
        confirmed_on: what that is a score on, such as test.
        test: of a run, its score on the test split where it was opened.
        tasks: of a run, by task what it counts with and that score on dev.
        trials: of a study, its finished trials.
        folds: of a study whose scores are means over so many folds of train and dev, not of dev.
        minimises: of a study of another program whose lower values are better.
        data: fingerprint of the data and of what its tasks count with; scores on different ones cannot be compared.
        counted: what each task counts with, and its share of the score; empty where all count with their macro F1 and
            alike, None where that is not known.
        asked: what the config says of tasks; None where that is not known.
    """

    name: str
    kind: str
    dev: float | None
    base: float | None = None
    confirmed: float | None = None
    confirmed_on: str | None = None
    test: float | None = None
    tasks: dict[str, tuple[str, float]] | None = None
    trials: int | None = None
    data: str | None = None
    counted: Mapping[str, tuple[str, float]] | None = None
    asked: Mapping[str, TaskConfig] | None = None
    folds: int | None = None
    minimises: bool = False


def side_by_side(sources: Sequence[str | StudyRecord]) -> list[Contestant]:
    """Reads studies and run folders, the best on dev first; studies that minimise come last, the lowest first.

    Args:
        sources: run folders, and whatever names a study or was read of one; what is named twice, such as by its folder
            and its file, counts once.

    Raises:
        UserError: one of them is neither.
    """
    once: dict[Any, Contestant] = {}
    for source in sources:
        found = (_run(Path(source)) if isinstance(source, str) else None) or _study(source)
        once.setdefault(_identity(source, found.kind), found)
    return sorted(once.values(), key=_place)


def _identity(source: str | StudyRecord, kind: str) -> Any:
    if not isinstance(source, str):
        return id(source) if source.source is None else (source.source, source.name)
    return (Path(source) if kind == "run" else database_file(source)).resolve()


def _place(one: Contestant) -> tuple[bool, bool, float]:
    sign = 1.0 if one.minimises else -1.0
    return one.minimises, one.dev is None, sign * (one.dev or 0.0)


def on_different_data(contestants: Sequence[Contestant]) -> bool:
    """Whether two of them are known to rest on different data.

    The fingerprint is of what the tasks count with, too: where that differs, it tells nothing of the data.
    """
    known = [one for one in contestants if one.data is not None]
    return any(
        one.data != other.data and (None in (one.asked, other.asked) or one.asked == other.asked)
        for one, other in combinations(known, 2)
    )


def are_counted_differently(contestants: Sequence[Contestant]) -> bool:
    """Whether two of them are known to count their tasks with other scores or weights."""
    return any(not _may_count_alike(one, other) for one, other in combinations(contestants, 2))


def _may_count_alike(one: Contestant, other: Contestant) -> bool:
    if one.counted is not None and other.counted is not None:
        return one.counted == other.counted
    if one.asked is None or other.asked is None:
        return True
    # Of a study whose reader alone knows its tasks, such as medpix, no shares are known, but what differs is.
    first, second = (
        {name: (task.score, task.weight) for name, task in asked.items()}
        for asked in (one.asked, other.asked)
    )
    usual = ("macro_f1", 1.0)
    return all(first.get(name, usual) == second.get(name, usual) for name in {*first, *second})


def _run(folder: Path) -> Contestant | None:
    path, results = folder / RESULTS, results_of(folder)
    if results is None:
        return None
    if (folder / CONFIG).is_file():
        check_unchanged(folder / CONFIG)  # else they may be those of another run
    try:
        splits, data = results["splits"], results.get("data_fingerprint")
        scored = {task: named_score(values) for task, values in splits["dev"]["tasks"].items()}
        tasks = {task: (name, _number(value)) for task, (name, value) in scored.items()}
        test = _number(splits["test"]["score"]) if "test" in splits else None
        found = task_settings(folder) if (folder / CONFIG).is_file() else None
        asked = None if isinstance(found, Unknown) else found
        return Contestant(
            in_full(folder).name,
            "run",
            _number(results["score"]),
            test=test,
            tasks=tasks,
            data=data if isinstance(data, str) else None,
            counted=_counted(asked, tasks),
            asked=asked,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the result of a run ({error!r}); train it again") from None


def _counted(
    asked: Mapping[str, TaskConfig] | None, tasks: Collection[str] | None
) -> dict[str, tuple[str, float]] | None:
    """See `Contestant.counted`; weights of 1, 1 and 2 are the same as 3, 3 and 6.

    Args:
        asked: what a config says of tasks.
        tasks: all of them, where they are known.
    """
    if asked is None or (asked and tasks is None):
        return None
    named = {name: asked.get(name, TaskConfig()) for name in tasks or ()}
    whole = sum(task.weight for task in named.values())
    found: dict[str, tuple[str, float]] = {
        name: (task.score, round(task.weight / whole, 12)) for name, task in named.items()
    }
    usual = ("macro_f1", round(1 / max(1, len(found)), 12))
    return {} if all(own == usual for own in found.values()) else found


def _number(value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"{one_line(value, 40)!r} as a score")
    return float(value)


def _study(source: str | StudyRecord) -> Contestant:
    study = read_study(source, others=("run",))
    ranking = rank(study)
    best = ranking.best
    base = next((t for t in study.trials if t.baseline and t.state == "complete"), None)
    asked = None if study.base_config is None else settings_of(study.base_config)
    confirmed, confirmed_on = _confirmed(study, ranking)
    return Contestant(
        str(study.name or source),
        "study",
        None if best is None else best.value,
        base=base.value if base else None,
        confirmed=confirmed,
        confirmed_on=confirmed_on,
        trials=len(study.of("complete")) + len(study.of("pruned")),
        data=study.data_fingerprint,
        counted=_counted(asked, study.config_value("data.label_columns")),
        asked=asked,
        folds=study.folds,
        minimises=study.direction == "minimize",
    )


def _confirmed(study: StudyRecord, ranking: Ranking) -> tuple[float, str] | tuple[None, None]:
    """None also where another trial was confirmed than the one that is the best now."""
    found, folder = read_confirmation(study, ranking), study.folder
    if isinstance(found, Unknown):
        if folder is not None and (folder / NUMBERS).exists():
            _log.warning("%s: %s", folder, found.reason)
        return None, None
    numbers = found.numbers
    if not found.is_current:
        return None, None
    split = str(numbers["split"])
    scored = numbers["contenders"][numbers["recommendation"]["contender"]]["splits"].get(split)
    return (None, None) if scored is None else (float(scored["score"]["mean"]), split)

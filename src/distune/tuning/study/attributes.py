"""The user attributes that are computed with: each is what `tune` writes, or is named with its study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from distune.errors import UserError
from distune.utils.numbers import is_number, is_whole
from distune.utils.text import one_line

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

OVERRIDES = "overrides"
"""User attribute of every trial that ran here: what its config changes; what another program added has none."""
SURPLUS = "surplus"
"""Kind of failure of a trial that another coordinator's trial made unnecessary; no failure."""
Rule = tuple[str, Callable[[Any], bool]]
"""What an attribute must be, in words, and whether a value is that."""


def _is_moment(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _or_none(rule: Rule) -> Rule:
    return f"{rule[0]}, or null", lambda value: value is None or rule[1](value)


NUMBER: Rule = ("a number", is_number)
WHOLE: Rule = ("a whole number", is_whole)
TEXT: Rule = ("text", lambda value: isinstance(value, str))
NAME: Rule = ("a name", lambda value: isinstance(value, str | int))
MOMENT: Rule = ("a time", _is_moment)
MAPPING: Rule = ("a mapping", lambda value: isinstance(value, Mapping))
NUMBERS: Rule = (
    "a mapping to numbers",
    lambda value: isinstance(value, Mapping) and all(map(is_number, value.values())),
)
SCORES: Rule = ("a list of numbers", lambda value: isinstance(value, list) and all(map(is_number, value)))

TEXTS: Rule = (
    "a mapping to text",
    lambda value: isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()),
)
PARAMETERS: Rule = (
    "a mapping to search parameters",
    lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(each, Mapping) and isinstance(each.get("key"), str) for each in value.values())
    ),
)
TEACHERS: Rule = (
    "a mapping to teachers",
    lambda value: (
        isinstance(value, Mapping)
        and all(
            isinstance(each, Mapping) and isinstance(each.get(OVERRIDES), Mapping) for each in value.values()
        )
    ),
)

OF_STUDY: Mapping[str, Rule] = {
    "base_config": MAPPING,
    "search_space": PARAMETERS,
    "teachers": TEACHERS,
    **dict.fromkeys(("encoder_commits", "encoder_files", "plugin_sources"), TEXTS),
    **dict.fromkeys(("sampler", "pruner", "strategy", "data_fingerprint"), TEXT),
    "seed": WHOLE,
    "folds": _or_none(WHOLE),
}
OF_TRIAL: Mapping[str, Rule] = {
    **dict.fromkeys(("seconds", "peak_memory_mb", "peak_device_mb", "disk_mb"), NUMBER),
    **dict.fromkeys(("teacher_score", "regression_score"), _or_none(NUMBER)),
    **dict.fromkeys((OVERRIDES, "fixed_params"), MAPPING),
    **dict.fromkeys(("stage_seconds", "teacher_scores"), NUMBERS),
    **dict.fromkeys(("device", "worker", "failure_kind"), NAME),
    "fold_scores": _or_none(SCORES),
    "attempts": WHOLE,
    "folder": TEXT,
    "started": MOMENT,
    "coordinator": _or_none(TEXT),
}


def is_foreign(trial: FrozenTrial) -> bool:
    """Whether another program added a trial that has ended to a study of ours: nothing says what it ran."""
    return trial.state.is_finished() and not {OVERRIDES, "failure_kind"} & trial.user_attrs.keys()


def check_study(name: str, attributes: Mapping[str, Any]) -> None:
    """Checks the attributes of a study.

    Raises:
        UserError: one is not what it must be; it names the study and the attribute.
    """
    _check(f"study {name}", attributes, OF_STUDY)


def check_trials(name: str, trials: Iterable[FrozenTrial]) -> None:
    """Checks the attributes of the trials of a study.

    Raises:
        UserError: one is not what it must be; it names the study, the trial and the attribute.
    """
    for place, trial in enumerate(trials):
        if trial.number != place:  # numbers are given out without a gap
            raise UserError(
                f"study {name}: its trial {place} is missing or there twice: its database was changed by another "
                "program; restore it from a copy. The run folders of its trials are kept"
            )
        _check(f"study {name}, trial {trial.number}", trial.user_attrs, OF_TRIAL)


def _check(where: str, attributes: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    for key, (words, holds) in rules.items():
        if key in attributes and not holds(attributes[key]):
            shown = one_line(repr(attributes[key]), 80)
            raise UserError(
                f"{where}: the attribute {key} is {shown}, not {words}: its database was changed by another program"
            )

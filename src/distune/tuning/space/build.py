"""The search space of a study: the default, the chosen groups and the user's, checked before any trial.

Checked is that keys exist and can have the values, and that conditions can hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from distune.config import Config, SearchParameter, config_key_of, value_at
from distune.errors import ConfigError, UserError
from distune.tuning.space.space import DEFAULT_SPACE, Space, bounds, contains, is_same
from distune.tuning.space.without_effect import Ignored
from distune.tuning.study.settings import NEUTRAL_KEYS
from distune.utils.text import nearest_hint

_SEARCHABLE = (
    "teacher.",
    "student.",
    "distillation.",
    "training.",
    "data.image_size",
    "data.max_tokens",
    "data.augment",
    "data.views",
)


def build_space(
    base: Config,
    *,
    groups: Mapping[str, SearchParameter] | None = None,
    only: Sequence[str] = (),
    ignored: Sequence[Ignored] = (),
) -> Space:
    """The search space of a study; a parameter that no trial could give an effect is left out.

    Args:
        base: the base config; its `search_space` overrides or joins the default parameters.
        groups: parameters of the chosen groups (see `distune.tuning.space.groups`).
        only: keep these parameters alone; empty keeps all.
        ignored: see `Space`.

    Raises:
        ConfigError: a parameter's config key does not exist or a condition names nothing known.
        UserError: `only` names an unknown parameter, or no parameter has an effect.
    """
    parameters = {**DEFAULT_SPACE, **(groups or {}), **base.search_space}
    _check_parameters(parameters, base)
    if only:
        _check_only(only, parameters)
        parameters = {name: parameter for name, parameter in parameters.items() if name in only}
    space = Space(parameters, ignored)
    # Without the rules that never apply, by which parameters would wait for each other in vain.
    space = Space(parameters, [each for each in ignored if space.is_possible(each, base)])
    useful = set(space.ever_active(base))
    if not useful:
        raise UserError(
            f"search space: {', '.join(parameters)} would change nothing: no fusion, loss or condition (when) of this "
            "study gives an effect to any of them; change these, or search others"
        )
    return Space({name: parameters[name] for name in space.in_order() if name in useful}, space.ignored)


def left_out(space: Space, base: Config, only: Sequence[str] = ()) -> list[str]:
    """One line for what the user asks for and `build_space` left out; none where that is nothing."""
    reasons: dict[str, list[str]] = {}
    for name in only or base.search_space:
        if name not in space.parameters:
            reasons.setdefault(_why_not(name, space, base), []).append(name)
    return [f"search space: {', '.join(names)} is not searched: {why}" for why, names in reasons.items()]


def _why_not(name: str, space: Space, base: Config) -> str:
    if role := _of_one_encoder(name, base):
        return f"a {role} of one encoder has no fusion, and keeps the width that the config gives it"
    given = base.search_space.get(name)
    ignored = space.never_read((given and given.key) or config_key_of(name) or name, base)
    if ignored is None:
        return "its condition (when) never holds"
    return f"it has no effect {ignored.because(base)}"


def _of_one_encoder(name: str, base: Config) -> str | None:
    """The model whose width a parameter is written to, where it has no fusion; the width has an effect all the same."""
    for role in ("teacher", "student"):
        if name == f"{role}_fusion_dim" and len(getattr(base, role).modalities) == 1:
            return role
    return None


def _check_parameters(parameters: Mapping[str, SearchParameter], base: Config) -> None:
    problems = []
    space = Space(parameters)
    for name, parameter in parameters.items():
        if parameter.key is None and config_key_of(name) is None:
            problems.append(
                f"search_space.{name}: the name stands for no config key; give it one (key: training.batch_size)"
            )
            continue
        for key in (space.key(name), *(space.key_of_condition(other) for other in parameter.when or {})):
            try:
                value_at(base, key)
            except (KeyError, TypeError):
                problems.append(f"search_space.{name}: there is no config key {key}")
    if not problems:
        for name in parameters:
            problems += [*_bad_values(name, space, base), *_bad_conditions(name, space, base)]
    written = Counter(space.key(name) for name in parameters)
    twice = sorted(key for key, count in written.items() if count > 1)
    problems += [f"search_space: more than one parameter is written to {key}" for key in twice]
    if problems:
        raise ConfigError("search space", problems)


def _bad_values(name: str, space: Space, base: Config) -> list[str]:
    """What is wrong with a parameter's key and with its outermost values, each by itself."""
    key, parameter = space.key(name), space.parameters[name]
    if not key.startswith(_SEARCHABLE):
        return [
            f"search_space.{name}: {key} cannot be searched: scores over several of its values would not be of one "
            f"question; what can be searched begins with {', '.join(_SEARCHABLE)}"
        ]
    if key in NEUTRAL_KEYS:
        return [
            f"search_space.{name}: {key} cannot be searched: it says where a training runs, and each worker has its own"
        ]
    if isinstance(value_at(base, key), BaseModel):
        return [f"search_space.{name}: {key} is a section; search one of its values, such as {key}.name"]
    adapter = _values_of(key, base)
    problems = []
    for value in bounds(parameter):
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            problems.append(f"search_space.{name}: {key} cannot be {value!r}: {error.errors()[0]['msg']}")
    return problems


def _bad_conditions(name: str, space: Space, base: Config) -> list[str]:
    """Conditions that can never hold, and values in them that their key cannot have."""
    problems = []
    for other, wanted in (space.parameters[name].when or {}).items():
        key = space.key_of_condition(other)
        if key == space.key(name):
            problems.append(f"search_space.{name}: its condition (when) is on {key}, which it is written to")
            continue
        searched = [parameter for each, parameter in space.parameters.items() if space.key(each) == key]
        drawn = [value for value in wanted if any(contains(parameter, value) for parameter in searched)]
        wrong = [value for value in wanted if value not in drawn and not _can_be(value, key, base)]
        # A value that is not searched is right beside one that is: the space may be a narrowed one.
        if searched and not drawn and not any(is_same(value, value_at(base, key)) for value in wanted):
            wrong = list(wanted)
        problems += [
            f"search_space.{name}: its condition (when) asks for {other} {value!r}, which no trial has"
            for value in wrong
        ]
    return problems


def _can_be(value: Any, key: str, base: Config) -> bool:
    """Whether a config may hold a value, type and all."""
    try:
        return is_same(_values_of(key, base).validate_python(value), value)
    except ValidationError:
        return False


def _values_of(key: str, base: Config) -> TypeAdapter[Any]:
    section, _, leaf = key.rpartition(".")
    found = type(value_at(base, section)).model_fields[leaf]
    annotation: Any = found.annotation
    for constraint in found.metadata:
        annotation = Annotated[annotation, constraint]
    return TypeAdapter(annotation)


def _check_only(only: Sequence[str], parameters: Mapping[str, SearchParameter]) -> None:
    for name in only:
        if name not in parameters:
            hint = nearest_hint(name, parameters)
            raise UserError(f"only: there is no parameter {name!r}{hint}; known: {', '.join(parameters)}")

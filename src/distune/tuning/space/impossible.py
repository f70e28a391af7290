"""Values of a search space with which every trial would fail: said before the first one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from distune.components import FUSIONS, LOSSES, Components
from distune.config import Config, with_values
from distune.config.revisions import PLACES, Place, encoders_of
from distune.distillation.compatibility import not_comparable
from distune.errors import ConfigError, UserError
from distune.models.encoders.catalogue import find
from distune.tuning.space.space import Space, bounds


def impossible(space: Space, base: Config) -> list[str]:
    """One line for each value of the user's own parameters that no trial can have.

    Args:
        space: the search space.
        base: the base config, itself possible.
    """
    lines = []
    for name in base.search_space:
        if name in space.parameters:
            key = space.key(name)
            for value in bounds(space.parameters[name]):
                if problem := _problem(key, value, space, base):
                    lines.append(f"search_space.{name}: {key} cannot be {value!r}: {problem}")
    return lines + _failing_plugins(space, base)


def _failing_plugins(space: Space, base: Config) -> list[str]:
    """One line for each loss or fusion of a plugin among the choices that fails on a batch."""
    from distune.distillation.plugin_parts import plugin_problems

    found: dict[str, None] = {}
    tables: dict[str, Components[Any]] = {
        "distillation.loss": LOSSES,
        "teacher.fusion": FUSIONS,
        "student.fusion": FUSIONS,
    }
    for name, parameter in space.parameters.items():
        key = space.key(name)
        for value in parameter.choices or () if key in tables else ():
            if tables[key].source(str(value)):
                with suppress(ConfigError):  # possible with another value elsewhere
                    found |= dict.fromkeys(plugin_problems(with_values(base, {key: value})))
    return list(found)


def _problem(key: str, value: Any, space: Space, base: Config) -> str | None:
    """What is wrong with a value whatever one other parameter is, such as the heads that divide a width."""
    try:
        config = with_values(base, {key: value})
    except ConfigError as error:
        return None if _is_valid_with_another(key, value, space, base) else "; ".join(error.problems)
    if key == "distillation.loss" and not any(_is_searched(place, space) for place in PLACES):
        return next(iter(not_comparable(config)), None)
    return next(_encoder_problems(key, config, space), None)


def _is_valid_with_another(key: str, value: Any, space: Space, base: Config) -> bool:
    for name, parameter in space.parameters.items():
        for other in bounds(parameter) if space.key(name) != key else ():
            try:
                with_values(base, {key: value, space.key(name): other})
            except ConfigError:
                continue
            return True
    return False


def _encoder_problems(key: str, config: Config, space: Space) -> Iterator[str]:
    """What keeps an encoder that a key is of, or the image size, from being built where its model is the base's."""
    from distune.models.encoders.inspection import inspect_encoder, is_at_hand

    for (role, kind), encoder in encoders_of(config):
        is_its_own = key.startswith(f"{role}.{kind}.") or (key == "data.image_size" and kind == "vision")
        if not is_its_own or not space.is_section_used(role, config) or _is_searched((role, kind), space):
            continue
        if is_at_hand(find(encoder.name, kind), kind, encoder):
            try:
                inspect_encoder(encoder, kind, config.data.image_size)
            except UserError as error:
                yield f"{role}.{kind}: {error}"


def _is_searched(place: Place, space: Space) -> bool:
    """Whether trials have other models there, of which the value may be right."""
    return f"{place[0]}.{place[1]}.name" in map(space.key, space.parameters)

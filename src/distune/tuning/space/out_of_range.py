"""Values of a base config that its own search ranges do not hold."""

from __future__ import annotations

from collections.abc import Collection

from distune.config import Config
from distune.tuning.space.space import Space, contains


def outside(space: Space, base: Config, allowed: Collection[str] = ()) -> list[str]:
    """One line for each value of the base config that its range does not hold.

    A sampler would never see how good the neighbourhood of such a value is: no trial but the first could have it.

    Args:
        space: the search space.
        base: the base config.
        allowed: parameters whose range was narrowed on purpose.
    """
    lines = []
    for name, value in space.base_values(base).items():
        parameter = space.parameters[name]
        if name in allowed or value is None or contains(parameter, value):
            continue
        if not space.is_active(name, {}, base):
            continue
        steps = f" in steps of {parameter.step:g}" if parameter.step else ""
        held = (
            list(parameter.choices)
            if parameter.choices
            else f"{parameter.low:g} to {parameter.high:g}{steps}"
        )
        lines.append(
            f"{space.key(name)} {value!r} lies outside of its search range, {held}: set search_space.{name} to a "
            "range that holds it, or change the value"
        )
    return lines

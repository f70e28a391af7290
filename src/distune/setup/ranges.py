"""Whether the search ranges of a config hold the values that the config itself has."""

from __future__ import annotations

from distune.config import Config


def outside(config: Config) -> list[str]:
    """One line for each value of a config that no trial but the first can have, because its range does not hold it.

    Args:
        config: the base config; its `study` section says which groups of parameters are searched.
    """
    from distune.tuning.space.space import contains
    from distune.tuning.tune import search_space

    space = search_space(config, config.study)
    lines = []
    for name, value in space.base_values(config).items():
        parameter = space.parameters[name]
        if value is None or contains(parameter, value):
            continue
        held = list(parameter.choices) if parameter.choices else f"{parameter.low:g} to {parameter.high:g}"
        lines.append(
            f"{space.key(name)} {value!r} lies outside of its search range, {held}: only trial 0 has it; set "
            f"search_space.{name} to a range around it"
        )
    return lines

"""Values of a config that its own choices leave without effect, such as the weight of a term that the loss lacks."""

from __future__ import annotations

from collections.abc import Iterator

from distune.config import Config, value_at
from distune.tuning.space.space import Space

_NOT_SAID = ("fusion_tokens", "fusion_dim")
"""A fusion that ignores the first is pooled anyhow, as the value says that is not the default; the second is the width
of a model without fusion, too, and only not searched."""


def inert_values(space: Space, base: Config) -> list[str]:
    """One line for each value that is not the default and that no trial, and no run of the config, reads.

    Args:
        space: the search space, and what each choice ignores.
        base: the base config.
    """
    default = Config()
    lines: dict[str, str] = {}
    for key, choice in _ignored(space, base):
        value = value_at(base, key)
        if value != value_at(default, key):
            lines.setdefault(key, f"{key}: {value!r} has no effect with {choice} {value_at(base, choice)!r}")
    return list(lines.values())


def _ignored(space: Space, base: Config) -> Iterator[tuple[str, str]]:
    """Keys that no trial reads, and the choice that leaves each without effect."""
    for choice, table in space.ignored.items():
        section = choice.partition(".")[0]
        fields = [table.get(value, frozenset()) for value in space.values_at(choice, base)]
        for name in sorted(frozenset.intersection(*fields)):
            if name != "teacher" and not name.endswith(_NOT_SAID):
                yield name if "." in name else f"{section}.{name}", choice

"""Values of a config that its own choices leave without effect, such as the weight of a term that the loss lacks."""

from __future__ import annotations

from distune.config import Config, DistillationConfig, value_at
from distune.tuning.space.space import Space

_LOSS, _AUGMENT = "distillation.loss", "data.augment"


def inert_values(space: Space, base: Config) -> list[str]:
    """One line for each value that is not the default and that no trial, and no run of the config, reads.

    Args:
        space: the search space, and what each loss ignores.
        base: the base config.
    """
    ignored = space.ignored.get(_LOSS, {})
    losses = space.values_at(_LOSS, base)
    inert = [
        (f"distillation.{field}", _LOSS)
        for field in DistillationConfig.model_fields
        if all(field in ignored.get(loss, ()) for loss in losses)
    ]
    if space.values_at(_AUGMENT, base) == ["none"]:
        inert.append(("data.views", _AUGMENT))
    return [
        f"{key}: {value_at(base, key)!r} has no effect with {choice} {value_at(base, choice)!r}"
        for key, choice in inert
        if value_at(base, key) != value_at(Config(), key)
    ]

"""Where a study starts: narrower ranges, and another study's best values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.config import (
    Config,
    DistillationConfig,
    ModelConfig,
    SearchParameter,
    load_config,
    value_at,
    with_values,
)
from distune.errors import UserError
from distune.tuning.space.space import choice_of, floats

RECOMMENDED = "recommended"
ROLES = ("teacher", "student")


RECOMMENDED_SPACE: Mapping[str, SearchParameter] = {
    "teacher_lr": floats(4e-5, 5e-5, log=True),
    "student_lr": floats(1e-4, 1.5e-4, log=True),
    "alpha": floats(0.5, 0.7),
    "beta": floats(110.0, 130.0),
    "T": floats(3.0, 3.5),
    "teacher_fusion_dim": choice_of(384),
    "student_fusion_dim": choice_of(384),
    "teacher_fusion_layers": choice_of(2),
    "student_fusion_layers": choice_of(2),
    "teacher_fusion_heads": choice_of(8),
    "student_fusion_heads": choice_of(4),
    "teacher_dropout": floats(0.18, 0.22),
    "student_dropout": floats(0.23, 0.27),
}
"""What the classic MedPix study recommends for similar tasks."""


def with_space(config: Config, space: str) -> Config:
    """A config whose search space is overridden by another.

    Args:
        config: the base config.
        space: "recommended", or a YAML file with a `search_space:` section, such as the `recommended_space.yaml`
            of a report.

    Raises:
        UserError: there is no such file, or it names no parameter.
    """
    return config.model_copy(update={"search_space": {**config.search_space, **_parameters(space)}})


def narrowed(space: str | None) -> tuple[str, ...]:
    """The parameters whose ranges another search space gives; the base config's own values may lie outside of them."""
    return () if space is None else tuple(_parameters(space))


def _parameters(space: str) -> Mapping[str, SearchParameter]:
    parameters = RECOMMENDED_SPACE if space == RECOMMENDED else load_config(Path(space)).search_space
    if not parameters:
        raise UserError(
            f"space: {space} has no search_space section; name a file that `distune report` wrote, or recommended"
        )
    return parameters


def started_from(config: Config, path: Path) -> Config:
    """A config with the tunable values of another: fusion, dropout, learning rates, distillation.

    Data, encoders and epochs stay.

    Raises:
        ConfigError: the file is no config, or its values do not fit.
    """
    best = load_config(path)
    values: dict[str, Any] = {key: value_at(best, key) for key in _tunable_keys()}
    return with_values(config, values, source=f"{path} laid over the base config")


def _tunable_keys() -> list[str]:
    fields = [
        name for name in ModelConfig.model_fields if name.startswith("fusion") or name in ("dropout", "lr")
    ]
    models = [f"{role}.{name}" for role in ROLES for name in fields]
    return [*models, *(f"distillation.{name}" for name in DistillationConfig.model_fields)]

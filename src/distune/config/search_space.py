"""The section `search_space`: one entry a parameter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from distune.config.section import ConfigSection
from distune.config.training import DistillationConfig

_MOST_STEPS = 1_000_000


class SearchParameter(ConfigSection):
    """One dimension of the search space."""

    type: Literal["float", "int", "categorical"]
    """Kind of values."""
    low: float | None = None
    """Smallest value (float, int)."""
    high: float | None = None
    """Largest value (float, int)."""
    log: bool = False
    """Search on a logarithmic scale."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between neighbouring values."""
    choices: Annotated[tuple[bool | int | float | str, ...], Field(max_length=100)] | None = None
    """Values of a categorical parameter."""
    when: dict[str, tuple[bool | int | float | str, ...]] | None = None
    """Only searched where each named parameter or config key has one of the given values."""
    key: str | None = None
    """Dotted config key that the value is written to; empty derives it from the name."""

    @model_validator(mode="after")
    def _range_or_choices(self) -> SearchParameter:
        if self.type == "categorical":
            if not self.choices or self.low is not None or self.high is not None or self.log or self.step:
                raise ValueError("categorical takes choices, and none of low, high, log, step")
            if len({(isinstance(choice, bool), choice) for choice in self.choices}) < len(self.choices):
                raise ValueError("a choice stands twice")
            return self
        if self.choices is not None or self.low is None or self.high is None:
            raise ValueError(f"{self.type} takes low and high, and no choices")
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0 and no step")
        # Of decimals such as 0.2, 0.3 and 0.1 the step comes out longer than the range by a rounding error.
        steps = (self.high - self.low) / self.step if self.step else 1.0
        if self.low < self.high and not 1.0 - 1e-9 <= steps <= _MOST_STEPS:
            raise ValueError(
                f"from low to high are one step or more, and {_MOST_STEPS:,} at most; change step or the ends"
            )
        if self.type == "int" and not all(
            (number or 0) % 1 == 0 for number in (self.low, self.high, self.step)
        ):
            raise ValueError("int takes whole numbers as low, high and step")
        return self


def config_key_of(name: str) -> str | None:
    """The dotted config key that a parameter's name stands for; None if it stands for none.

    `teacher_lr` is `teacher.lr`, `alpha` is `distillation.alpha`.
    """
    side, _, rest = name.partition("_")
    if side in ("teacher", "student") and rest:
        return f"{side}.{rest}.name" if rest in ("vision", "text") else f"{side}.{rest}"
    return f"distillation.{name}" if name in DistillationConfig.model_fields else None

"""Parameters of a search space on a scale from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from distune.config import config_key_of
from distune.utils.numbers import is_number

Kind = Literal["float", "int", "categorical"]

FIRST = ("teacher_lr", "student_lr", "alpha", "beta", "T")
"""The parameters that stand first where a table names them all."""
TEACHER = "teacher"
"""The parameter by which a staged search chooses a teacher as a whole; it means nothing outside its study."""


@dataclass(frozen=True)
class Parameter:
    """One dimension of a search space.

    Attributes:
        name: the parameter's name.
        kind: float, int or categorical.
        low: smallest value (float, int).
        high: largest value (float, int).
        log: searched on a logarithmic scale.
        step: distance between neighbouring values.
        choices: values of a categorical parameter.
        when: the conditions under which it is searched.
        key: dotted config key, where the study records one.
    """

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    when: Mapping[str, tuple[Any, ...]] | None = None
    key: str | None = None

    @property
    def config_key(self) -> str:
        """The dotted config key that the parameter writes to; a name that stands for none is itself."""
        return self.key or config_key_of(self.name) or self.name

    @property
    def levels(self) -> list[Any] | None:
        """All values, where there are at most 20 of them; None for a continuous parameter."""
        if self.kind == "categorical":
            return list(self.choices)
        if self.low is None or self.high is None:
            return None
        step = self.step or (1 if self.kind == "int" else None)
        if step is None or (self.high - self.low) / step > 19:
            return None
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        values = [self.low + index * step for index in range(count)]
        return [int(value) for value in values] if self.kind == "int" else values

    def position(self, value: Any) -> float | None:
        """Where a number lies between low (0) and high (1) on the search scale.

        Returns:
            None for a categorical parameter, and for what is no number on the scale; values outside the
            range lie below 0 or above 1; 0.5 where low equals high.
        """
        if self.kind == "categorical" or self.low is None or self.high is None or not is_number(value):
            return None
        if self.low == self.high:
            return 0.5
        if self.log:
            if min(value, self.low, self.high) <= 0:
                return None
            return math.log(value / self.low) / math.log(self.high / self.low)
        return float((value - self.low) / (self.high - self.low))

    def at(self, position: float) -> float:
        """The number at a position between low (0) and high (1); ints are rounded."""
        assert self.low is not None and self.high is not None
        if self.log:
            value = float(self.low * (self.high / self.low) ** position)
        else:
            value = self.low + position * (self.high - self.low)
        return round(value) if self.kind == "int" else value

    def holds(self, value: Any) -> bool:
        """Whether a value lies inside the parameter's range or among its choices."""
        if self.kind == "categorical":
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        position = self.position(value)
        return position is not None and -1e-9 <= position <= 1 + 1e-9

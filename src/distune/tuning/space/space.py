"""The search space: which config keys a study varies, over which values, and when.

The default is the classic MedPix study's: 13 parameters on learning rates, loss weights, fusion and dropout.
A parameter's config key follows from its name (`teacher_lr` is `teacher.lr`, `alpha` is `distillation.alpha`);
other keys are named by `key`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distune.config import Config, SearchParameter, config_key_of, value_at
from distune.errors import UserError
from distune.tuning.space.without_effect import Ignored

Value = bool | int | float | str
TEACHER = "teacher"
"""The parameter, and the section, that a staged search chooses as a whole."""


def floats(low: float, high: float, log: bool = False) -> SearchParameter:
    """A range of numbers."""
    return SearchParameter(type="float", low=low, high=high, log=log)


def whole_numbers(low: int, high: int) -> SearchParameter:
    """A range of whole numbers."""
    return SearchParameter(type="int", low=low, high=high)


def choice_of(*values: Value, key: str | None = None) -> SearchParameter:
    """A choice; `key` is its config key where its name does not say it."""
    return SearchParameter(type="categorical", choices=values, key=key)


DEFAULT_SPACE: dict[str, SearchParameter] = {
    "teacher_lr": floats(5e-6, 1e-4, log=True),
    "student_lr": floats(1e-4, 5e-4, log=True),
    "alpha": floats(0.5, 2.0),
    "beta": floats(50.0, 200.0),
    "T": floats(2.0, 6.0),
    "teacher_fusion_dim": choice_of(256, 384, 512),
    "student_fusion_dim": choice_of(256, 384, 512),
    "teacher_fusion_layers": whole_numbers(1, 3),
    "student_fusion_layers": whole_numbers(1, 2),
    "teacher_fusion_heads": choice_of(4, 8),
    "student_fusion_heads": choice_of(4, 8),
    "teacher_dropout": floats(0.05, 0.3),
    "student_dropout": floats(0.05, 0.3),
}


@dataclass(frozen=True)
class Space:
    """The parameters of a study and what each fusion and loss makes of them.

    Args:
        parameters: by name, in the order in which they are drawn.
        ignored: what some values leave without effect, such as the temperature of a loss that has none.
    """

    parameters: Mapping[str, SearchParameter]
    ignored: Sequence[Ignored] = ()

    def key(self, name: str) -> str:
        """The config key that a parameter is written to."""
        return self.parameters[name].key or config_key_of(name) or name

    def values_at(self, key: str, base: Config) -> list[Any]:
        """What a trial can have at a config key: the base config's value, and all choices or bounds of a parameter."""
        searched = (bounds(p) for name, p in self.parameters.items() if self.key(name) == key)
        return list(dict.fromkeys([value_at(base, key), *(value for each in searched for value in each)]))

    def base_values(self, base: Config) -> dict[str, Any]:
        """The base config's own value of every parameter."""
        return {name: value_at(base, self.key(name)) for name in self.parameters}

    def overrides(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as values by config key."""
        return {self.key(name): value for name, value in params.items()}

    def is_active(self, name: str, chosen: Mapping[str, Any], base: Config) -> bool:
        """Whether a parameter has an effect.

        Args:
            name: the parameter.
            chosen: values drawn so far, by config key.
            base: gives the values of keys that are not varied.
        """

        def value(key: str) -> Any:
            return chosen[key] if key in chosen else value_at(base, key)

        conditions = self.parameters[name].when or {}
        if any(value(self.key_of_condition(other)) not in values for other, values in conditions.items()):
            return False
        key = self.key(name)
        return not any(each.names(key) and each.holds(value) for each in self.ignored)

    def always_active(self, base: Config) -> list[str]:
        """Names of the parameters that have an effect whatever else is chosen."""
        return [name for name in self.parameters if self._states(name, base) == {True}]

    def ever_active(self, base: Config) -> list[str]:
        """Names of the parameters that some choice gives an effect."""
        return [name for name in self.parameters if True in self._states(name, base)]

    def in_order(self) -> list[str]:
        """Names such that a parameter comes after those that decide whether it is drawn."""
        deciding = {name: self.deciding(name) for name in self.parameters}
        ordered: list[str] = []
        while len(ordered) < len(deciding):
            # In rounds, not depth first: names that are ready keep the order in which the space gives them.
            ready = [n for n, needs in deciding.items() if n not in ordered and needs <= set(ordered)]
            if not ready:
                circle = ", ".join(name for name in deciding if name not in ordered)
                raise UserError(f"search_space: the conditions (when) of {circle} form a circle; remove one")
            ordered += ready
        return ordered

    def as_dict(self) -> dict[str, Any]:
        """The parameters as plain values, for the study and for reports."""
        return {
            name: {"key": self.key(name)} | parameter.model_dump(mode="json", exclude_defaults=True)
            for name, parameter in self.parameters.items()
        }

    def key_of_condition(self, other: str) -> str:
        """The config key that a condition on a parameter, or on a key, asks for."""
        return self.key(other) if other in self.parameters else (config_key_of(other) or other)

    def part(self, names: Collection[str]) -> dict[str, SearchParameter]:
        """Some of the parameters, for a space of their own: their conditions name config keys."""
        found = {}
        for name, parameter in self.parameters.items():
            if name in names:
                when = {self.key_of_condition(other): v for other, v in (parameter.when or {}).items()}
                found[name] = parameter.model_copy(update={"when": when or None})
        return found

    def is_section_used(self, section: str, base: Config) -> bool:
        """Whether some point of the space gives a section of the config an effect."""
        return self.never_read(section, base) is None

    def never_read(self, key: str, base: Config) -> Ignored | None:
        """Why no point of the space gives a config key, or a section, an effect; None where some point does."""
        return next((each for each in self.ignored if each.names(key) and self.is_certain(each, base)), None)

    def is_certain(self, ignored: Ignored, base: Config) -> bool:
        """Whether a part of the config is without effect at every point of the space."""
        return all(values.issuperset(self.values_at(key, base)) for key, values in ignored.when.items())

    def is_possible(self, ignored: Ignored, base: Config) -> bool:
        """Whether a part of the config is without effect at some point of the space."""
        return all(values.intersection(self.values_at(key, base)) for key, values in ignored.when.items())

    def condition_keys(self, name: str) -> set[str]:
        """The config keys that a parameter's own conditions (when) ask for."""
        return {self.key_of_condition(other) for other in self.parameters[name].when or {}}

    def deciding(self, name: str) -> set[str]:
        """The parameters that decide whether one is drawn."""
        key = self.key(name)
        keys = self.condition_keys(name)
        keys |= {choice for each in self.ignored if each.names(key) for choice in each.when}
        return {other for other in self.parameters if self.key(other) in keys}

    def _states(self, name: str, base: Config) -> set[bool]:
        """Whether a parameter has an effect, over all choices that decide about it; both where they are ranges."""
        deciding = sorted(self.deciding(name))
        if any(self.parameters[other].type != "categorical" for other in deciding):
            return {True, False}
        chosen: list[dict[str, Any]] = [{}]
        base_values = self.base_values(base)
        for other in deciding:
            values = (*(self.parameters[other].choices or ()), base_values[other])
            chosen = [{**before, other: value} for before in chosen for value in values]
        return {self.is_active(name, self.overrides(one), base) for one in chosen}


def is_same(value: Any, other: Any) -> bool:
    """Whether two values are one; True is no 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def contains(parameter: SearchParameter, value: Any) -> bool:
    """Whether a value can be drawn."""
    if parameter.type == "categorical":
        return any(is_same(value, choice) for choice in parameter.choices or ())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = parameter.low or 0.0, parameter.high or 0.0
    if not low <= value <= high:
        return False
    step = parameter.step or (1 if parameter.type == "int" else None)
    return step is None or abs((value - low) / step - round((value - low) / step)) < 1e-8


def bounds(parameter: SearchParameter) -> list[Value]:
    """All choices; of a range its ends and, where there are fractions between them, one: a key may take none."""
    if parameter.choices:
        return list(parameter.choices)
    low, high = parameter.low or 0.0, parameter.high or 0.0
    if parameter.type == "int":
        return [int(low), int(high)]
    between = low + (parameter.step or (high - low) / math.pi)
    return [low, high, between] if low < between < high else [low, high]

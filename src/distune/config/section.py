"""What every section of the config is."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class _OneError(ModelMetaclass):
    """`Config(...)` breaks rules with the error that a file breaks them with.

    In the metaclass, because a section that has its own `__init__` is validated through it, without the place of what
    is wrong.
    """

    if not TYPE_CHECKING:

        def __call__(cls, *given: Any, **values: Any) -> Any:  # noqa: N805
            """A section, validated."""
            try:
                return super().__call__(*given, **values)
            except ValidationError as error:
                from distune.config.files import problems_of
                from distune.errors import ConfigError

                raise ConfigError(cls.__name__, problems_of(error)) from None


class ConfigSection(BaseModel, metaclass=_OneError):
    """A part of the config: unknown keys are errors, values never change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_not_one(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic would take true for 1."""
        if isinstance(value, bool) and info.field_name in cls.model_fields:
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if kinds & {int, float} and bool not in kinds:
                raise ValueError(f"a number is needed, not {str(value).lower()}")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation names side by side, those with limits of their own too."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(parts[0])
    if origin in (Union, UnionType):
        return set[Any]().union(*map(_kinds, parts))
    return {annotation}

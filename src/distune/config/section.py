"""What every section of the config is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from distune.utils.text import NOT_UNICODE, is_unicode

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


def _says_something(name: str) -> str:
    if not name.strip():
        raise ValueError("a blank names nothing; leave it out")
    return name


Name = Annotated[str, AfterValidator(_says_something)]
"""Of a column, a parameter, a file or a place."""


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: {error}") from None


HomePath = Annotated[Path, AfterValidator(_expanded)]
HomeName = Annotated[
    Name, AfterValidator(lambda name: str(_expanded(Path(name))) if name[0] == "~" else name)
]
"""A name, or the path of a file or folder; `~` is the home folder in both."""


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

                raise ConfigError(cls.__name__, problems_of(error, values)) from None


class ConfigSection(BaseModel, metaclass=_OneError):
    """A part of the config: unknown keys are errors, values never change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_what_it_seems(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic would take true for 1, and text that no file can hold for text."""
        if info.field_name in cls.model_fields:
            _check_numbers(value, cls.model_fields[info.field_name].annotation)
        _check_texts(value)
        return value


def _check_numbers(value: Any, annotation: Any) -> None:
    kinds = kinds_of(annotation)
    if isinstance(value, bool) and (int in kinds or float in kinds) and bool not in kinds:
        raise ValueError(f"a number is needed, not {str(value).lower()}")
    if isinstance(value, list | tuple):
        parts = [part for kind in kinds if get_origin(kind) is tuple for part in get_args(kind)]
        for one in value:
            for part in parts:
                _check_numbers(one, part)


def _check_texts(value: Any) -> None:
    if isinstance(value, str | Path) and not is_unicode(str(value)):
        raise ValueError(NOT_UNICODE)
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for one in value:
            _check_texts(one)


def kinds_of(annotation: Any) -> list[Any]:
    """The types that an annotation names side by side, those with limits of their own too."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kinds_of(parts[0])
    if origin in (Union, UnionType):
        return [kind for part in parts for kind in kinds_of(part)]
    return [annotation]

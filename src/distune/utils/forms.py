"""Forms of records: the keys that are used, each with its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Form(BaseModel):
    """Strict, as what is read is used as it stands: no text passes for a number, nor true."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


def fault(held: Mapping[str, Any], form: type[Form]) -> str | None:
    """The first thing that is wrong with the content of a file, such as `contenders.base.trial: Field required`.

    Args:
        held: the content.
        form: what it should be.

    Returns:
        None where nothing is.
    """
    try:
        form.model_validate(held)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(key) for key in first["loc"])
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    return None

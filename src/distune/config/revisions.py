"""Which commit of a hub model each encoder of a config uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from distune.config.experiment import Config
from distune.config.files import as_dict, parse_config, with_values
from distune.config.model import EncoderConfig, Kind, ModelConfig

Role = Literal["teacher", "student"]
Place = tuple[Role, Kind]
PLACES: tuple[Place, ...] = (
    ("teacher", "vision"), ("teacher", "text"), ("student", "vision"), ("student", "text")
)  # fmt: skip


def encoders_of(config: Config) -> Iterator[tuple[Place, EncoderConfig]]:
    """The encoders that a config's models have, each with its section and field."""
    roles: tuple[tuple[Role, ModelConfig], ...] = (("teacher", config.teacher), ("student", config.student))
    for role, model in roles:
        for kind, encoder in model.encoders.items():
            yield (role, kind), encoder


def model_key(encoder: EncoderConfig) -> str:
    """Names the model that an encoder asks for: `name`, or `name@revision` where it gives one."""
    return _key(encoder.name, encoder.revision)


def _key(name: str, revision: str | None) -> str:
    return name if revision is None else f"{name}@{revision}"


def pinned(config: Config, commits: Mapping[str, str]) -> Config:
    """A config whose encoders name the commits of their models.

    Args:
        config: of one run.
        commits: by `model_key`; models that are not among them stay as they are.
    """
    return parse_config(pin_values(as_dict(config), commits), source="encoders")


def pin_values(values: dict[str, Any], commits: Mapping[str, str]) -> dict[str, Any]:
    """As `pinned`, for a complete config as plain values, which is changed and not validated."""
    for role in ("teacher", "student"):
        for kind in ("vision", "text"):
            given = values[role][kind]
            encoder = given if isinstance(given, dict) else {"name": given}
            key = _key(encoder["name"], encoder.get("revision"))
            if key in commits:
                values[role][kind] = {**encoder, "revision": commits[key]}
    return values


def carried_over(config: Config, earlier: Config) -> Config:
    """A config that keeps the commits of an earlier one, where both name the same model and this one no revision."""
    before = dict(encoders_of(earlier))
    values = {
        f"{role}.{kind}.revision": known.revision
        for (role, kind), encoder in encoders_of(config)
        if encoder.revision is None
        and (known := before.get((role, kind)))
        and known.name == encoder.name
        and known.revision is not None
    }
    return with_values(config, values, source="encoders") if values else config


def renamed(base: Config, overrides: Mapping[str, object]) -> dict[str, None]:
    """The revisions that values laid over a config make void: another model has none of the first one's commits.

    Returns:
        None by the dotted key of each such revision.
    """
    return {
        f"{role}.{kind}.revision": None
        for (role, kind), encoder in encoders_of(base)
        if overrides.get(f"{role}.{kind}.name", encoder.name) != encoder.name
    }

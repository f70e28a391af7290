"""Reading and writing configs: YAML in, every problem at once out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from distune.config.experiment import Config
from distune.config.section import kinds_of
from distune.config.study import StudyConfig
from distune.errors import MOST_LINES, ConfigError, UserError
from distune.utils.arguments import check_argument, check_path
from distune.utils.files.atomic import write_text
from distune.utils.files.yaml_files import LONGEST_ECHO, YamlFileError, load_yaml, yaml_text
from distune.utils.text import nearest, pasted

_NEEDED = {
    "string_type": "text is needed; write it in quotes where it looks like something else",
    "path_type": "a path is needed; write it in quotes where it looks like something else",
    "tuple_type": "a list is needed, such as [a, b]",
    "dict_type": "keys with values are needed; leave it out where it has none",
    "model_type": "keys with values are needed; leave it out where it has none",
}
"""What the rules of types ask for in words of YAML, which reads no, 12 and 2026-11-26 as no text."""
LOAD_CONFIG = "distune.load_config(path) reads a config"
_LONGEST_RULE = 1_000
"""Characters of a broken rule that are shown; some repeat the value."""


def check_config(config: object) -> None:
    """Refuses what is no config, such as the path of one.

    Raises:
        UserError: it is none.
    """
    check_argument("config", config, Config, remedy=LOAD_CONFIG)


def load_config(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Reads and validates a YAML config.

    Args:
        path: the YAML file.
        overrides: values by dotted key (`"teacher.epochs"`), laid over the file's; a mapping holds those of a section.

    Returns:
        The complete config, every default filled in.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or breaks rules (all are listed).
    """
    check_path("path", path)
    check_argument("overrides", overrides, Mapping, type(None))
    path = Path(path)
    try:
        raw = load_yaml(path)
    except YamlFileError as error:
        raise ConfigError(str(path), [str(error)]) from None
    if not isinstance(raw, dict):
        raise ConfigError(str(path), [f"a config is a mapping of sections, not {type(raw).__name__}"])
    return parse_config(raw, source=str(path), overrides=overrides)


def by_key(held: Any, overrides: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The same overrides with those of a whole section as its keys: the others keep the file's values.

    Raises:
        UserError: a key is no text, or has two values.
    """
    found: dict[str, Any] = {}
    for key, value in overrides.items():
        check_argument("overrides", key, str)
        section = held
        for part in key.split("."):
            section = getattr(section, part, None) if isinstance(section, BaseModel) else None
        if isinstance(section, BaseModel) and isinstance(value, Mapping):
            more = by_key(section, value, f"{prefix}{key}.")
        else:
            more = {prefix + key: value}
        for name in more.keys() & found.keys():
            if more[name] != found[name]:
                raise UserError(
                    f"overrides: {name} has two values, {found[name]!r} and {more[name]!r}; give one"
                )
        found |= more
    return found


def parse_config(
    raw: Mapping[str, Any], *, source: str = "config", overrides: Mapping[str, Any] | None = None
) -> Config:
    """Validates a mapping of sections; see `load_config`."""
    try:
        config = _validated(raw, source)
    except ConfigError:
        if not overrides:
            raise
        # What it lacks, or has wrong, may be among the overrides.
        complete = laid_over(deepcopy(dict(raw)), by_key(Config(), overrides), source=source)
        return _validated(complete, source)
    return with_values(config, by_key(config, overrides), source=source) if overrides else config


def with_values(config: Config, values: Mapping[str, Any], *, source: str = "config") -> Config:
    """Returns a copy of a config with other values at dotted keys, validated again.

    Raises:
        ConfigError: a key does not exist or a value breaks a rule.
    """
    return _validated(laid_over(as_dict(config), values, source=source), source)


def laid_over(
    complete: dict[str, Any], values: Mapping[str, Any], *, source: str = "config"
) -> dict[str, Any]:
    """Lays values by dotted key over a config's plain values; nothing is validated.

    Args:
        complete: a config as plain values; it is changed.
        values: by dotted key.
        source: named in the error.

    Raises:
        ConfigError: a key asks for a part of a single value.
    """
    for key, value in values.items():
        *sections, last = key.split(".")
        target = complete
        for section in sections:
            if target.get(section) is None:  # a section that may be empty, such as data.fold
                target[section] = {}
            target = target[section]
            if not isinstance(target, dict):
                raise ConfigError(source, [f"{key}: unknown key; {section} is a value without parts"])
        target[last] = value
    return complete


def _validated(raw: Mapping[str, Any], source: str) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, raw)) from None


def as_dict(config: BaseModel) -> dict[str, Any]:
    """The config as plain values that YAML and JSON can hold.

    A `study` section left at its defaults is left out: runs and studies know nothing of it.
    """
    values = config.model_dump(mode="json")
    if isinstance(config, Config) and config.study == StudyConfig():
        del values["study"]
    return values


def value_at(config: Config, key: str) -> Any:
    """The value at a dotted key, such as `"teacher.vision.name"`.

    Raises:
        KeyError: no such key.
    """
    value: Any = config
    for part in key.split("."):
        if isinstance(value, Mapping):
            value = value[part]
        elif isinstance(value, BaseModel) and part in type(value).model_fields:
            value = getattr(value, part)
        else:
            raise KeyError(key)
    return value


def dump_config(config: Config) -> str:
    """The complete config as YAML text, sections in the order of the schema."""
    return yaml_text(as_dict(config))


def save_config(config: Config, path: Path) -> None:
    """Writes the complete config as YAML."""
    write_text(path, dump_config(config))


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """All dotted keys of the schema."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for kind in kinds_of(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys += known_keys(kind, f"{prefix}{name}.")
    return keys


def problems_of(error: ValidationError, given: Mapping[str, Any]) -> list[str]:
    """One line a key: what a union's members each say of one value is one problem, not several.

    Args:
        error: what pydantic found.
        given: what it looked at.
    """
    said: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for item in error.errors():
        key, message = _rule(item, given, hint=len(said) < MOST_LINES)  # no more than are shown
        said.setdefault(key, []).append(message)
        values[key] = item["input"]
    return [
        f"{key[:LONGEST_ECHO]}: {'; or '.join(messages)[:_LONGEST_RULE]}{_shown(values[key])}"
        for key, messages in said.items()
    ]


def _rule(item: Any, given: Mapping[str, Any], hint: bool) -> tuple[str, str]:
    path = _path(item["loc"], given)
    key = ".".join(path) or "config"
    if item["type"] == "extra_forbidden":
        return key, f"unknown key{_did_you_mean(path) if hint else ''}"
    message = _NEEDED.get(item["type"], str(item["msg"]).removeprefix("Value error, "))
    message = message[:1].lower() + message[1:]
    if item["type"] == "literal_error" and isinstance(item["input"], str):
        allowed = [part.strip("' ") for part in message.split("be", 1)[-1].replace(" or ", ",").split(",")]
        message += _nearest(item["input"], allowed)
    return key, message


def _shown(received: Any) -> str:
    if isinstance(received, Mapping | BaseModel):
        return ""
    shown = repr(received)
    signs = pasted(received) if isinstance(received, str) else ""
    return f" (got {shown if len(shown) <= LONGEST_ECHO else f'{shown[:LONGEST_ECHO]} ...'}{signs})"


def _path(parts: Sequence[str | int], given: Any) -> list[str]:
    """The keys to a value, without what pydantic adds to them: the tried member of a union, which is in no file."""
    path = []
    for part in parts:
        is_given = isinstance(given, Mapping) and part in given
        given = given[part] if is_given else None
        if is_given or not re.search(r"[-\[(]", str(part)):
            path.append(str(part))
    return path


_ELSEWHERE = {"study_name": "name", "n_jobs": "workers"}
"""What Optuna and others call our keys."""


def _did_you_mean(path: Sequence[str]) -> str:
    prefix = ".".join(path[:-1])
    keys = known_keys()
    siblings = [k.rpartition(".")[2] for k in keys if k.rpartition(".")[0] == prefix]
    known = _ELSEWHERE.get(path[-1])
    near = f" (did you mean {known}?)" if known in siblings else _nearest(path[-1], siblings)
    if near:
        return near
    elsewhere = [k if "." in k else f"{k}, in no section" for k in keys if k.rpartition(".")[2] == path[-1]]
    return f" (did you mean {' or '.join(elsewhere)}?)" if elsewhere else ""


def _nearest(word: str, known: Sequence[str]) -> str:
    close = nearest(word, known)
    return f" (did you mean {close[0]}?)" if close else ""

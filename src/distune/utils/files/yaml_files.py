"""YAML files of unknown origin: read safely, within limits, and with every fault as one message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from distune.errors import is_of_the_machine
from distune.utils.files.paths import read_file
from distune.utils.text import NOT_UNICODE, is_unicode, pasted

LARGEST = 500_000
"""Bytes of a file that is read."""
DEEPEST = 50
"""Levels of nesting."""
MOST_VALUES = 100_000
"""Values after every alias is followed; a few lines of aliases can stand for billions."""
LONGEST_NUMBER = 100
"""Digits of a number."""
LONGEST_ECHO = 300
"""Characters of a parser's message that are shown."""
_READ_OTHERWISE = re.compile(r"[-+]?0[0-9_]+|.*:.*")
"""Octal numbers such as 010, and those of base 60 such as 12:30: YAML 1.1 reads 8 and 750."""


class _Writer(yaml.SafeDumper):
    """Escapes the next-line character, which PyYAML writes as it is and reads as a blank."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\x85" in text else None)


_Writer.add_representer(str, _Writer.represent_text)


class YamlFileError(Exception):
    """A file that is no YAML within the limits; the message is one line without the file's name."""


def yaml_text(value: Any, width: float = 80) -> str:
    """A value as YAML that is read back as the same.

    Args:
        value: mappings, lists, texts, numbers, booleans and None.
        width: columns of a line, where it has blanks to break at.
    """
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=width)


def load_yaml(path: Path) -> Any:
    """Reads a YAML file as plain values.

    Raises:
        YamlFileError: there is no such file, it is no regular file, too large, no YAML, has a key twice, or
            holds more than the limits allow.
    """
    try:
        if not path.exists():
            raise YamlFileError("there is no such file")
        if not path.is_file():
            raise YamlFileError("this is no file")
        if path.stat().st_size > LARGEST:
            raise YamlFileError(f"larger than {LARGEST:,} bytes; this is no config")
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFileError(
            f"is not in UTF-8 ({error.reason} at byte {error.start}); save it in UTF-8"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        if is_of_the_machine(error):
            raise
        raise YamlFileError(f"cannot be read: {_short(error)}") from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """Parses YAML as plain values; see `load_yaml`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, 1, 0)
        return loader.construct_document(node)
    except RecursionError:
        raise YamlFileError(f"nested deeper than {DEEPEST} levels") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        hint = "" if isinstance(error, yaml.constructor.ConstructorError) else pasted(text)
        raise YamlFileError(f"{where}{_short(error.problem or error)}{hint}") from None
    except YamlFileError:
        raise
    except Exception as error:  # bad dates, numbers and tags make PyYAML raise anything
        raise YamlFileError(f"not readable as YAML: {_short(error)}") from None


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that stands twice, and numbers of thousands of digits."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _refused(f"the key {_short(key.value)!r} stands twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # a bad date, number or tag makes PyYAML raise anything
            kind = node.tag.rpartition(":")[2]
            raise _refused(f"{_short(node.value)!r} cannot be read as {kind}", node) from None

    def construct_scalar(self, node: Any) -> Any:
        is_number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if is_number and len(node.value) > LONGEST_NUMBER:
            raise _refused(f"a number of {len(node.value):,} characters", node)
        if is_number and _READ_OTHERWISE.fullmatch(node.value):
            raise _refused(
                f"YAML reads {node.value} as a number of another base; write it without leading zeros and colons, "
                "or in quotes where it is text",
                node,
            )
        # Written as an escape, such as "\\ud800".
        if isinstance(node.value, str) and not is_unicode(node.value):
            raise _refused(f"{NOT_UNICODE}; write the character itself", node)
        return super().construct_scalar(node)


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _count(node: yaml.Node, depth: int, values: int) -> int:
    """The values under a node, aliases followed, added to those before it."""
    if depth > DEEPEST:
        raise YamlFileError(f"nested deeper than {DEEPEST} levels")
    values += 1
    if values > MOST_VALUES:
        raise YamlFileError(f"stands for more than {MOST_VALUES:,} values; this is no config")
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            values = _count(child, depth + 1, values)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            values = _count(child, depth + 1, _count(key, depth + 1, values))
    return values


def _short(message: object) -> str:
    text = " ".join(str(message).split())
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]} ..."

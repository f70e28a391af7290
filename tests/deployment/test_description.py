"""Every field of a bundle's JSON files, with every value that it must not hold."""

from __future__ import annotations

import copy
import json
import math
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distune.config import ScoreName, TaskKind
from distune.data.pixels.intensity import PixelRules
from distune.data.table import Task
from distune.data.tokenizer import HashTokenizer
from distune.deployment.bundle import checksum_of, load_bundle
from distune.deployment.description import (
    LABELS,
    PREPROCESS,
    TASK,
    TOKENIZERS,
    Rule,
    check_format,
    check_labels,
    check_preprocess,
)
from distune.errors import UserError
from distune.prediction.table_columns import Columns

FILE = Path("bundle/file.json")
SOUND: dict[str, Any] = {
    "format": 2,
    "modalities": ["image", "text"],
    "image_size": 64,
    "window": None,
    "percentiles": [0.5, 99.5],
    "max_image_megapixels": 100.0,
    "max_tokens": 16,
    "tokenizer": {"kind": "hashed_words", "buckets": 100, "maximum": 64},
    "columns": {"image": ["image"], "text": ["text"], "missing": ["n/a"]},
    "encoding": "cp1250",
    "reading": {"tasks": {"side": {"separator": "|"}}, "label_map": None},
}
TASKS: dict[str, Any] = {
    "tasks": [
        {
            "name": "kind",
            "classes": ["a", "b"],
            "temperature": 1.5,
            "kind": "ordinal",
            "score": "auroc",
            "weight": 0.5,
        },
        {"name": "place", "classes": ["only"], "temperature": 1},
    ]
}
NEVER: list[Any] = [
    True, -1, 0.5, float("nan"), float("inf"), 10**400, "", "x", [], [[]], [1], ["a", "a"], [None, None], [0, 10**400],
    {}, {"a": 1}, {"a": {"b": []}},
]  # fmt: skip
"""Values of every type; none of them is right everywhere."""


def test_what_is_written_is_sound() -> None:
    check_format(FILE, SOUND)
    check_preprocess(FILE, SOUND)
    check_preprocess(
        FILE, SOUND | {"window": [40, 400.0], "tokenizer": {"kind": "tokenizers", "maximum": 10**18}}
    )
    check_preprocess(FILE, SOUND | {"modalities": ["image"], "tokenizer": None, "columns": {}, "more": 1})
    check_labels(FILE, TASKS)


def test_the_names_are_those_of_the_config() -> None:
    assert all(TASK["kind"].holds(name) for name in typing.get_args(TaskKind))
    assert all(TASK["score"].holds(name) for name in typing.get_args(ScoreName))


def places(about: dict[str, Any], field: str) -> list[tuple[dict[str, Any], Callable[[], None]]]:
    """The objects of a copy that hold a field, each with the check of the whole."""
    whole, tasks = copy.deepcopy(about), copy.deepcopy(TASKS)
    return [
        (whole, lambda: check_preprocess(FILE, whole)),
        (whole["tokenizer"], lambda: check_preprocess(FILE, whole)),
        (tasks, lambda: check_labels(FILE, tasks)),
        (tasks["tasks"][0], lambda: check_labels(FILE, tasks)),
    ]


FIELDS: list[tuple[int, str, Rule]] = [
    (place, name, rule)
    for place, rules in enumerate((PREPROCESS, TOKENIZERS["hashed_words"], LABELS, TASK))
    for name, rule in rules.items()
]


@pytest.mark.parametrize(
    ("place", "name", "rule"), FIELDS, ids=[f"{place} {name}" for place, name, _ in FIELDS]
)
def test_a_field_that_holds_something_else_is_named(place: int, name: str, rule: Rule) -> None:
    refused = 0
    for value in NEVER:
        held, check = places(SOUND, name)[place]
        held[name] = value
        try:
            check()
        except UserError as error:
            assert name in str(error) and "file.json" in str(error) and len(str(error)) < 500
            refused += 1
    assert refused >= len(NEVER) - 7
    held, check = places(SOUND, name)[place]
    del held[name]
    if rule.needed:
        with pytest.raises(UserError, match=name):
            check()
    else:
        check()


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": 0},
        {"image_size": 5000},
        {"tokenizer": None},
        {"tokenizer": {"kind": "x"}},
        {"tokenizer": {"kind": ["tokenizers"]}},
        {"modalities": ["text"]},
        {"window": [40, 0]},
        {"window": [40, 80, 1]},
        {"percentiles": [0, 50, 100]},
        {"percentiles": [0]},
        {"percentiles": [99, 1]},
    ],
)
def test_fields_must_fit_each_other(changes: Mapping[str, Any]) -> None:
    with pytest.raises(UserError):
        check_preprocess(FILE, {**SOUND, **changes})


@pytest.mark.parametrize("value", NEVER)
def test_labels_hold_objects_of_different_names(value: Any) -> None:
    with pytest.raises(UserError):
        check_labels(FILE, {"tasks": [TASKS["tasks"][0], value]})
    with pytest.raises(UserError, match="one name"):
        check_labels(FILE, {"tasks": [TASKS["tasks"][0]] * 2})


@pytest.mark.parametrize("value", [None, 0, "2", 2.0, True, [1]])
def test_a_format_is_a_whole_number(value: Any) -> None:
    with pytest.raises(UserError, match="format"):
        check_format(FILE, {"format": value})


@pytest.mark.parametrize(("window", "megapixels"), [([40, 400], 2.5), (None, None)])
def test_a_bundle_is_read_by_the_rules_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: list[int] | None, megapixels: float | None
) -> None:
    about = {**SOUND, "format": 1, "window": window, "percentiles": [1, 98], "max_tokens": 9}
    about["max_image_megapixels"] = megapixels
    if megapixels is None:  # earlier formats name no limit
        del about["max_image_megapixels"]
    # Not for a bundle to say, or of a later version: not looked at.
    about["columns"] = {**about["columns"], "follow_links": ["yes"], "encoding": ["utf-8"], "later": ["x"]}
    for name, held in (("preprocess.json", about), ("labels.json", TASKS), ("model.onnx", {})):
        (tmp_path / name).write_text(json.dumps(held))
    sums = {file.name: checksum_of(file) for file in tmp_path.iterdir()}
    (tmp_path / "checksums.json").write_text(json.dumps(sums))
    given: dict[str, Any] = {}

    def model(file: Path, **values: Any) -> SimpleNamespace:
        given.update(values, file=file)
        return SimpleNamespace(**values)

    monkeypatch.setattr("distune.deployment.bundle.OnnxModel", model)
    predictor = load_bundle(tmp_path)
    assert given["rules"] == PixelRules(None if window is None else (40, 400), (1, 98))
    assert given["max_megapixels"] == (math.inf if megapixels is None else 2.5)
    assert (given["file"], given["max_tokens"], given["image_size"]) == (tmp_path / "model.onnx", 9, 64)
    assert given["modalities"] == ("image", "text")
    assert (
        given["tokenizer"].encode(["word " * 20], 64)[0]
        == HashTokenizer(100, 64).encode(["word " * 20], 64)[0]
    )
    assert given["tasks"] == (
        Task("kind", ("a", "b"), kind="ordinal", score="auroc", weight=0.5),
        Task("place", ("only",)),
    )
    assert predictor.temperatures == {"kind": 1.5, "place": 1}
    assert predictor.columns == Columns(image=("image",), text=("text",), missing=("n/a",), encoding="cp1250")

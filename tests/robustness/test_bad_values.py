"""Values that could only fail later are refused where the config is read, or where the space is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distune.config import Config, StudyConfig, load_config
from distune.errors import UserError
from distune.tuning.executors.make import devices_for
from distune.tuning.space.build import build_space

SPACE = "search_space: {{p: {{key: {key}, type: {type}, {rest}}}}}"
COLUMNS = (
    "data: {{reader: csv, root: ., image_column: i, label_columns: {labels}, subgroup_columns: {subgroups}}}"
)
BAD = {
    "a label column twice": (COLUMNS.format(labels="[a, b, a]", subgroups="[]"), "data.label_columns"),
    "a subgroup column twice": (COLUMNS.format(labels="[a]", subgroups="[s, s]"), "data.subgroup_columns"),
    "integer range of fractions": (
        SPACE.format(key="student.fusion_layers", type="int", rest="low: 1.5, high: 2.5"),
        "whole",
    ),
    "integer step of a half": (
        SPACE.format(key="student.fusion_layers", type="int", rest="low: 1, high: 3, step: 0.5"),
        "whole",
    ),
    "fractions for whole numbers": (
        SPACE.format(key="student.epochs", type="float", rest="low: 1.0, high: 9.0"),
        "student.epochs",
    ),
    "a step beyond its range": (
        SPACE.format(key="student.fusion_dim", type="int", rest="low: 8, high: 16, step: 32"),
        "step",
    ),
    "steps without end": (
        SPACE.format(key="student.dropout", type="float", rest="low: 0.0, high: 0.5, step: 1.0e-300"),
        "step",
    ),
    "infinite range": (SPACE.format(key="student.lr", type="float", rest="low: 1, high: .inf"), "finite"),
    "choice twice": (
        SPACE.format(key="student.fusion_heads", type="categorical", rest="choices: [4, 4]"),
        "twice",
    ),
    "unknown fusion among choices": (
        SPACE.format(key="student.fusion", type="categorical", rest="choices: [cross_attention, nonsense]"),
        "nonsense",
    ),
    "range beyond its key": (
        SPACE.format(key="student.dropout", type="float", rest="low: 0.1, high: 3.0"),
        "student.dropout",
    ),
    "search over the data": (
        SPACE.format(key="data.root", type="categorical", rest="choices: [a, b]"),
        "data.root",
    ),
    "search over the seed": (SPACE.format(key="seed", type="int", rest="low: 1, high: 3"), "seed"),
    "negative seed": ("seed: -1", "seed"),
    "no device": ("training: {device: gpu}", "training.device"),
    "more threads than any machine": ("training: {threads: 100000}", "training.threads"),
    "a cache beyond any disk": ("cache: {max_gb: 1.0e+308}", "cache.max_gb"),
    "true where a number is meant": ("student: {epochs: true}", "student.epochs"),
    "width beyond memory": ("student: {fusion_dim: 100000000}", "fusion_dim"),
    "epochs without end": ("student: {epochs: 10000000000}", "epochs"),
    "a batch beyond any set": ("training: {batch_size: 1000000000000}", "batch_size"),
    "parts beyond any batch": ("training: {accumulation: 9223372036854775807}", "accumulation"),
    "a label that is the text, too": (COLUMNS.format(labels="[i]", subgroups="[]"), "the answer"),
    "a text field twice": ("data: {text_fields: [caption, caption]}", "text_fields"),
    "no label in a task of one": ("data: {tasks: {modality: {negative: healthy}}}", "negative"),
    "a blank device": ("study: {gpus: [' ']}", "study.gpus"),
    "a device that there is not": ("study: {gpus: ['cuda:0', nonsense]}", "study.gpus"),
    "a blank column": ("data: {text_column: ' '}", "data.text_column"),
    "a blank among columns": (COLUMNS.format(labels="[a, '']", subgroups="[]"), "data.label_columns"),
    "a blank parameter": ("study: {only: [alpha, '']}", "study.only"),
    "a blank database": ("study: {storage: ' '}", "study.storage"),
    "one choice in two forms": (
        "search_space: {x: {type: categorical, choices: [2, 2.0], key: student.epochs}}",
        "stands twice",
    ),
    "choices without end": (
        f"search_space: {{x: {{type: categorical, choices: {list(range(1, 1000))}, key: student.epochs}}}}",
        "at most 100",
    ),
    "not a number": ("student: {dropout: .nan}", "student.dropout"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_value_that_fails_later_is_refused_at_once(name: str, tmp_path: Path) -> None:
    content, token = BAD[name]
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=token):
        build_space(load_config(file))


@pytest.mark.parametrize(
    "values",
    [
        {"study": {"storage": "sqlite:///\ud800.db"}},
        {"data": {"root": Path("\udc80")}},
        {"data": {"label_map": {"kind": {"\ud800": "a"}}}},
        {"data": {"subgroup_columns": ["a", "\udfff"]}},
        {"search_space": {"p": {"type": "categorical", "choices": ["\ud800"]}}},
    ],
)
def test_text_that_no_file_can_hold_is_refused(values: dict[str, Any]) -> None:
    """From Python; a YAML file cannot say it."""
    with pytest.raises(UserError, match="Unicode"):
        Config(**values)


def test_no_number_of_a_study_is_without_end() -> None:
    """A million workers would be begun with, and folds counted, before anybody sees that it never ends."""
    for name, field in StudyConfig.model_json_schema()["properties"].items():
        for kind in field.get("anyOf", [field]):
            assert kind.get("type") not in ("integer", "number") or "maximum" in kind, name


@pytest.mark.parametrize(
    ("executor", "address"), [("local", None), ("ray", "local")], ids=["processes", "a private cluster"]
)
def test_workers_that_would_starve_the_machine_are_refused_before_any_is_started(
    executor: str, address: str | None
) -> None:
    with pytest.raises(UserError, match="100,000"):
        devices_for(executor, ("cpu",), 100_000, ray_address=address)
    assert devices_for("local", ("cpu",), 2) == ("cpu", "cpu")

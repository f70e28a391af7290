"""What a first config holds, for encoders that are frozen, tiny or large, and what `check` says beside an estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from distune.config import Config, EncoderConfig, parse_config
from distune.errors import ConfigError, UserError
from distune.models.encoders.hub import revisions
from distune.setup.check import check
from distune.setup.columns import Column, Layout
from distune.setup.config_text import FirstConfig, config_text
from distune.setup.downloads import download_lines
from distune.setup.encoders import Encoders, _frozen, _tiny
from distune.tuning.space.build import left_out
from distune.tuning.space.inert import without_effect
from distune.tuning.tune import base_of, search_space

LAYOUT = Layout(
    Path("images"),
    "file",
    "words",
    ("kind", "site"),
    group="case",
    columns=(Column("file", "image", "why a\n file"),),
)
WORDS = _frozen("minilm-l6")
FROZEN = Encoders(
    (_frozen("efficientnet-lite2"), WORDS),
    (_frozen("efficientnet-lite0"), WORDS),
    True,
    "quick",
    image_size=160,
)
LARGE = Encoders(*[(EncoderConfig(name="vit-base"), EncoderConfig(name="distilbert"))] * 2, False, "a GPU")
FIRST = FirstConfig("scans", Path("all.csv"), Path("new"), LAYOUT, FROZEN, 64, 640, ("few\nrows",))


def values(**changed: Any) -> dict[str, Any]:
    text = config_text(replace(FIRST, **changed))
    found: dict[str, Any] = yaml.safe_load(text)
    parse_config(found, source="c.yaml")
    return found


def test_frozen_encoders_are_followed_by_a_quick_head() -> None:
    found = values(extra={"tasks": {"kind": {"separator": ";"}}, "missing": "allow"})
    assert found["name"] == "scans"
    assert found["data"] == {
        "reader": "csv", "root": "images", "tables": "new", "image_column": "file", "text_column": "words",
        "group_column": "case", "label_columns": ["kind", "site"], "image_size": 160, "max_tokens": 64,
        "tasks": {"kind": {"separator": ";"}}, "missing": "allow",
    }  # fmt: skip
    head = {"fusion": "concat_mlp", "fusion_tokens": "pooled", "dropout": 0.3}
    words = {"name": "minilm-l6", "freeze": "all"}
    assert found["teacher"] == {
        **head, "vision": {"name": "efficientnet-lite2", "freeze": "all"}, "text": words, "fusion_dim": 512,
        "fusion_layers": 2, "epochs": 15, "lr": 3e-4,
    }  # fmt: skip
    assert found["student"] == {
        **head, "vision": {"name": "efficientnet-lite0", "freeze": "all"}, "text": words, "fusion_dim": 256,
        "fusion_layers": 1, "epochs": 20, "lr": 5e-4,
    }  # fmt: skip
    assert found["training"] == {"batch_size": 32, "class_weights": "balanced", "label_smoothing": 0.05}
    assert set(found["search_space"]) == {
        "teacher_lr", "student_lr", "alpha", "beta", "T", "student_fusion_dim", "teacher_dropout", "student_dropout",
        "label_smoothing",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("train", "epochs"),
    [(1, (60, 60)), (63, (60, 60)), (256, (38, 50)), (320, (30, 40)), (992, (10, 15)), (10**5, (10, 15))],
)
def test_few_examples_are_seen_in_some_hundred_steps(train: int, epochs: tuple[int, int]) -> None:
    found = values(train=train)
    assert (found["teacher"]["epochs"], found["student"]["epochs"]) == epochs


def test_tiny_encoders_learn_quickly_and_without_texts_there_is_no_text_encoder() -> None:
    found = values(encoders=_tiny(True, "why"))
    for role in ("teacher", "student"):
        assert (found[role]["vision"], found[role]["text"], found[role]["lr"]) == (
            "tiny-cnn",
            "tiny-text",
            1e-3,
        )
    layout = replace(LAYOUT, text=None, group=None, frame="frame")
    found = values(encoders=_tiny(False, "why"), layout=layout)
    assert found["teacher"]["text"] == found["student"]["text"] == "none"
    assert {"text_column", "group_column"}.isdisjoint(found["data"]) and found["data"][
        "frame_column"
    ] == "frame"
    idle = {"fusion", "fusion_tokens", "fusion_layers"}  # but the width is that of what the heads read
    assert idle.isdisjoint({**found["teacher"], **found["student"]}) and found["student"]["fusion_dim"] == 256
    assert "max_tokens" not in found["data"] and "student_fusion_dim" not in found["search_space"]
    said = config_text(replace(FIRST, encoders=_tiny(False, "why"), layout=layout))
    assert "No column holds a text" in said and "No column holds a text" not in config_text(FIRST)


def test_large_encoders_are_finetuned_in_small_batches() -> None:
    found = values(encoders=LARGE)
    models = {"vision": "vit-base", "text": "distilbert"}
    assert found["teacher"] == {**models, "epochs": 3, "lr": 1e-5}
    assert found["student"] == {**models, "epochs": 10, "lr": 3e-4}
    assert found["training"]["batch_size"] == 16
    assert set(found["search_space"]) == {"teacher_lr", "student_lr", "label_smoothing"}


def test_each_line_says_why_and_no_remark_is_more_than_a_comment() -> None:
    said = config_text(FIRST).splitlines()
    assert "  image_column: file  # why a file" in said and "  # few rows" in said
    assert said[0].startswith("# ") and "all.csv" in said[0]


@pytest.mark.slow
def test_what_the_search_leaves_out_is_remarked(tiny_config: Callable[..., Config]) -> None:
    gamma = {"type": "float", "low": 0.1, "high": 1}
    asked = {"search_space": {"gamma": gamma}, "study": {"only": ["alpha", "gamma"]}}
    remarks = check(tiny_config(distillation__loss="vanilla", **asked), "c.yaml", estimates=False).remarks
    assert ["gamma is not searched" in remark for remark in remarks] == [True]


@pytest.mark.slow
def test_a_value_that_nothing_reads_is_remarked(tiny_config: Callable[..., Config]) -> None:
    idle = {"distillation__gamma": 0.5, "data__views": 9, "distillation__unlabelled": False}
    config = tiny_config(distillation__loss="vanilla", **idle)
    remarks = check(config, "c.yaml", estimates=False).remarks
    assert {remark.partition(":")[0] for remark in remarks if "no effect" in remark} == {
        "distillation.gamma",
        "distillation.unlabelled",
        "data.views",
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"study": {"tune_fusion": True}, "student__text": "none", "teacher__vision": "none"}, "study.tune_fusion"),
        ({"study": {"tune_fusion": True}, "student__text": "none"}, None),  # the teacher's is searched
        ({"study": {"tune_loss": True, "only": ["alpha"]}}, "study.tune_loss"),
        ({"study": {"prune_teacher": True}, "distillation__loss": "none"}, "study.prune_teacher"),
        ({"study": {"prune_teacher": True, "tune_loss": True}, "distillation__loss": "none"}, None),
        ({"study": {"gpus": ["cpu", "cpu"], "workers": 1}}, "study.gpus"),
        ({"study": {"gpus": ["cpu", "cpu"]}}, None),
    ],
)  # fmt: skip
def test_how_a_study_searches_without_effect_is_named(
    tiny_config: Callable[..., Config], values: dict[str, Any], said: str | None
) -> None:
    config = base_of(asked := tiny_config(**values))
    lines = without_effect(search_space(config, asked.study), config, asked.study)
    assert [line.partition(":")[0].split()[0] for line in lines if line.startswith("study")] == [said] * bool(
        said
    )


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_the_width_of_a_model_without_fusion_is_not_called_one_without_effect(
    tiny_config: Callable[..., Config], role: str
) -> None:
    width = {f"{role}_fusion_dim": {"type": "categorical", "choices": [8, 16]}}
    config = tiny_config(**{f"{role}__text": "none"}, search_space=width)
    space = search_space(config, config.study)
    (said,) = left_out(space, config)
    assert f"a {role} of one encoder" in said and "effect" not in said


@pytest.mark.slow
def test_values_outside_of_the_ranges_are_a_remark_unless_the_config_has_ranges(
    tiny_config: Callable[..., Config],
) -> None:
    remarks = check(tiny_config(), "c.yaml", estimates=False).remarks
    assert remarks and all(remark.startswith("to tune it: ") for remark in remarks)
    alone = {"student_lr": {"type": "float", "low": 1e-5, "high": 1e-4}}
    with pytest.raises(ConfigError, match="student_lr"):
        check(tiny_config(search_space=alone, study__only=["student_lr"]), "c.yaml", estimates=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "word"),
    [
        ({"gpus": ["cuda:77"]}, "cuda:77 is not on this machine"),
        ({"folds": 3, "strategy": "staged"}, "folds: a staged search"),
        ({"folds": 3, "pruner": "hyperband"}, "hyperband"),
        ({"folds": 900}, "folds"),
        ({"strategy": "staged", "only": ["alpha"]}, "no parameter of the teacher"),
        ({"name": "../x"}, "../x"),
        ({"name": "x.db"}, "x.db"),
        ({"storage": "nonsense"}, "storage"),
        ({"storage": "oracle://u@h/x"}, "driver"),
        ({}, None),
    ],
)
def test_what_tune_would_refuse_of_the_study_section_is_a_remark(
    tiny_config: Callable[..., Config], study: dict[str, Any], word: str | None
) -> None:
    remarks = check(tiny_config(study=study), "c.yaml", estimates=False).remarks
    said = [remark for remark in remarks if "search range" not in remark]
    assert len(said) == (word is not None) and all(
        remark.startswith("to tune it: ") and str(word) in remark for remark in said
    )


@pytest.mark.slow
def test_leaks_for_which_tune_asks_whether_they_are_accepted_are_remarks(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    """As `tune` finds them: in texts and images, too."""
    for split, count in (("train", 40), ("dev", 20)):
        lines = ["image,text,kind"]
        for row in range(count):
            Image.effect_noise((16, 16), 90).save(tmp_path / f"{split}{row}.png")
            lines.append(f"{split}{row}.png,a {['cat', 'dog'][row % 2]} here,{'ab'[row % 2]}")
        (tmp_path / f"metadata_{split}.csv").write_text("\n".join(lines))
    columns = {"image_column": "image", "text_column": "text", "label_columns": ["kind"]}
    data = {"data": {"reader": "csv", "root": str(tmp_path), **columns}}
    config = tiny_config(**data)
    said = [line for line in check(config, "c.yaml", estimates=False).remarks if "search range" not in line]
    assert said and all(line.startswith("to tune it: ") for line in said)
    assert not [
        line
        for line in check(config.replace(**{"study.accept_leaks": True}), "c.yaml", estimates=False).remarks
        if line in said
    ]


def test_what_would_be_fetched_is_named_once_with_its_size(
    tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"vit-base": 345_000_000, "deit-small": None, "distilbert": 0}
    monkeypatch.setattr(revisions, "bytes_to_fetch", lambda encoder, kind: sizes[encoder.name])
    monkeypatch.setattr(
        revisions,
        "repository",
        lambda encoder, kind: f"of/{encoder.name}" if encoder.name in sizes else encoder.name,
    )
    sizes |= {"tiny-cnn": 0, "tiny-text": 0}
    config = tiny_config(
        teacher__vision="vit-base",
        student__vision="deit-small",
        teacher__text="distilbert",
        student__text="distilbert",
    )
    first, second = download_lines(config)
    assert "vit-base" in first and " 345 MB" in first and first.endswith("of/vit-base")
    assert "deit-small" in second and "unknown size" in second


def test_a_cache_that_training_would_refuse_is_named(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISTUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cache"):
        check(tiny_config(), "config", estimates=False)

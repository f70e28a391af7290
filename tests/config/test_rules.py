"""Each rule of the config at its edge: what it takes, and what it refuses with which word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from distune.config import Config, EncoderConfig, SearchParameter, TaskConfig, parse_config, with_values
from distune.config.files import as_dict, dump_config, known_keys, laid_over, load_config, value_at
from distune.config.revisions import carried_over, encoders_of, model_key, pin_values, renamed
from distune.errors import MOST_LINES, ConfigError

CSV: dict[str, Any] = {"reader": "csv", "image_column": "i", "text_column": "t", "label_columns": ["k", "l"]}
SIGNS: dict[str, Any] = {"k": {"columns": ["a", "b"]}}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({**CSV}, None),
        ({**CSV, "group_column": "g", "frame_column": "f", "tables": "x", "encoding": "cp1250"}, None),
        ({**CSV, "group_column": "k"}, "'k' is a label"),
        ({**CSV, "text_column": "l"}, "'l' is a label"),
        ({**CSV, "frame_column": "k"}, "'k' is a label"),
        ({**CSV, "image_column": "t"}, "different columns"),
        ({**CSV, "frame_column": "t"}, "different columns"),
        ({**CSV, "label_columns": None}, "needs label_columns"),
        ({**CSV, "image_column": None}, "needs image_column"),
        ({**CSV, "label_columns": ["k", "k"]}, "each column once"),
        ({**CSV, "label_columns": ["k", " "]}, "blank"),
        ({**CSV, "subgroup_columns": ["a", "a"]}, "each column once"),
        ({**CSV, "tasks": SIGNS}, None),
        ({**CSV, "tasks": SIGNS, "image_column": "a"}, "'a' is a label"),
        ({**CSV, "tasks": {"k": {"weight": 2.0}}, "text_column": "k"}, "'k' is a label"),
        ({**CSV, "tasks": SIGNS, "group_column": "k"}, None),
        ({**CSV, "text_fields": ["age"]}, "text_fields"),
        ({"reader": "wound", "text_fields": ["age"]}, "text_fields"),
        ({"reader": "demo", "text_fields": ["age", "sex"]}, None),
        ({"reader": "medpix", "text_fields": ["age", "age"]}, "each column once"),
        ({"reader": "wound", "tasks": {"severity": {"columns": ["a", "b"]}}}, None),
        ({"reader": "medpix", "tasks": {"location": {"columns": ["a", "b"]}}}, "tasks.location.columns"),
        *(({"reader": "demo", name: "x"}, name) for name in
          ("image_column", "frame_column", "text_column", "group_column", "tables", "encoding")),
        ({"reader": "demo", "label_columns": ["x"]}, "label_columns"),
        ({"reader": "wound", "unlabelled": "a/b.csv"}, None),
        ({"reader": "wound", "unlabelled": "a/../b.csv"}, "inside data.root"),
        ({"reader": "wound", "unlabelled": "/b.csv"}, "inside data.root"),
        ({"reader": "demo", "unlabelled": "b.csv"}, "label_fraction"),
        ({"fold": {"number": 3, "of": 3}}, None),
        ({"fold": {"number": 4, "of": 3}}, "fold 4 of 3"),
        ({"fold": {"number": 1, "of": 1}}, "of"),
        ({"fold": {"number": 0, "of": 2}}, "number"),
        ({"percentiles": [0, 100]}, None),
        ({"percentiles": [-1, 50]}, "percentiles"),
        ({"window": [40, 0]}, "window"),
        ({"label_fraction": 1.0}, None),
        ({"label_fraction": 0.0}, "label_fraction"),
        ({"root": "~nobody_of_this_name/x"}, "root"),
        ({"reader": "wound", "unlabelled": "~/b.csv"}, "inside data.root"),
    ],
)  # fmt: skip
def test_the_section_data(data: dict[str, Any], word: str | None) -> None:
    if word is None:
        parse_config({"data": data})
        return
    with pytest.raises(ConfigError) as caught:
        parse_config({"data": data})
    assert word in str(caught.value)


HOME_KEYS = ("data.root", "data.tables", "teacher.vision", "student.text", "study.space", "study.start_from")


@pytest.mark.parametrize("key", HOME_KEYS)
def test_a_path_may_begin_with_the_home_folder(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of_a_test")
    config = parse_config({"data": {"reader": "wound"}}, overrides={key: "~/x"})
    held = value_at(config, key)
    assert (held.name if isinstance(held, EncoderConfig) else str(held)) == "/home/of_a_test/x"


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ({}, "single_label"),
        ({"score": "auroc", "weight": 0.5}, "single_label"),
        ({"order": ["a", "b"]}, "ordinal"),
        ({"order": ["a", "b"], "score": "quadratic_kappa"}, "ordinal"),
        ({"order": ["a", "b"], "score": "auroc"}, "ordinal"),
        ({"score": "quadratic_kappa"}, None),
        ({"order": ["a", "b"], "score": "average_precision"}, None),
        ({"separator": ";"}, "multi_label"),
        ({"separator": ";", "negative": "nil", "score": "average_precision"}, "multi_label"),
        ({"columns": ["a", "b"]}, "multi_label"),
        ({"score": "average_precision"}, "single_label"),
        ({"order": ["a", "b"], "columns": ["a", "b"]}, None),
        ({"separator": ";", "columns": ["a", "b"]}, None),
        ({"separator": ""}, None),
        ({"order": ["a", "b", "a"]}, None),
        ({"order": ["a"]}, None),
        ({"columns": ["a", "a"]}, None),
        ({"negative": "nil"}, None),
        ({"columns": ["a", "none"]}, None),
        ({"columns": ["a", "none"], "negative": "nil"}, "multi_label"),
        ({"columns": ["a", "nil"], "negative": "nil"}, None),
        ({"columns": ["a", "?b"]}, None),
        ({"order": ["a", "b"], "negative": "nil"}, None),
        ({"columns": ["a", "b"], "score": "quadratic_kappa"}, None),
        ({"weight": 0}, None),
    ],
)
def test_the_kinds_of_tasks(task: dict[str, Any], kind: str | None) -> None:
    raw = {"data": {"reader": "wound", "tasks": {"severity": task}}}
    if kind is None:
        with pytest.raises(ConfigError, match=r"data\.tasks\.severity"):
            parse_config(raw)
    else:
        assert parse_config(raw).data.tasks["severity"].kind == kind


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_what_a_model_reads_must_come_from_somewhere(role: str) -> None:
    other = "student" if role == "teacher" else "teacher"
    data = {**CSV, "text_column": None}
    with pytest.raises(ConfigError, match=rf"set {role}\.text: none"):
        parse_config({"data": data, other: {"text": "none"}})
    parse_config({"data": data, role: {"text": "none"}, other: {"text": "none"}})
    with pytest.raises(ConfigError, match=rf"{role}\.modality_dropout"):
        parse_config({role: {"modality_dropout": 0.1}})
    parse_config({role: {"modality_dropout": 0.1}, "data": {"missing": "allow"}})
    with pytest.raises(ConfigError, match="both none"):
        parse_config({role: {"vision": "none", "text": "none"}})
    for absent, left in (("vision", ("text",)), ("text", ("image",))):
        assert getattr(parse_config({role: {absent: "none"}}), role).modalities == left
    assert getattr(Config(), role).modalities == ("image", "text")


@pytest.mark.parametrize(
    ("width", "heads", "fits"), [(64, 8, True), (12, 8, False), (100, 8, False), (8, 8, True)]
)
def test_heads_share_the_width(width: int, heads: int, fits: bool) -> None:
    raw = {"student": {"fusion_dim": width, "fusion_heads": heads}}
    if fits:
        parse_config(raw)
    else:
        with pytest.raises(ConfigError, match=f"fusion_dim {width}"):
            parse_config(raw)


ENCODER = {"pretrained": True, "layers": None, "freeze": "none", "embedding_rank": None, "revision": None}
MODEL = {
    "fusion": "cross_attention", "fusion_dim": 512, "fusion_heads": 8, "fusion_tokens": "sequence", "dropout": 0.1,
    "modality_dropout": 0.0,
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "name": "medpix", "seed": 42, "search_space": {}, "cache": {"max_gb": 20.0},
    "data": {
        "reader": "medpix", "root": Path("data/medpix-2.0"), "tables": None, "encoding": None, "image_column": None,
        "text_column": None, "group_column": None, "label_columns": None, "frame_column": None,
        "missing_values": ("nan", "n/a", "null", "<na>", "#n/a"), "subgroup_columns": (), "label_map": None,
        "follow_links": False, "tasks": {}, "text_fields": ("caption",), "image_size": None, "max_tokens": 256,
        "augment": "none", "views": 4, "on_bad_example": "stop", "max_image_megapixels": 100.0, "window": None,
        "percentiles": (0.5, 99.5), "missing": "stop", "unlabelled": None, "label_fraction": 1.0, "fold": None,
    },
    "teacher": {
        **MODEL, "vision": {**ENCODER, "name": "vit-base"}, "text": {**ENCODER, "name": "bio-clinical-bert"},
        "fusion_layers": 3, "epochs": 3, "lr": 1e-5,
    },
    "student": {
        **MODEL, "vision": {**ENCODER, "name": "deit-small"}, "text": {**ENCODER, "name": "distilbert"},
        "fusion_layers": 1, "epochs": 10, "lr": 3e-4, "init_from_teacher": False,
    },
    "distillation": {"loss": "combined", "alpha": 1.0, "beta": 100.0, "T": 2.0, "gamma": 0.0, "unlabelled": True},
    "training": {
        "batch_size": 16, "accumulation": 1, "schedule": "cosine", "warmup": 0.1, "weight_decay": 0.01,
        "grad_clip": 1.0, "label_smoothing": 0.0, "class_weights": "none", "layerwise_lr_decay": 1.0, "ema": 0.0,
        "early_stopping": None, "precision": "auto", "deterministic": False, "device": "auto", "threads": None,
    },
    "study": {
        "n_trials": 30, "gpus": (), "workers": None, "name": None, "timeout": None, "sampler": None, "pruner": None,
        "storage": None, "teacher_epochs": None, "student_epochs": None, "tune_fusion": False, "tune_loss": False,
        "tune_backbones": False, "only": (), "space": None, "start_from": None, "strategy": "joint",
        "prune_teacher": False, "folds": None, "on_oom": "fail", "keep_best": 3, "executor": "local",
        "ray_address": None, "gpus_per_trial": 0.0, "accept_leaks": False,
    },
}  # fmt: skip


def test_every_default() -> None:
    assert Config().model_dump() == DEFAULTS
    assert TaskConfig().model_dump() == {
        "order": None, "separator": None, "columns": None, "negative": "none", "score": "macro_f1", "weight": 1.0,
    }  # fmt: skip
    assert SearchParameter(type="int", low=1, high=2).model_dump() == {
        "type": "int", "low": 1, "high": 2, "log": False, "step": None, "choices": None, "when": None, "key": None,
    }  # fmt: skip


LIMITS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "seed": ((0, 2**31 - 1), (-1, 2**31)),
    "name": (("A.b-c_1", "a" * 100), ("-a", ".a", "a" * 101, "a b", "")),
    "data.image_size": ((8, 1024), (7, 1025)),
    "data.max_tokens": ((4, 512), (3, 513)),
    "data.views": ((1, 64), (0, 65)),
    "data.max_image_megapixels": ((0.1,), (0,)),
    "data.window": (((-40.0, 0.5),), ((40, 0), (40, -1))),
    "data.percentiles": (((0, 100),), ((1, 1), (2, 1), (-1, 50), (0, 101))),
    "data.label_fraction": ((0.01, 1.0), (0.0, 1.01)),
    "cache.max_gb": ((0.1, 1e9), (0.0, 1.1e9)),
    "distillation.alpha": ((0.0,), (-0.1,)),
    "distillation.beta": ((0.0,), (-0.1,)),
    "distillation.gamma": ((0.0,), (-0.1,)),
    "distillation.T": ((0.1,), (0.0,)),
    "training.batch_size": ((1, 100_000), (0, 100_001)),
    "training.accumulation": ((1, 100_000), (0, 100_001)),
    "training.warmup": ((0.0, 0.999), (-0.1, 1.0)),
    "training.weight_decay": ((0.0, 100.0), (-0.1, 100.1, float("nan"))),
    "training.grad_clip": ((None, 0.1), (0.0,)),
    "training.label_smoothing": ((0.0, 0.999), (-0.1, 1.0)),
    "training.layerwise_lr_decay": ((0.1, 1.0), (0.0, 1.1)),
    "training.ema": ((0.0, 0.999), (-0.1, 1.0)),
    "training.early_stopping": ((None, 1), (0,)),
    "training.threads": ((None, 1, 1024), (0, 1025)),
    "training.device": (
        ("cpu", "mps", "cuda", "cuda:12", "auto"),
        ("tpu", "cuda:", "cuda:12345", "auto:0", "cpu0"),
    ),
    "study.n_trials": ((1, 10**6), (0, 10**6 + 1)),
    "study.gpus": ((("cuda:0", "cuda:1"),), (("gpu",),)),
    "study.workers": ((None, 1, 10_000), (0, 10_001)),
    "study.timeout": ((0.0, 1e9), (-1, 1.1e9)),
    "study.teacher_epochs": ((1, 100_000), (0, 100_001)),
    "study.student_epochs": ((1, 100_000), (0, 100_001)),
    "study.folds": ((None, 2, 1000), (1, 1001)),
    "study.keep_best": ((0, 10**6), (-1, 10**6 + 1)),
    "study.gpus_per_trial": ((0.0, 1.0), (-0.1, 1.1)),
    **{
        f"{role}.{field}": limits
        for role in ("teacher", "student")
        for field, limits in {
            "fusion_dim": ((8, 16_384), (0, 16_392)),
            "fusion_layers": ((1, 100), (0, 101)),
            "fusion_heads": ((1, 512), (0,)),
            "dropout": ((0.0, 0.999), (-0.1, 1.0)),
            "epochs": ((1, 100_000), (0, 100_001)),
            "lr": ((1e-9,), (0.0,)),
            "vision.layers": ((None, 1, (1, 3)), (0, (0, 1), (2, 2))),
            "text.freeze": (("none", "all", 1), (0, "some")),
            "text.embedding_rank": ((None, 1), (0,)),
            "vision.revision": ((None, "v1.0/x", "a" * 200), (" v1", "/v1", "a" * 201)),
        }.items()
    },
}


@pytest.mark.parametrize("key", LIMITS)
def test_a_value_at_the_edge_of_its_range(key: str) -> None:
    taken, refused = LIMITS[key]
    for value in taken:
        assert value_at(with_values(Config(), {key: value}), key) == value
    for value in refused:
        with pytest.raises(ConfigError, match=key):
            with_values(Config(), {key: value})


@pytest.mark.parametrize(
    ("parameter", "is_sound"),
    [
        ({"type": "float", "low": 1.0, "high": 1.0}, True),
        ({"type": "int", "low": 1, "high": 9, "step": 2}, True),
        ({"type": "int", "low": 1, "high": 9, "step": 0.5}, False),
        ({"type": "int", "low": 1, "high": 9.5}, False),
        ({"type": "float", "low": 0.0, "high": 1.0, "step": 1e-6}, True),
        ({"type": "float", "low": 0.0, "high": 1.1, "step": 1e-6}, False),
        ({"type": "float", "low": 1e-9, "high": 1.0, "log": True}, True),
        ({"type": "int", "low": 1, "high": 8, "log": True, "step": 1}, False),
        ({"type": "categorical", "choices": [1, True, "1"]}, True),
        ({"type": "categorical", "choices": [1, 1.0]}, False),
        ({"type": "categorical", "choices": [1, 2, 1]}, False),
        ({"type": "categorical", "choices": ["a"], "step": 1}, False),
        ({"type": "categorical", "choices": ["a"], "high": 1}, False),
        ({"type": "categorical", "choices": ["a"], "low": 0}, False),
        ({"type": "categorical", "choices": ["a"], "high": 0}, False),
        ({"type": "categorical", "choices": []}, False),
        ({"type": "float", "low": 0.0, "high": 1.0, "choices": [0.5]}, False),
    ],
)
def test_a_search_parameter(parameter: dict[str, Any], is_sound: bool) -> None:
    if is_sound:
        SearchParameter.model_validate(parameter)
    else:
        with pytest.raises((ConfigError, ValueError)):
            SearchParameter.model_validate(parameter)


def test_messages_name_the_key_as_it_was_written_and_what_is_near() -> None:
    raw: dict[str, Any] = {
        "search_space": {"my-own": {"type": "float", "low": 2, "high": 1}},
        "student": {"epoch": 3, "T": 1, "vision": {"name": "x", "layers": "all"}},
        "training": {"schedule": "cosin", "batch_size": "x" * 1000},
    }
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    by_key = dict(problem.split(": ", 1) for problem in caught.value.problems)
    assert set(by_key) == {
        "search_space.my-own", "student.epoch", "student.T", "student.vision.layers", "training.schedule",
        "training.batch_size",
    }  # fmt: skip
    assert "did you mean epochs?" in by_key["student.epoch"]
    assert "did you mean distillation.T?" in by_key["student.T"]
    assert (
        "did you mean cosine?" in by_key["training.schedule"]
        and "(got 'cosin')" in by_key["training.schedule"]
    )
    assert len(by_key["training.batch_size"]) < 600 and by_key["training.batch_size"].endswith("...)")
    assert "; or " in by_key["student.vision.layers"]


def problems(raw: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    return caught.value.problems


def test_a_parameter_is_named_in_full_where_a_config_is_made_of_values() -> None:
    with pytest.raises(ConfigError) as caught:
        Config(search_space={"my-own": {"type": "float", "low": 2, "high": 1}})
    assert caught.value.problems[0].startswith("search_space.my-own: ")


def test_a_message_is_short_and_begins_with_its_key_whatever_is_wrong() -> None:
    (whole,) = problems({"teacher": {"modality_dropout": 0.1}})
    assert whole.startswith("config: teacher.modality_dropout") and "got" not in whole
    (section,) = problems({"data": {"fold": {"number": 3, "of": 2}}})
    assert section.startswith("data.fold: fold 3 of 2") and "got" not in section
    (long,) = problems({"data": {"x" * 5000: 1}})
    assert long.startswith("data.xxx") and len(long) < 400
    (text,) = problems({"student": {"fusion": "x" * 5000}})
    assert len(text) < 1500
    (number,) = problems({"training": {"schedule": 3}})
    assert number.startswith("training.schedule") and "did you mean" not in number
    (last,) = problems({"training": {"schedule": "constan"}})
    assert "did you mean constant?" in last
    (inner,) = problems({"data": {"fold": {"numbr": 1, "number": 1, "of": 2}}})
    assert inner.startswith("data.fold.numbr: unknown key (did you mean number?)")
    (needed,) = problems({"data": {"fold": {"number": 1}}})
    assert needed.startswith("data.fold.of: ")
    (elsewhere,) = problems({"student": {"study_name": "s"}})
    assert elsewhere.startswith("student.study_name: unknown key") and "did you mean" not in elsewhere
    assert problems({"zzz": 1}) == ("zzz: unknown key (got 1)",)
    many = problems({f"see{number}": 1 for number in range(MOST_LINES + 9)})
    assert sum("did you mean seed?" in problem for problem in many) == MOST_LINES, "each hint takes its time"


def test_an_error_names_where_the_config_is_from_however_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\n")
    for overrides in (
        {"seed": -1},
        {"seed.part": 1},
        {"nothing": 1},
        {"nothing.more": 1},
        {"data": {"roots": 1}},
    ):
        key = next(iter(overrides)).partition(".")[0]
        with pytest.raises(ConfigError, match=key) as refused:
            load_config(file, overrides)
        assert refused.value.source == str(file)
        for make in (
            lambda: parse_config({}, source="mine", overrides=overrides),  # noqa: B023
            lambda: with_values(Config(), overrides, source="mine"),  # noqa: B023
        ):
            with pytest.raises(ConfigError, match=key) as refused:
                make()
            assert refused.value.source == "mine"
    with pytest.raises(ConfigError) as refused:
        parse_config({"seed": -1}, source="mine")
    assert refused.value.source == "mine"
    for section, values in (
        (Config, {"seed": -1}),
        (TaskConfig, {"weight": 0}),
        (SearchParameter, {"type": "x"}),
    ):
        with pytest.raises(ConfigError) as refused:
            section(**values)  # type: ignore[operator]
        assert refused.value.source == section.__name__
    assert parse_config({"student": {"vision": "Own/Model-B"}}).student.vision.name == "Own/Model-B"


def test_a_value_laid_over_a_section_that_is_empty_makes_it() -> None:
    held: dict[str, Any] = {"data": {"fold": None}, "seed": 1}
    assert laid_over(held, {"data.fold.number": 1, "data.fold.of": 2, "seed": 3}) is held
    assert held == {"data": {"fold": {"number": 1, "of": 2}}, "seed": 3}
    with pytest.raises(ConfigError, match=r"seed\.more: unknown key"):
        laid_over(held, {"seed.more": 1})
    with pytest.raises(ConfigError, match="nothing"):
        with_values(Config(), {"nothing.more": 1})


def test_a_section_laid_over_a_file_keeps_what_it_does_not_name(tmp_path: Any) -> None:
    (tmp_path / "c.yaml").write_text("teacher: {epochs: 7, vision: {name: vit-base, freeze: all}}\nseed: 5\n")
    found = load_config(
        tmp_path / "c.yaml", {"teacher": {"vision": {"layers": 6}}, "data.fold": {"number": 1, "of": 2}}
    )
    assert (found.seed, found.teacher.epochs, found.teacher.vision.freeze, found.teacher.vision.layers) == (
        5,
        7,
        "all",
        6,
    )
    assert found.data.fold is not None and found.data.fold.of == 2


def test_values_and_keys_of_a_config() -> None:
    config = Config().replace(search_space={"alpha": {"type": "float", "low": 0, "high": 1}})
    assert value_at(config, "search_space.alpha.high") == 1.0
    for key in ("replace", "student.modalities", "search_space.beta", "student.lr.real"):
        with pytest.raises(KeyError):
            value_at(config, key)
    keys = known_keys()
    assert {"student.vision.name", "data.fold.number", "study.n_trials", "search_space"} <= set(keys)
    assert not any(key.startswith("search_space.") for key in keys) and len(keys) == len(set(keys))
    assert (
        "study" not in as_dict(config)
        and as_dict(config.replace(**{"study.folds": 3}))["study"]["folds"] == 3
    )
    written = dump_config(config.replace(**{"data.text_fields": ["caption", "age"], "data.root": "Zürich"}))
    assert "Zürich" in written and list(yaml.safe_load(written)) == [
        "name", "seed", "data", "teacher", "student", "distillation", "training", "cache", "search_space",
    ]  # fmt: skip
    assert parse_config(yaml.safe_load(dump_config(config))) == config


def test_text_that_no_file_holds_is_refused_wherever_it_stands() -> None:
    for values in ({"name": "\ud800"}, {"data.label_map": {"k": {"\ud800": "a"}}}, {"data.missing_values": ["\ud800"]},
                   {"data.root": "\ud800"}):  # fmt: skip
        with pytest.raises(ConfigError, match="Unicode"):
            with_values(Config(), values)


def test_spellings_may_be_numbers() -> None:
    found = parse_config({"data": {"label_map": {"k": {1: "one", 1.5: 2}}}}).data.label_map
    assert found == {"k": {"1": "one", "1.5": "2"}}
    with pytest.raises(ConfigError):
        parse_config({"data": {"label_map": {"k": {True: "one"}}}})


def test_revisions_belong_to_the_model_that_they_are_of() -> None:
    config = Config().replace(**{"student.text": "none", "teacher.vision.revision": "v1"})
    assert [place for place, _ in encoders_of(config)] == [
        ("teacher", "vision"),
        ("teacher", "text"),
        ("student", "vision"),
    ]
    assert (
        model_key(EncoderConfig(name="a")) == "a"
        and model_key(EncoderConfig(name="a", revision="b")) == "a@b"
    )
    name = config.teacher.vision.name
    assert renamed(config, {"teacher.vision.name": name, "student.vision.name": "other"}) == {
        "student.vision.revision": None
    }
    for place in ("teacher.vision", "teacher.text", "student.vision", "student.text"):
        assert renamed(Config(), {f"{place}.name": "other", "seed": 3}) == {f"{place}.revision": None}
    assert (
        renamed(config, {"student.text.name": "distilbert"}) == {}
    )  # it has no text encoder whose commit were void
    commit = "0" * 40
    values: dict[str, Any] = {
        "teacher": {"vision": {"name": "a", "revision": "b"}, "text": "a"},
        "student": {"vision": {"name": "c", "layers": 3, "freeze": "all"}, "text": "d"},
    }  # fmt: skip
    assert pin_values(values, {"a": commit, "c": "v2"}) == {
        "teacher": {"vision": {"name": "a", "revision": "b"}, "text": {"name": "a", "revision": commit}},
        "student": {"vision": {"name": "c", "layers": 3, "freeze": "all", "revision": "v2"}, "text": "d"},
    }
    earlier = Config().replace(**{"teacher.vision.revision": commit, "student.vision.revision": commit})
    assert carried_over(config, earlier).teacher.vision.revision == "v1"
    assert (
        carried_over(
            Config().replace(**{"student.vision.name": "deit-tiny"}), earlier
        ).student.vision.revision
        is None
    )


def test_names_and_texts_stay_as_they_are_written() -> None:
    values = {
        "data.reader": "csv", "data.image_column": " i ", "data.text_column": "T t", "data.label_columns": [" k", "K"],
        "data.missing_values": ["NIL ", ""], "data.label_map": {" k": {" a": "A "}}, "data.root": "a b/../c",
    }  # fmt: skip
    data = with_values(Config(), values).data
    assert (data.image_column, data.text_column, data.label_columns) == (" i ", "T t", (" k", "K"))
    assert (data.missing_values, data.label_map) == (("NIL ", ""), {" k": {" a": "A "}})
    assert str(data.root) == "a b/../c"

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from distune.config import (
    Config,
    SearchParameter,
    as_dict,
    dump_config,
    files,
    known_keys,
    load_config,
    parse_config,
    save_config,
    value_at,
    with_values,
)
from distune.errors import ConfigError, UserError

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (
        {"teacher": {"fusion_dims": 256}},
        "teacher.fusion_dims: unknown key (did you mean fusion_dim?)",
    ),
    "unknown section": ({"dat": {}}, "dat: unknown key (did you mean data?)"),
    "key in the wrong place": ({"alpha": 1}, "alpha: unknown key (did you mean distillation.alpha?)"),
    "key of no section": ({"study": {"seed": 1}}, "(did you mean seed, in no section?)"),
    "key of another program": ({"study": {"n_jobs": 2}}, "(did you mean workers?)"),
    "wrong type": ({"teacher": {"epochs": "many"}}, "teacher.epochs: "),
    "out of range": (
        {"distillation": {"T": 0}},
        "distillation.T: ",
    ),
    "unknown fusion": (
        {"student": {"fusion": "crossattention"}},
        "did you mean 'cross_attention'?",
    ),
    "unknown loss": ({"distillation": {"loss": "combine"}}, "did you mean 'combined'?"),
    "neither of two": (
        {"teacher": {"vision": {"name": "x", "freeze": "some"}}},
        "teacher.vision.freeze: ",
    ),
    "keys that exclude each other": (
        {"data": {"reader": "medpix", "label_columns": ["type"]}},
        "label_columns",
    ),
    "csv without columns": (
        {"data": {"reader": "csv"}},
        "image_column, label_columns",
    ),
    "texts without a column": (
        {"data": {"reader": "csv", "image_column": "image", "label_columns": ["kind"]}},
        "data.text_column is empty",
    ),
    "heads": (
        {"teacher": {"fusion_dim": 100}},
        "fusion_dim 100",
    ),
    "range without an end": (
        {"search_space": {"alpha": {"type": "float", "low": 1}}},
        "search_space.alpha: ",
    ),
    "range upside down": (
        {"search_space": {"alpha": {"type": "float", "low": 2, "high": 1}}},
        "search_space.alpha: low 2",
    ),
    "device with a rest": ({"training": {"device": "cuda:0 and more"}}, "training.device: "),
    "percentiles that do not rise": ({"data": {"percentiles": [50, 50]}}, "data.percentiles: "),
    "percentiles beyond the last": ({"data": {"percentiles": [0, 101]}}, "data.percentiles: "),
    "name that leaves the folder": ({"name": "../x"}, "name: string should match pattern"),
}


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_broken_rule_is_named_with_its_key(case: str) -> None:
    raw, expected = BROKEN[case]
    with pytest.raises(ConfigError) as caught:
        parse_config(raw, source="my.yaml")
    assert expected in str(caught.value)
    assert str(caught.value) == f"my.yaml: {caught.value.problems[0]}"


def test_the_source_is_named_also_where_values_lie_over_it() -> None:
    for key, value in (("student.epochs", 0), ("student.lr.x", 1)):
        for lay in (
            lambda given: with_values(Config(), given, source="my.yaml"),
            lambda given: parse_config({}, source="my.yaml", overrides=given),
        ):
            with pytest.raises(ConfigError, match=r"^my\.yaml: "):
                lay({key: value})


def test_all_problems_are_listed_at_once() -> None:
    raw = {"distillation": {"T": 0, "loss": "x"}, "dat": {}, "teacher": {"epochs": 0}}
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    assert [line.split(":")[0] for line in caught.value.problems] == [
        "teacher.epochs",
        "distillation.loss",
        "distillation.T",
        "dat",
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"order": ["a", "b"], "separator": ";"}, "one of them"),
        ({"order": ["a", "a"]}, "each once"),
        ({"separator": ";", "score": "quadratic_kappa"}, "order"),
        ({"score": "quadratic_kappa"}, "order"),
        ({"order": ["a", "b"], "score": "average_precision"}, "quadratic_kappa"),
        ({"columns": ["a"]}, "two or more"),
    ],
)
def test_settings_that_make_no_task_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config({"data": {"reader": "wound", "tasks": {"severity": settings}}})


@pytest.mark.parametrize("text", ["- a list", "a: [", "", "!!python/object/apply:os.system ['true']"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml: \S"):
        load_config(tmp_path / "bad.yaml")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.yaml")


def test_short_form_of_an_encoder() -> None:
    config = parse_config({"teacher": {"vision": "vit-large"}})
    assert config.teacher.vision.name == "vit-large"
    assert config.teacher.text.name == "bio-clinical-bert"


def test_layers_are_a_count_or_a_list_that_reads_back_equal(tmp_path: Path) -> None:
    def text(layers: Any) -> Config:
        return parse_config({"student": {"text": {"name": "minilm-l6", "layers": layers}}})

    assert [text(layers).student.text.layers for layers in (3, [1, 3, 6], None)] == [3, (1, 3, 6), None]
    assert as_dict(text([1, 3]))["student"]["text"]["layers"] == [1, 3]
    (tmp_path / "c.yaml").write_text(dump_config(text([1, 3])))
    assert load_config(tmp_path / "c.yaml") == text([1, 3])
    assert with_values(text([1, 3]), {"student.text.layers": [2, 4]}).student.text.layers == (2, 4)


@pytest.mark.parametrize("layers", [[], [0, 1], [2, 2], [3, 1], [1.5], ["1"]])
def test_a_list_of_layers_that_breaks_the_rule_is_refused(layers: list[Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"student": {"text": {"name": "minilm-l6", "layers": layers}}})
    rule = "a list of layers holds at least one number, from 1 on, each above the one before"
    assert caught.value.problems == (f"student.text.layers: {rule} (got {layers!r})",)


@pytest.mark.parametrize(("key", "value"), [("layers", 0), ("embedding_rank", 0)])
def test_no_layer_and_no_rank_are_refused(key: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"student\.text\.{key}: input should be greater than or equal to"):
        parse_config({"student": {"text": {"name": "minilm-l6", key: value}}})


def test_number_that_yaml_reads_as_text() -> None:
    assert parse_config({"student": {"lr": "1e-5"}}).student.lr == 1e-5


def test_dumped_config_is_complete_and_reads_back_equal(tmp_path: Path) -> None:
    config = parse_config({"seed": 7, "student": {"text": {"name": "tiny-text", "freeze": 1}}})
    (tmp_path / "c.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "c.yaml") == config
    written = yaml.safe_load(dump_config(config))
    for key in known_keys():
        if key.startswith("study"):
            continue  # left out while it says nothing
        value = written
        for part in key.split("."):
            value = None if key.startswith("data.fold.") and value is None else value[part]


def test_overrides_keep_what_they_do_not_name() -> None:
    config = with_values(
        parse_config({"teacher": {"epochs": 9}}), {"student.text.freeze": "all", "teacher.lr": 0.1}
    )
    assert (config.teacher.epochs, config.teacher.lr) == (9, 0.1)
    assert (config.student.text.name, config.student.text.freeze) == ("distilbert", "all")


@pytest.mark.parametrize(
    "laid_over", [Config.replace, lambda config, **given: parse_config({}, overrides=given)]
)
def test_a_section_keeps_what_its_mapping_does_not_name_and_no_key_has_two_values(
    laid_over: Callable[..., Config],
) -> None:
    config = laid_over(Config(), **{"student": {"lr": 0.1, "text": {"freeze": "all"}}, "student.epochs": 9})
    expected = {"student.lr": 0.1, "student.text.freeze": "all", "student.epochs": 9}
    assert config == with_values(Config(), expected)
    with pytest.raises(UserError, match=r"student\.lr has two values"):
        laid_over(Config(), **{"student": {"lr": 0.1}, "student.lr": 0.2})


def test_overriding_a_key_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"student\.fusion_dimm: .* fusion_dim\?"):
        with_values(Config(), {"student.fusion_dimm": 3})


def test_a_config_never_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().teacher.epochs = 5  # type: ignore[misc]


@pytest.mark.parametrize("key", ["teacher.nothing", "nothing", "teacher.vision.name.more"])
def test_asking_for_a_key_that_does_not_exist(key: str) -> None:
    with pytest.raises(KeyError):
        value_at(Config(), key)


def test_every_key_is_documented() -> None:
    def undocumented(model: type, prefix: str = "") -> list[str]:
        found = []
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                found += undocumented(inner, f"{prefix}{name}.")
            elif not field.description:
                found.append(prefix + name)
        return found

    inherited = {"fusion_layers", "epochs", "lr", "vision", "text"}
    assert [key for key in undocumented(Config) if key.rpartition(".")[2] not in inherited] == []


def test_overrides_lie_over_the_file_and_are_validated(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("teacher: {epochs: 4}\nstudent: {epochs: 5}\n")
    config = load_config(path, {"teacher.epochs": 3})
    assert (config.teacher.epochs, config.student.epochs) == (3, 5)
    with pytest.raises(ConfigError, match=r"teacher\.epochs"):
        load_config(path, {"teacher.epochs": 0})


def test_what_a_file_lacks_or_has_wrong_may_be_among_the_overrides(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data: {reader: csv, image_column: image}\ntraining: {batch_size: many}\nseed: 4\n")
    given = {"data": {"label_columns": ["kind"]}, "data.text_column": "text", "training.batch_size": 8}
    config = load_config(path, given)
    assert (config.data.label_columns, config.data.text_column, config.data.image_column) == (
        ("kind",), "text", "image"
    )  # fmt: skip
    assert (config.training.batch_size, config.seed) == (8, 4)
    with pytest.raises(ConfigError) as refused:
        load_config(path, given | {"training.batch_size": 0})
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["training.batch_size"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", True),
        ("training.threads", True),
        ("study.timeout", True),
        ("teacher.vision.freeze", True),
        ("teacher.vision.layers", True),
        ("teacher.vision.layers", [True, 2]),
        ("data.percentiles", [True, 50]),
        ("data.window", [40, True]),
        ("search_space.p", {"type": "float", "low": True, "high": 3}),
        ("data.tasks.t", {"weight": True}),
    ],
)
def test_true_is_no_number(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{key}.*: .*a number is needed"):
        with_values(Config(), {key: value})


def test_true_is_a_choice_of_a_search_space() -> None:
    choices = {"student.vision.pretrained": {"type": "categorical", "choices": [True, False]}}
    space = with_values(Config(), {"search_space": choices}).search_space
    assert space["student.vision.pretrained"].choices == (True, False)


@pytest.mark.parametrize(
    "values",
    [
        {"type": "float", "low": 1.0, "high": 2.0, "log": True, "step": 0.1},
        {"type": "float", "low": 0.0, "high": 1.0, "log": True},
        {"type": "float", "low": 2.0, "high": 1.0},
        {"type": "float", "low": 1.0},
        {"type": "float", "choices": [1.0]},
        {"type": "int", "low": 1.5, "high": 3.0},
        {"type": "int", "low": 1, "high": 5, "step": 1.5},
        {"type": "categorical"},
        {"type": "categorical", "choices": ["a", "a"]},
        {"type": "categorical", "choices": ["a"], "log": True},
        {"type": "categorical", "choices": ["a"], "low": 1.0},
    ],
)
def test_a_search_parameter_that_contradicts_itself_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SearchParameter(**values)


@pytest.mark.parametrize(("low", "high", "step"), [(0.2, 0.3, 0.1), (0.0, 0.3, 0.1), (1.0, 1.0, 0.5)])
def test_a_step_may_be_as_long_as_its_range(low: float, high: float, step: float) -> None:
    assert SearchParameter(type="float", low=low, high=high, step=step).step == step
    if low < high:
        with pytest.raises(ConfigError, match="one step or more"):
            SearchParameter(type="float", low=low, high=high, step=1.01 * (high - low))


def test_a_section_is_laid_over_that_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    written = {"data": {"reader": "demo", "root": "demo"}, "teacher": {"fusion_dim": 32, "epochs": 7}}
    file.write_text("the old one")
    with file.open() as reader:
        save_config(parse_config(written), file)
        assert reader.read() == "the old one", "a config is replaced as a whole, under a reader too"
    found = load_config(file, {"teacher": {"lr": 0.5, "vision": {"freeze": "all"}}, "student.lr": 0.25})
    assert found == load_config(file, {"teacher.lr": 0.5, "teacher.vision.freeze": "all", "student.lr": 0.25})
    assert (found.teacher.fusion_dim, found.teacher.epochs, found.teacher.lr) == (32, 7, 0.5)


def test_an_override_may_mend_a_config_and_changes_no_mapping_of_the_caller():
    raw = {"student": {"lr": -1}}
    assert parse_config(raw, overrides={"student.lr": 0.5}).student.lr == 0.5
    assert raw == {"student": {"lr": -1}}
    with pytest.raises(ConfigError):
        parse_config(raw, overrides={"teacher.lr": 0.5})


def test_another_program_s_word_is_explained_in_its_section_alone() -> None:
    assert files._did_you_mean(["study", "n_jobs"]) == " (did you mean workers?)"
    assert "workers" not in files._did_you_mean(["teacher", "n_jobs"])

from __future__ import annotations

import math
from functools import partial

import optuna
import pytest
from study_helpers import base_config

from distune.components import LOSSES
from distune.config import (
    Config,
    SearchParameter,
    StudyConfig,
    config_key_of,
    parse_config,
    value_at,
    with_values,
)
from distune.errors import ConfigError, UserError
from distune.tuning.coordinator.proposals import distribution, suggest, suggest_base
from distune.tuning.search.seeded_sampler import sampler_of_values
from distune.tuning.space.build import build_space, left_out
from distune.tuning.space.groups import backbone_group, fusion_group, loss_group
from distune.tuning.space.space import (
    DEFAULT_SPACE,
    Space,
    bounds,
    choice_of,
    contains,
    floats,
    whole_numbers,
)
from distune.tuning.space.without_effect import Ignored, fields_without_effect
from distune.tuning.tune import search_space


def of_loss(loss, *fields):
    """What one loss ignores."""
    return [Ignored(field, {"distillation.loss": frozenset({loss})}) for field in fields]


REFERENCE = {  # the reference page's table: low, high, log, or the choices
    "teacher_lr": ("teacher.lr", (5e-6, 1e-4, True)),
    "student_lr": ("student.lr", (1e-4, 5e-4, True)),
    "alpha": ("distillation.alpha", (0.5, 2.0, False)),
    "beta": ("distillation.beta", (50.0, 200.0, False)),
    "T": ("distillation.T", (2.0, 6.0, False)),
    "teacher_fusion_dim": ("teacher.fusion_dim", (256, 384, 512)),
    "student_fusion_dim": ("student.fusion_dim", (256, 384, 512)),
    "teacher_fusion_layers": ("teacher.fusion_layers", (1, 3, False)),
    "student_fusion_layers": ("student.fusion_layers", (1, 2, False)),
    "teacher_fusion_heads": ("teacher.fusion_heads", (4, 8)),
    "student_fusion_heads": ("student.fusion_heads", (4, 8)),
    "teacher_dropout": ("teacher.dropout", (0.05, 0.3, False)),
    "student_dropout": ("student.dropout", (0.05, 0.3, False)),
}


def asked(space, base, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return suggest(study.ask(), space, base)


def test_the_default_space_is_the_reference_pages():
    space = build_space(Config())
    assert {name: space.key(name) for name in space.parameters} == {
        n: key for n, (key, _) in REFERENCE.items()
    }
    for name, parameter in space.parameters.items():
        values = REFERENCE[name][1]
        found = parameter.choices or (parameter.low, parameter.high, parameter.log)
        assert found == values
        assert parameter.type == (
            "categorical" if parameter.choices else "int" if "layers" in name else "float"
        )


@pytest.mark.slow
def test_every_point_of_the_default_space_is_a_valid_config():
    base, space = Config(), build_space(Config())
    for seed in range(50):
        params = asked(space, base, seed)
        config = with_values(base, space.overrides(params))
        assert all(value_at(config, space.key(name)) == value for name, value in params.items())
        assert all(contains(space.parameters[name], value) for name, value in params.items())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("teacher_lr", "teacher.lr"),
        ("student_fusion", "student.fusion"),
        ("student_vision", "student.vision.name"),
        ("teacher_text", "teacher.text.name"),
        ("T", "distillation.T"),
        ("gamma", "distillation.gamma"),
        ("loss", "distillation.loss"),
        ("unlabelled", "distillation.unlabelled"),
        ("batch_size", None),
    ],
)
def test_names_stand_for_config_keys(name, key):
    assert config_key_of(name) == key
    given = {"type": "float", "low": 0.1, "high": 0.2}
    plain, own = (
        Space({name: SearchParameter.model_validate(given | more)}) for more in ({}, {"key": "student.lr"})
    )
    assert (
        plain.key(name) == plain.key_of_condition(name) == Space({}).key_of_condition(name) == (key or name)
    )
    assert own.key(name) == own.key_of_condition(name) == "student.lr"


def test_groups_add_their_choices():
    groups = {**fusion_group(), **loss_group(Config()), **backbone_group(Config())}
    space = build_space(Config(), groups=groups)
    assert {"teacher_fusion", "student_fusion", "loss", "student_vision", "student_text"} <= set(
        space.parameters
    )
    assert space.parameters["student_vision"].choices == ("deit-tiny", "deit-small", "mobilevit-xx-small")
    assert space.parameters["student_text"].choices == ("distilbert", "minilm", "bert-mini")


LITE = ("student_vision", (None, ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")))
DEIT = ("student_vision", (None, ("deit-tiny", "deit-small", "mobilevit-xx-small")))
TINY = ("student_vision_layers", ("student.vision.layers", (1, 2)))
BERT = ("student_text", (None, ("distilbert", "minilm", "bert-mini")))
TINY_BERT = ("student_text_layers", ("student.text.layers", (1, 2)))
PACKAGED = ("student_text_layers", ("student.text.layers", (2, 3, 4, 6)))


@pytest.mark.parametrize(
    ("vision", "text", "groups"),
    [
        ("efficientnet-lite0", "minilm-l6", [LITE, PACKAGED]),
        ("efficientnet-lite2", "distilbert", [LITE, BERT]),
        ("deit-tiny", "tiny-bert", [DEIT, TINY_BERT]),
        ("deit-tiny", "minilm", [DEIT, BERT]),
        ("tiny-vit", "none", [TINY]),
        ("none", "minilm-l6", [PACKAGED]),
    ],
)
def test_the_encoders_that_can_be_searched_are_of_the_base_s_own_family(vision, text, groups):
    base = base_config(student__vision__name=vision, student__text__name=text)
    found = backbone_group(base)
    assert [(name, (choice.key, choice.choices)) for name, choice in found.items()] == groups


def test_what_the_user_says_of_a_parameter_is_stronger_than_the_group_and_the_default():
    base = parse_config({"search_space": {"student_fusion": {"type": "categorical", "choices": ["simple"]}}})
    space = build_space(base, groups=fusion_group())
    assert space.parameters["student_fusion"].choices == ("simple",)
    assert len(space.parameters["teacher_fusion"].choices) > 1


@pytest.mark.parametrize(
    ("parameter", "ends"),
    [
        (choice_of("a", "b", "c"), ["a", "b", "c"]),
        (whole_numbers(1, 3), [1, 3]),
        (floats(2.0, 2.0), [2.0, 2.0]),
        (SearchParameter(type="float", low=1, high=3, step=0.5), [1, 3, 1.5]),
        (SearchParameter(type="float", low=1, high=3, step=2), [1, 3]),
        (floats(0.0, math.pi), [0.0, math.pi, 1.0]),
    ],
)
def test_the_outermost_values_and_one_that_is_no_whole_number(parameter, ends):
    assert bounds(parameter) == pytest.approx(ends) if ends[0] != "a" else bounds(parameter) == ends


def test_a_range_of_numbers_is_none_of_a_key_that_takes_whole_ones():
    own = {"type": "float", "low": 1, "high": 3, "key": "student.fusion_layers"}
    with pytest.raises(ConfigError, match=r"search_space\.own: student\.fusion_layers cannot be"):
        build_space(parse_config({"search_space": {"own": own}}), only=("own",))


def test_the_config_overrides_and_adds_parameters():
    raw = {
        "search_space": {
            "alpha": {"type": "float", "low": 1, "high": 3},
            "batch": {"type": "categorical", "choices": [8, 16], "key": "training.batch_size"},
        }
    }
    space = build_space(parse_config(raw))
    assert (space.parameters["alpha"].low, space.parameters["alpha"].high) == (1, 3)
    assert space.overrides({"batch": 8, "alpha": 2.0}) == {
        "training.batch_size": 8,
        "distillation.alpha": 2.0,
    }
    assert len(space.parameters) == 14


def test_only_keeps_what_is_named_and_names_what_is_known():
    assert list(build_space(Config(), only=("T", "alpha")).parameters) == ["alpha", "T"]
    own = parse_config(
        {"search_space": {"T_own": {"type": "float", "low": 0.1, "high": 1, "key": "distillation.gamma"}}}
    )
    assert list(build_space(own, only=("T",)).parameters) == ["T"]
    with pytest.raises(UserError, match=r"aplha.*alpha.*teacher_lr"):
        build_space(Config(), only=("aplha",))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"type": "int", "low": 8, "high": 16}, "batch: the name stands for no config key"),
        (
            {"type": "int", "low": 8, "high": 16, "key": "training.batchsize"},
            "no config key training.batchsize",
        ),
        (
            {"type": "int", "low": 1, "high": 2, "key": "teacher.lr"},
            "more than one parameter is written to teacher.lr",
        ),
        (
            {"type": "int", "low": 1, "high": 2, "key": "training.batch_size", "when": {"los": ["crd"]}},
            "key los",
        ),
        (
            {"type": "categorical", "choices": ["tiny-cnn"], "key": "student.vision"},
            "is a section.*student.vision.name",
        ),
        (
            {"type": "categorical", "choices": ["cpu", "cuda:0"], "key": "training.device"},
            "each worker has its own",
        ),
    ],
)
def test_a_parameter_must_lead_to_a_config_key(parameter, message):
    base = parse_config({"search_space": {"batch": parameter}})
    with pytest.raises(ConfigError, match=message):
        build_space(base)


@pytest.mark.parametrize(
    ("when", "is_possible"),
    [
        ({"alpha": [0.5]}, False),  # itself
        ({"distillation.alpha": [0.5]}, False),
        ({"student.init_from_teacher": ["false"]}, False),  # text for a truth value
        ({"student.init_from_teacher": [False]}, True),
        ({"student_fusion_dim": [999]}, False),  # searched, among other choices
        ({"student_fusion_dim": [999, 384]}, True),  # such as after the space was narrowed
        ({"student_fusion_dim": ["wide", 384]}, False),
        ({"student_fusion_dim": [512]}, True),  # the base config's alone
        ({"student_fusion_dim": ["wide", 512]}, False),
        ({"student_lr": [5]}, False),
        ({"loss": ["no loss"]}, False),
        ({"loss": ["vanilla"]}, True),
        ({"training.batch_size": [1.5]}, False),
        ({"training.batch_size": [True]}, False),
        ({"training.batch_size": [100_001]}, False),
        ({"training.layerwise_lr_decay": [0.0]}, False),
        ({"training.weight_decay": [100.5]}, False),
        ({"T": [2]}, True),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(when, is_possible):
    parameter = {"type": "float", "low": 0.1, "high": 1, "when": when}
    narrowed = {"type": "categorical", "choices": [256, 384]}
    searched = {"alpha": parameter, "student_fusion_dim": narrowed}
    base = parse_config({"distillation": {"loss": "vanilla"}, "search_space": searched})
    if is_possible:
        assert "alpha" in build_space(base).parameters
    else:
        with pytest.raises(ConfigError, match=r"search_space\.alpha: its condition"):
            build_space(base)


def test_what_is_asked_for_and_has_no_effect_is_refused_where_it_is_all_and_named_where_not():
    base = parse_config(
        {
            "distillation": {"loss": "vanilla"},
            "search_space": {"gamma": {"type": "float", "low": 0.1, "high": 1}},
        }
    )
    ignored = fields_without_effect(base)
    build = partial(build_space, base, ignored=ignored)
    with pytest.raises(UserError, match="gamma"):
        build(only=("gamma",))
    for only, lines in ((("alpha",), 0), ((), 1), (("alpha", "gamma"), 1)):
        space = build(only=only)
        assert "gamma" not in space.parameters
        assert ["gamma" in line for line in left_out(space, base, only)] == [True] * lines


def test_a_parameter_of_another_name_is_left_out_for_the_reason_of_its_key():
    mine = {"type": "float", "low": 0.1, "high": 1, "key": "distillation.gamma"}
    base = parse_config({"distillation": {"loss": "vanilla"}, "search_space": {"mine": mine}})
    (line,) = left_out(build_space(base, ignored=fields_without_effect(base)), base)
    assert "mine is not searched: it has no effect with distillation.loss" in line


def test_why_the_width_of_a_model_of_one_encoder_is_not_searched():
    base = base_config(student__text="none")
    only = ("student_fusion_dim", "student_fusion_layers", "alpha")
    space = build_space(base, only=only, ignored=fields_without_effect(base))
    assert list(space.parameters) == ["alpha"]
    width, layers = left_out(space, base, only)
    assert "student_fusion_dim is not searched: a student of one encoder" in width
    assert "student_fusion_layers is not searched: it has no effect with student.text.name" in layers
    assert left_out(space, base) == [], "nobody asked for these"
    other = base_config(teacher__vision="none", student__vision="none")
    only = ("teacher_fusion_dim", "student_fusion_dim", "alpha")
    alone = build_space(other, only=only, ignored=fields_without_effect(other))
    of_teacher, of_student = left_out(alone, other, only)
    assert "teacher_fusion_dim is not searched: a teacher of one encoder" in of_teacher
    assert "student_fusion_dim is not searched: a student of one encoder" in of_student


def test_conditions_that_form_a_circle_are_refused():
    circle = {
        "teacher_fusion": SearchParameter(
            type="categorical", choices=("simple",), when={"student_fusion": ("gated",)}
        ),
        "student_fusion": SearchParameter(
            type="categorical", choices=("gated",), when={"teacher_fusion": ("simple",)}
        ),
    }
    with pytest.raises(UserError, match=r"teacher_fusion, student_fusion .* circle"):
        build_space(Config(), groups=circle)


@pytest.mark.parametrize(
    ("key", "choices", "other", "value"),
    [
        ("student.init_from_teacher", (True, False), "teacher.text.layers", 4),
        ("distillation.loss", ("vanilla", "dkd"), "data.image_size", 64),
    ],
)
def test_a_rule_that_never_applies_forms_no_circle(key, choices, other, value):
    searched = {
        "one": {"type": "categorical", "key": key, "choices": list(choices), "when": {"other": [value]}},
        "other": {"type": "categorical", "key": other, "choices": [value, 2 * value]},
    }
    base = parse_config({"search_space": searched})
    space = build_space(base, only=["one", "other"], ignored=fields_without_effect(base))
    assert list(space.parameters) == ["other", "one"]


def test_a_condition_decides_whether_a_parameter_is_drawn():
    raw = {
        "search_space": {
            "gamma": {"type": "float", "low": 0.1, "high": 1, "when": {"loss": ["combined"]}},
            "loss": {"type": "categorical", "choices": ["combined", "rkd"]},
            "views": {
                "type": "int",
                "low": 2,
                "high": 4,
                "key": "data.views",
                "when": {"data.augment": ["light"]},
            },
        }
    }
    base = parse_config(raw)
    space = build_space(base)
    names = list(space.parameters)
    assert names.index("loss") < names.index("gamma")
    drawn = [asked(space, base, seed) for seed in range(20)]
    assert {params["loss"] for params in drawn} == {"combined", "rkd"}
    assert all(("gamma" in params) == (params["loss"] == "combined") for params in drawn)
    assert not any("views" in params for params in drawn)
    assert "gamma" not in space.always_active(base) and "alpha" in space.always_active(base)


def test_a_fixed_loss_without_temperature_leaves_the_temperature_out():
    base = base_config(distillation__loss="none")
    space = build_space(base, ignored=of_loss("none", "distillation.beta", "distillation.T"))
    assert set(DEFAULT_SPACE) - set(asked(space, base)) == {"beta", "T"}
    study = optuna.create_study(sampler=sampler_of_values(space.base_values(base)))
    assert set(DEFAULT_SPACE) - set(suggest_base(study.ask(), space, base)) == {"beta", "T"}


@pytest.mark.parametrize(
    ("parameter", "value", "inside"),
    [
        ({"type": "float", "low": 0, "high": 1}, 1.0, True),
        ({"type": "float", "low": 0, "high": 1}, 1.01, False),
        ({"type": "float", "low": 0, "high": 1, "step": 0.25}, 0.5, True),
        ({"type": "float", "low": 0, "high": 1, "step": 0.25}, 0.3, False),
        ({"type": "int", "low": 1, "high": 9, "step": 2}, 5, True),
        ({"type": "int", "low": 1, "high": 9, "step": 2}, 4, False),
        ({"type": "int", "low": 1, "high": 9}, 9, True),
        ({"type": "int", "low": 1, "high": 9}, 1.5, False),
        ({"type": "int", "low": 1, "high": 9, "log": True}, 3.0, True),
        ({"type": "int", "low": 1, "high": 9, "log": True}, 1.5, False),
        ({"type": "int", "low": 1, "high": 3}, True, False),
        ({"type": "int", "low": 1, "high": 3}, "2", False),
        ({"type": "categorical", "choices": [256, 384]}, 384, True),
        ({"type": "categorical", "choices": [256, 384]}, 512, False),
        ({"type": "categorical", "choices": [0, 1]}, True, False),
        ({"type": "categorical", "choices": [0, 1]}, 1.0, True),
        ({"type": "categorical", "choices": [True, False]}, 1, False),
        ({"type": "float", "low": 0, "high": 1}, None, False),
    ],
)
def test_whether_a_value_can_be_drawn(parameter, value, inside):
    assert contains(SearchParameter(**parameter), value) is inside


def test_the_base_trial_keeps_values_outside_the_space_out_of_optunas_table():
    base = base_config(teacher__lr=1e-3, teacher__fusion_dim=64)
    space = build_space(base)

    study = optuna.create_study(sampler=sampler_of_values(space.base_values(base)))
    trial = study.ask()
    params = suggest_base(trial, space, base)
    assert (params["teacher_lr"], params["teacher_fusion_dim"], params["T"]) == (1e-3, 64, 2.0)
    assert set(space.parameters) - set(trial.params) == {"teacher_lr", "teacher_fusion_dim"}
    assert all(trial.params[name] == params[name] for name in trial.params)


def test_parameters_as_optuna_describes_them():
    found = {
        name: distribution(DEFAULT_SPACE[name]) for name in ("teacher_lr", "alpha", "teacher_fusion_layers")
    }
    assert found == {
        "teacher_lr": optuna.distributions.FloatDistribution(5e-6, 1e-4, log=True),
        "alpha": optuna.distributions.FloatDistribution(0.5, 2.0),
        "teacher_fusion_layers": optuna.distributions.IntDistribution(1, 3),
    }
    steps = SearchParameter(type="int", low=1, high=9, step=4)
    tenths = SearchParameter(type="float", low=0.0, high=0.5, step=0.1)
    assert distribution(steps) == optuna.distributions.IntDistribution(1, 9, step=4)
    assert distribution(tenths) == optuna.distributions.FloatDistribution(0.0, 0.5, step=0.1)
    wide = SearchParameter(type="int", low=8, high=512, log=True)
    assert distribution(wide) == optuna.distributions.IntDistribution(8, 512, log=True)
    kinds = {
        "training_accumulation": steps,
        "alpha": tenths,
        "teacher_fusion_dim": wide,
        "T": DEFAULT_SPACE["T"],
    }
    trial = optuna.create_study().ask()
    suggest(trial, Space(kinds), Config())
    assert trial.distributions == {name: distribution(parameter) for name, parameter in kinds.items()}
    named = SearchParameter(type="categorical", choices=("a", 2, True))
    assert distribution(named) == optuna.distributions.CategoricalDistribution(("a", 2, True))


def test_a_parameter_that_the_base_value_switches_off_is_not_in_every_trial():
    """The base shows plain pictures; every drawn trial shows views, and only it has a number of them."""
    views = {"type": "int", "low": 2, "high": 8, "key": "data.views", "when": {"shown": ["light"]}}
    shown = {"type": "categorical", "choices": ["light"], "key": "data.augment"}
    base = parse_config({"search_space": {"shown": shown, "views": views}})
    space = build_space(base, only=("shown", "views"))
    assert space.always_active(base) == ["shown"] and space.ever_active(base) == ["shown", "views"]
    shown["choices"] = ["none"]
    with_none = parse_config({"search_space": {"shown": shown, "views": views}})
    with pytest.raises(ConfigError, match="shown 'light'"):
        build_space(with_none, only=("shown", "views"))


def test_nothing_of_a_teacher_that_no_loss_asks_is_searched():
    base = with_values(Config(), {"distillation.loss": "none"})
    plain = build_space(base, ignored=fields_without_effect(base))
    assert [name for name in plain.parameters if name.startswith("teacher")] == []
    assert {"student_lr", "alpha"} <= plain.parameters.keys() and not {"beta", "T"} & plain.parameters.keys()
    drawn = build_space(base, groups=loss_group(base), ignored=fields_without_effect(base))
    assert not drawn.is_active("teacher_lr", {}, base)
    assert drawn.is_active("teacher_lr", {"distillation.loss": "vanilla"}, base)
    started = with_values(base, {"student.init_from_teacher": True})
    assert "teacher_lr" in build_space(started, ignored=fields_without_effect(started)).parameters


@pytest.mark.parametrize(
    ("values", "without"),
    [
        ({}, set()),
        ({"teacher__vision": "none"}, {"attention_transfer"}),
        (
            {"teacher__vision": "none", "student__text": "none"},
            {name for name, loss in LOSSES.items() if loss.compares_features or loss.uses_map},
        ),
    ],
)
def test_no_loss_is_searched_that_the_models_do_not_define(values, without):
    base = base_config(distillation__loss="vanilla", **values)
    asked = search_space(base, StudyConfig(tune_loss=True)).parameters["loss"]
    assert set(asked.choices) == set(LOSSES) - without


def test_a_condition_on_a_range_may_hold_and_may_not():
    """Of a range no value is tried for all: what depends on it is drawn alone."""
    when = SearchParameter(type="float", low=0.1, high=0.3, when={"student_fusion_layers": (1,)})
    space = Space({"student_fusion_layers": whole_numbers(1, 2), "student_dropout": when})
    for layers in (1, 2):
        base = base_config(student__fusion_layers=layers)
        assert space.always_active(base) == ["student_fusion_layers"]
        assert space.ever_active(base) == ["student_fusion_layers", "student_dropout"]


def test_what_decides_about_a_parameter_and_what_a_key_can_hold():
    base = Config().replace(**{"distillation.loss": "vanilla"})
    dropout = SearchParameter(type="float", low=0.1, high=0.3, when={"loss": ("vanilla",)})
    ignored = of_loss("none", "teacher", "distillation.T")
    space = Space({"loss": choice_of("none", "vanilla", "dkd"), "student_dropout": dropout, "T": DEFAULT_SPACE["T"],
                   "teacher_lr": DEFAULT_SPACE["teacher_lr"], "student_lr": DEFAULT_SPACE["student_lr"]},
                  ignored)  # fmt: skip
    assert space.values_at("distillation.loss", base) == ["vanilla", "none", "dkd"]
    assert space.values_at("student.lr", base) == [base.student.lr, *bounds(DEFAULT_SPACE["student_lr"])]
    assert space.condition_keys("student_dropout") == {"distillation.loss"}
    assert {name: space.deciding(name) for name in space.parameters} == {
        "loss": set(), "student_dropout": {"loss"}, "T": {"loss"}, "teacher_lr": {"loss"}, "student_lr": set(),
    }  # fmt: skip
    assert space.always_active(base) == ["loss", "student_lr"]
    assert space.ever_active(base) == list(space.parameters)
    part = space.part({"student_dropout", "student_lr"})
    assert {name: parameter.when for name, parameter in part.items()} == {
        "student_dropout": {"distillation.loss": ("vanilla",)}, "student_lr": None,
    }  # fmt: skip
    alone = Space(part, ignored)
    assert alone.is_active("student_dropout", {}, base)
    assert not alone.is_active("student_dropout", {"distillation.loss": "dkd"}, base)
    without = Config().replace(**{"distillation.loss": "none"})
    assert [each.is_section_used("teacher", without) for each in (space, alone)] == [True, False]
    assert alone.is_section_used("student", without) and alone.is_section_used("teacher", base)


@pytest.mark.parametrize(
    ("field", "key", "is_named"),
    [
        ("teacher.fusion_heads", "teacher.fusion_heads", True),
        ("teacher.fusion_heads", "student.fusion_heads", False),
        ("teacher.fusion", "teacher.fusion_heads", False),
        ("student.text.layers", "student.text.layers", True),
        ("teacher", "teacher.text.layers", True),  # a whole section
        ("teacher", "teacher", True),
        ("distillation.T", "distillation.alpha", False),
    ],
)
def test_which_keys_are_without_effect(field, key, is_named):
    assert Ignored(field, {}).names(key) is is_named

"""What a user's own loss, fusion or reader gives that no training can use is named, before any training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from distune.cli.commands.predict import load_model
from distune.cli.error_handling import ending_of, one_message
from distune.cli.signals import EndByException
from distune.components import FUSIONS, LOSSES, READERS
from distune.config import Config, with_values
from distune.data import read_table
from distune.data.readers.medpix import read_medpix
from distune.data.readers.problems import Fault
from distune.data.readers.raw_form import check_raw_table
from distune.data.readers.raw_rows import RawTable
from distune.distillation import undefined
from distune.distillation.losses.vanilla import VanillaLoss
from distune.errors import UserError
from distune.models.fusion.base import FusionOutput
from distune.models.fusion.simple import Simple
from distune.plugins import load_plugins, plugin_behind, unused_plugins
from distune.prediction.trained import TrainedStudent
from distune.tuning.space.build import build_space
from distune.tuning.space.groups import fusion_group, loss_group
from distune.tuning.space.impossible import impossible

pytestmark = pytest.mark.usefixtures("plugins_forgotten")


def loss_that(compute: Callable[..., Any], **attributes: Any) -> type:
    return type("Own", (VanillaLoss,), {"compute": compute, **attributes})


def fusion_that(forward: Callable[..., Any]) -> type:
    return type("Own", (Simple,), {"forward": forward})


def fused(self: Simple, *tokens: Any) -> Any:
    return Simple.forward(self, *tokens).fused


def term(self: VanillaLoss, *outputs: Any) -> Any:
    return VanillaLoss.compute(self, *outputs)


@pytest.mark.parametrize(
    ("kind", "part", "said"),
    [
        ("loss", loss_that(lambda *_: 1 / 0), "ZeroDivisionError"),
        ("loss", loss_that(lambda *_: None), "NoneType"),
        ("loss", loss_that(lambda self, student, *_: student.logits[0].sum(1)), r"shape \(16,\)"),
        ("loss", loss_that(lambda *given: term(*given) * float("nan")), "not finite"),
        ("loss", loss_that(lambda *given: term(*given).detach()), "no gradient"),
        ("loss", loss_that(lambda *given: term(*given) + given[1].logits[0].data.zero_().sum()), "changes"),
        ("loss", loss_that(lambda *given: term(*given) + given[3].zero_().sum()), "changes"),
        ("loss", loss_that(term, uses_teacher=False), "uses_teacher"),
        ("loss", loss_that(term), None),
        ("fusion", fusion_that(lambda *_: 1 / 0), "ZeroDivisionError"),
        ("fusion", fusion_that(fused), "FusionOutput"),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given)[:, :-1])), r"shape \(16, 7\)"),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given) / 0)), "not finite"),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given).detach())), "no gradient"),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given), fused(*given))), "penalty"),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given), torch.ones(()))), "no gradient"),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given), torch.zeros(()))), None),
        ("fusion", fusion_that(lambda *given: FusionOutput(fused(*given))), None),
    ],
)
def test_a_loss_or_fusion_is_tried_on_a_batch(
    kind: str, part: type, said: str | None, tiny_config: Callable[..., Config]
) -> None:
    {"loss": LOSSES, "fusion": FUSIONS}[kind].add("own", part, "source")  # type: ignore[attr-defined]
    key = {"loss": "distillation.loss", "fusion": "student.fusion"}[kind]
    config = with_values(tiny_config(), {key: "own"})
    state = torch.get_rng_state()
    problems = undefined(config)
    assert torch.equal(torch.get_rng_state(), state), "a run with it draws the same numbers"
    if said is None:
        assert problems == []
    else:
        (problem,) = problems
        with pytest.raises(AssertionError, match=said):
            raise AssertionError(problem)
        assert problem.startswith(f"{key}: own")


def test_a_study_draws_no_part_that_fails(tiny_config: Callable[..., Config]) -> None:
    LOSSES.add("fails", loss_that(lambda *_: 1 / 0), "source")  # type: ignore[attr-defined]
    LOSSES.add("works", loss_that(term), "source")  # type: ignore[attr-defined]
    base = tiny_config()
    (line,) = impossible(build_space(base, groups=loss_group(base)), base)
    assert "fails" in line and "ZeroDivisionError" in line
    FUSIONS.add("odd", fusion_that(fused), "source")  # type: ignore[attr-defined]
    own = {
        "student_vision_layers": {"type": "categorical", "choices": [1, 9], "key": "student.vision.layers"}
    }
    base = tiny_config(search_space=own)
    groups = {**loss_group(base), **fusion_group()}
    layers, *parts = impossible(build_space(base, groups=groups), base)
    assert "student.vision.layers cannot be 9" in layers
    assert sorted(part.split()[1] for part in parts) == ["fails,", "odd,", "odd,"], "of teacher and student"


def changed(**values: Any) -> Callable[[RawTable], Any]:
    def change(raw: RawTable) -> RawTable:
        raw.examples = [replace(example, **values) for example in raw.examples]
        return raw

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: None, "NoneType"),
        (lambda raw: raw.examples, "list"),
        (lambda raw: replace(raw, task_names=()), "task_names"),
        (lambda raw: replace(raw, task_names=("a", "a")), "task_names"),
        (lambda raw: replace(raw, structure="broken"), "structure"),
        (lambda raw: replace(raw, notes=[3]), "notes"),
        (lambda raw: replace(raw, read=["train"]), "read"),
        (lambda raw: replace(raw, read={"dev": "dev.csv"}), "split train"),
        (lambda raw: replace(raw, bad_rows=["row 3"]), "bad row 1"),
        (lambda raw: replace(raw, bad_rows=[("a:1", Fault("no text"), 3)]), "bad row 1"),
        (lambda raw: replace(raw, bad_rows=[("a:1", "no text")]), "bad row 1"),
        (lambda raw: replace(raw, read={}, structure=["t.csv: no column"]), "no column"),
        (lambda raw: replace(raw, examples=[("a", "b")]), "example 1 is a tuple"),
        (changed(id=7), "id is 7"),
        (changed(text=None), "text is None"),
        (changed(image=Path("a.png")), "image is"),
        (changed(labels=("MR",)), "tuple with 2"),
        (changed(labels=["MR", "head"]), "tuple with 2"),
        (changed(labels=(1, 2)), "tuple with 2"),
        (changed(split="valid"), "split is 'valid'"),
        (changed(subgroups=("a", "b")), "tuple with 0"),
        (lambda raw: replace(raw, bad_rows=[("a:1", Fault("no text"))]), "no text"),
        (lambda raw: raw, None),
    ],
)
def test_what_a_reader_gives_is_looked_at(
    change: Callable[[RawTable], Any], said: str | None, tiny_config: Callable[..., Config]
) -> None:
    READERS.add("own", lambda config: change(read_medpix(config)), "source")
    data = with_values(tiny_config(), {"data.reader": "own"}).data
    if said is None:
        assert len(read_table(data, check_images=False))
    else:
        with pytest.raises(UserError, match=said):
            read_table(data, check_images=False)


def test_rows_of_a_reader_may_have_no_subgroups_and_else_have_all(tiny_config: Callable[..., Config]) -> None:
    config = tiny_config().data
    rows = read_medpix(config)
    for columns, values, is_sound in (
        (("age", "sex"), (), True),
        (("age", "sex"), ("30", "f"), True),
        (("age", "sex"), ("30",), False),
        ((), ("30",), False),
    ):
        asked = config.model_copy(update={"subgroup_columns": columns})
        given = changed(subgroups=values)(rows)
        if is_sound:
            assert check_raw_table(given, asked) is given
        else:
            with pytest.raises(UserError, match="subgroups"):
                check_raw_table(given, asked)


@pytest.mark.parametrize(
    "text",
    [
        "LOSSES = {'own': lambda config, shapes: None}",
        "FUSIONS = {'own': dict}",
        "from distune.models.fusion.simple import Simple\nLOSSES = {'own': Simple}",
    ],
)
def test_a_table_holds_classes_of_its_kind(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_kinds.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"my_kinds.*inherits"):
        load_plugins(["my_kinds"])
    sys.modules.pop("my_kinds")
    assert "own" not in LOSSES and "own" not in FUSIONS


@pytest.mark.parametrize("reader", ["lambda: None", "lambda config, seed: None", "3"])
def test_a_reader_is_called_with_the_data_section_alone(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("my_odd", reader), ("my_fit", "lambda config, seed=0: None"), ("my_type", "type")):
        (tmp_path / f"{name}.py").write_text(f"READERS = {{'{name}': {text}}}")
    with pytest.raises(UserError, match=r"my_odd.*data section"):
        load_plugins(["my_odd"])
    load_plugins(["my_fit", "my_type"])


def test_of_plugins_that_are_loaded_those_without_a_part_are_known(
    tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distune.plugins._loaded", {"my_losses": "a", "my_fusions": "b"})
    LOSSES.add("own", loss_that(term), "a")  # type: ignore[attr-defined]
    assert unused_plugins(tiny_config()) == ["my_losses", "my_fusions"]
    assert unused_plugins(with_values(tiny_config(), {"distillation.loss": "own"})) == ["my_fusions"]
    FUSIONS.add("own", FUSIONS["simple"], "b")
    for model in ("teacher", "student"):
        assert unused_plugins(with_values(tiny_config(), {f"{model}.fusion": "own"})) == ["my_losses"]


def test_a_plugin_that_a_model_in_use_has_nothing_of_is_not_passed_over(
    tiny_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("distune.plugins._loaded", {"my_losses": "a"})
    model = TrainedStudent.__new__(TrainedStudent)
    model.config = tiny_config()
    run, bundle = (SimpleNamespace(model=each) for each in (model, object()))
    asked: list[Any] = []
    for found in (run, bundle):
        monkeypatch.setattr(
            "distune.prediction.load.load", lambda *of, found=found, **how: asked.append((of, how)) or found
        )
        assert load_model("run", "cpu", None) is found
    assert asked == [(("run",), {"device": "cpu", "storage": None})] * 2
    assert capsys.readouterr().out.count("note: the config uses nothing of plugin my_losses") == 1
    (tmp_path / "model.onnx").touch()
    with pytest.raises(UserError, match="--plugin my_losses"):
        load_model(str(tmp_path), None, None)
    monkeypatch.setattr("distune.plugins._loaded", {})
    assert load_model(str(tmp_path), None, None) is bundle


def test_an_error_that_cannot_say_what_it_is_ends_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_mute.py").write_text("class Mute(Exception):\n    __str__ = None\nraise Mute")
    with pytest.raises(UserError, match=r"my_mute.*Mute"):
        load_plugins(["my_mute"])
    with pytest.raises(SystemExit), one_message():
        raise type("Mute", (Exception,), {"__str__": None})
    assert "Mute" in capsys.readouterr().err


@pytest.mark.parametrize("loaded", ["my_package", "my_package.losses", "my_package.more"])
def test_an_error_in_a_plugin_is_called_its_own(loaded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_package.losses")
    exec("def fails():\n    return {}['x']", module.__dict__)
    monkeypatch.setattr("distune.plugins._loaded", {"my_packages": "", loaded: ""})
    for fails, plugin in ((module.fails, loaded), (lambda: {}["x"], None)):
        with pytest.raises(KeyError) as raised:
            fails()
        assert plugin_behind(raised.value) == plugin
        code, message = ending_of(raised.value)
        assert code == 1 and (f"plugin {loaded}" in message) == (plugin is not None)
        assert ("fault of Distune" in message) == (plugin is None)


def test_a_plugin_that_ends_the_process_is_named_and_a_signal_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, ends, said in (
        ("script", "sys.exit(0)", "SystemExit"),
        ("test", "raise BaseException", "BaseE"),
    ):
        (tmp_path / f"my_{name}.py").write_text(f"import sys\n{ends}\n")
        with pytest.raises(UserError, match=rf"my_{name}.*{said}"):
            load_plugins([f"my_{name}"])
    (tmp_path / "my_wait.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins(["my_wait"])
    module = ModuleType("my_package")
    exec("import sys\ndef exits(): sys.exit(0)\ndef goes_on(handler): handler(15, None)", module.__dict__)
    exec("def skips(): raise BaseException", module.__dict__)
    monkeypatch.setattr("distune.plugins._loaded", {"my_package": ""})
    for ends, code in (
        (module.exits, 1),
        (module.skips, 1),
        (lambda: module.goes_on(EndByException()), 143),
        (lambda: sys.exit(3), 3),
    ):
        with pytest.raises(SystemExit) as raised, one_message():
            ends()
        assert raised.value.code == code and ("plugin my_package" in capsys.readouterr().err) == (code == 1)


def test_a_name_that_a_library_lacks_is_the_fault_of_the_plugin_that_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the library would be told to be installed again, which changes nothing."""
    module = ModuleType("my_package")
    exec("def fails():\n    from json import nothing_of_this_name", module.__dict__)
    with pytest.raises(ImportError) as raised:
        module.fails()
    for loaded, token in (
        ({}, "json cannot be imported"),
        ({"my_package": ""}, "plugin my_package: ImportError"),
    ):
        monkeypatch.setattr("distune.plugins._loaded", loaded)
        code, message = ending_of(raised.value)
        assert code == 1 and message.startswith(token)

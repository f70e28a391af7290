"""The options of `distune tune` are the fields of the `study` section, and lie over them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import Field
from typer.testing import CliRunner

from distune.cli import app, section_options
from distune.cli.options import devices_of
from distune.cli.section_options import takes_section
from distune.config import Config, StudyConfig
from distune.config.section import ConfigSection
from distune.errors import UserError
from distune.tuning import tune as tuning
from distune.tuning.request import TuneRequest


class Asked(Exception):
    """Carries what the command asked for."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What `distune tune` asks tuning for, with a study section in its config."""
    config = tmp_path / "c.yaml"
    config.write_text("study: {n_trials: 12, sampler: random, tune_loss: true}\nstudent: {epochs: 7}\n")
    requests: list[TuneRequest] = []

    def heard(request: TuneRequest) -> None:
        requests.append(request)
        raise Asked

    monkeypatch.setattr(tuning, "tune", heard)

    def call(*arguments: str) -> Config:
        ended = CliRunner().invoke(app, ["tune", "--config", str(config), *arguments])
        if isinstance(ended.exception, UserError):
            raise ended.exception
        assert isinstance(ended.exception, Asked), ended.output
        return requests[-1].config

    return call


def test_without_options_the_section_stands(asked: Any) -> None:
    assert asked().study == StudyConfig(n_trials=12, sampler="random", tune_loss=True)


def test_options_lie_over_the_section(asked: Any) -> None:
    study = asked("--n-trials", "5", "--tune-fusion", "--only", "alpha, T", "--gpus", "cuda:0,cuda:1").study
    assert (study.n_trials, study.sampler) == (5, "random")
    assert study.tune_fusion and study.tune_loss
    assert (study.only, study.gpus) == (("alpha", "T"), ("cuda:0", "cuda:1"))


def test_one_gpu_is_a_list_of_one(asked: Any) -> None:
    assert asked("--gpu", "cuda:1").study.gpus == ("cuda:1",)


def test_devices_are_named_once(asked: Any) -> None:
    with pytest.raises(UserError, match="--gpu"):
        asked("--gpu", "cuda:1", "--gpus", "cuda:0")
    with pytest.raises(UserError, match="--gpu"):
        devices_of("cuda:1", ["cuda:0"])
    assert devices_of(None, ["cuda:0"]) == ("cuda:0",) and devices_of(None, []) == ()


def test_any_value_is_set_by_its_key(asked: Any) -> None:
    config = asked(
        "--set", "student.lr=1e-3", "--set", "data.text_fields=[caption, age]", "--set", "study.folds=4"
    )
    assert config.student.lr == 1e-3 and config.study.folds == 4
    assert config.data.text_fields == ("caption", "age")
    assert config.student.epochs == 7, "the file's own values stay"


@pytest.mark.parametrize("assignment", ["student.lr", "=3", "student.lrs=3", "seed.x=1", "student.lr=["])
def test_a_bad_assignment_is_bad_input(asked: Any, assignment: str) -> None:
    with pytest.raises(UserError):
        asked("--set", assignment)


@pytest.mark.parametrize("command", ["train", "check", "audit"])
def test_every_command_that_takes_a_config_takes_assignments(command: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("{}\n")
    ended = CliRunner().invoke(app, [command, str(tmp_path / "c.yaml"), "--set", "student.lrs=3"])
    assert isinstance(ended.exception, UserError) and "student.lrs" in str(ended.exception)


def test_a_field_is_an_option_with_its_text() -> None:
    shown = CliRunner().invoke(app, ["tune", "--help"], env={"COLUMNS": "250"}).output
    for name in StudyConfig.model_fields:
        option = {"name": "study_name"}.get(name, name)
        assert f"--{option.replace('_', '-')}" in shown


@pytest.mark.parametrize("given", [(), ("--overwrite",), ("--out", "there")])
def test_a_run_folder_is_emptied_only_where_that_is_asked_for(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def claimed(config: Config, out: Path | None, runs: Path, *, overwrite: bool) -> None:
        asked.append((out, overwrite))
        raise Asked

    monkeypatch.setattr("distune.training.files.claim.claimed", claimed)
    (tmp_path / "c.yaml").write_text("{}\n")
    ended = CliRunner().invoke(app, ["train", str(tmp_path / "c.yaml"), *given])
    assert isinstance(ended.exception, Asked), ended.output
    assert asked == [(Path("there") if "--out" in given else None, "--overwrite" in given)]


@pytest.mark.parametrize(
    ("annotation", "type_", "metavar"),
    [
        (bool, bool, None),
        (int | None, int, None),
        (Annotated[float, Field(gt=0)] | None, float, None),
        (Path | None, Path, None),
        (str | None, str, None),
        (Literal["a", "b"] | None, str, "a|b"),
        (Annotated[Literal[1, 2], Field()], str, "1|2"),
        (tuple[str, ...], tuple, "A,B,..."),
        (Optional[tuple[int, ...]], tuple, "A,B,..."),  # noqa: UP045
    ],
)
def test_an_option_has_the_type_of_its_field(annotation: Any, type_: type, metavar: str | None) -> None:
    assert section_options._single(annotation) is type_
    assert section_options._metavar(annotation) == metavar


def test_a_section_becomes_the_options_of_a_command() -> None:
    class Own(ConfigSection):
        count: int = Field(3, description="How [many]\n  there are.")
        names: tuple[str, ...] = Field((), description="Which.")
        is_it_on: bool = False

    heard: list[Any] = []

    @takes_section("own", Own, {"count": "number"})
    def command(first: str, given: dict[str, Any], last: int = 7) -> None:
        """Says it."""
        heard.append((first, given, last))

    signature = inspect.signature(command)
    assert list(signature.parameters) == ["first", "number", "names", "is_it_on", "last"]
    assert {name: one.default for name, one in signature.parameters.items() if name in ("number", "is_it_on")} == {
        "number": None, "is_it_on": None,
    }  # fmt: skip
    option = signature.parameters["number"].annotation.__metadata__[0]
    assert (option.default, *option.param_decls) == (
        "--number",
    ) and option.help == "How \\[many] there are. Default: 3."
    names = signature.parameters["names"].annotation.__metadata__[0]
    assert names.help == "Which." and names.parser("a, b") == ["a", "b"]
    assert signature.parameters["is_it_on"].annotation.__metadata__[0].default == "--is-it-on"
    command(first="x", number=None, names=["a"], is_it_on=False, last=8)
    command(first="x", number=0, names=None, is_it_on=None, last=8)
    assert heard == [("x", {"own.names": ["a"], "own.is_it_on": False}, 8), ("x", {"own.count": 0}, 8)]
    assert command.__doc__ == "Says it."

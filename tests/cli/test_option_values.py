"""Values of options that mean nothing are refused before any work, with exit code 2 and the option's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup, TyperOption
from typer.testing import CliRunner

from distune.cli import app
from distune.cli.arguments import StrictCommand, check_unicode
from distune.data.demo.demo import write_demo
from distune.data.split import split_csv
from distune.errors import UserError
from distune.setup.columns import Wishes
from distune.setup.init import prepare

Command = Callable[..., tuple[int, str, str]]
TABLE = "kind,case\n" + "".join(f"{'AB'[n % 2]},{n}\n" for n in range(20))


@pytest.fixture(autouse=True)
def table(tmp_path: Path) -> Path:
    """Lies where the commands run."""
    (tmp_path / "t.csv").write_text(TABLE)
    return tmp_path / "t.csv"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its name."""
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop()
        if isinstance(command, TyperGroup):
            waiting += [(f"{path} {child}".strip(), each) for child, each in command.commands.items()]
        else:
            yield path, command


def options(name: str) -> Iterator[tuple[str, TyperOption]]:
    """Every option of that name, with its command."""
    for path, command in commands():
        for option in command.params:
            if isinstance(option, TyperOption) and name in option.opts:
                yield path, option


@pytest.mark.slow
def test_every_seed_has_a_range() -> None:
    seeds = list(options("--seed"))
    assert {path for path, _ in seeds} >= {"train", "tune", "init", "data split", "data demo"}
    for path, _ in seeds:
        for value in ("-1", str(2**31)):
            refused = CliRunner().invoke(app, [*path.split(), "--seed", value])
            assert refused.exit_code == 2 and "Invalid value for '--seed'" in refused.output, path


def test_every_command_with_an_output_option_is_known() -> None:
    """Each refuses to replace what it did not make: a new one needs a test of that, too."""
    # tests/utils/test_output_files.py, tests/reporting/test_mistakes.py
    files = {"predict", "audit", "errors"}
    folders = {
        "train",
        "export",
        "report",
        "init",
        "data split",
    }  # test_claim, test_bundle, test_report_page, ...
    assert {path for path, _ in options("--out")} == files | folders


SPLIT = ("data", "split", "t.csv", "--out", "new", "--labels")


@pytest.mark.parametrize(
    ("option", "command"),
    [
        ("--seed", (*SPLIT, "kind", "--seed", "-1")),
        ("--seed", (*SPLIT, "kind", "--seed", "2147483648")),
        ("--seed", ("init", "t.csv", "--seed", "-3")),
        ("--seed", ("data", "demo", "new", "--seed", "-1")),
        ("--labels", (*SPLIT, " , ,")),
        ("--labels", (*SPLIT, "")),
        ("--group", (*SPLIT, "kind", "--group", "")),
        ("--image", (*SPLIT, "kind", "--image", " ")),
        ("--labels", ("init", "t.csv", "--labels", ",")),
        ("--group", ("init", "t.csv", "--group", "")),
        ("--text", ("init", "t.csv", "--text", " ")),
        ("--image", ("init", "t.csv", "--image", "")),
        ("--gpus", ("confirm", "study", "--gpus", ",")),
        ("--gpus", ("confirm", "study", "--gpus", "cpu,,cpu")),
        ("--gpus", ("tune", "--config", "t.csv", "--gpus", "cpu,")),
        ("--gpu", ("confirm", "study", "--gpu", "")),
        ("--subgroup-columns", ("confirm", "study", "--subgroup-columns", " ,")),
        ("--gpu", ("tune", "--config", "t.csv", "--gpu", "")),
        ("--gpus", ("tune", "--config", "t.csv", "--gpus", " ")),
        ("sources: ' '", ("compare", "t.csv", " ")),
    ],
)
def test_a_value_that_means_nothing_is_refused(
    distune: Command, option: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    code, _, said = distune(*command)
    assert code == 2 and option in said
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_an_empty_text_says_nothing_and_is_no_mistake(distune: Command) -> None:
    """The only blank value that means something; what is wrong here is the run, which is not there."""
    _, _, said = distune("predict", "nowhere", "--text", "")
    assert "names nothing" not in said and "nowhere" in said


IGNORED = {  # by the command: which of its options would have no effect
    ("predict", "run", "--text", "x", "--out", "o.csv"): "--out",
    ("predict", "run", "--text", "x", "--data-root", "."): "--data-root",
    ("predict", "run", "--text", "x", "--overwrite"): "--overwrite",
    ("audit", "t.yaml", "--overwrite"): "--overwrite",
    ("report", "study", "--direction", "minimize"): "--direction",
    ("tune", "--config", "t.yaml", "--gpu", "cpu", "--gpus", "cpu,cpu"): "--gpu",
    ("confirm", "study", "--gpu", "cpu", "--gpus", "cpu"): "--gpu",
    ("confirm", "study", "--gpu", "cpu", "--set", "training.device=cpu"): "training.device",
    ("tune", "--config", "t.yaml", "--gpu", "cpu", "--set", "training.device=cpu"): "training.device",
    ("tune", "--config", "t.yaml", "--executor", "local", "--ray-address", "local"): "ray_address",
    ("tune", "--config", "t.yaml", "--teacher-epochs", "2", "--set", "teacher.epochs=3"): "teacher.epochs",
    ("tune", "--config", "t.yaml", "--student-epochs", "2", "--set", "student.epochs=3"): "student.epochs",
    (
        "tune",
        "--config",
        "t.yaml",
        "--executor",
        "local",
        "--set",
        "study.ray_address=local",
    ): "ray_address: ",
    (
        "tune",
        "--config",
        "t.yaml",
        "--executor",
        "local",
        "--set",
        "study.gpus_per_trial=1",
    ): "gpus_per_trial: ",
    ("tune", "--config", "t.yaml", "--executor", "ray", "--set", "study.gpus=[cpu]"): "Ray itself",
    ("confirm", "study", "--ray-address", "local"): "ray_address",
    ("confirm", "study", "--gpus-per-trial", "0.5"): "gpus_per_trial",
    ("confirm", "study", "--executor", "ray", "--gpu", "cpu"): "--gpu",
    ("confirm", "study", "--data-root", ".", "--set", "data.root=x"): "data.root",
    ("train", "t.yaml", "--set", "study.n_trials=3"): "study.n_trials",
    ("train", "t.yaml", "--set", "search_space={}"): "search_space",
    ("audit", "t.yaml", "--set", "study.folds=3"): "study.folds",
    ("audit", "t.yaml", "--set", "student.lr=1e-3"): "student.lr",
    (
        "tune",
        "--config",
        "t.yaml",
        "--set",
        "study.gpus=[cpu]",
        "--set",
        "training.device=cpu",
    ): "training.device",
    ("train", "t.yaml", "--set", "distillation.loss=none", "--teacher-epochs", "1"): "--teacher-epochs",
    ("train", "t.yaml", "--seed", "1", "--set", "seed=2"): "seed",
    ("train", "t.yaml", "--set", "seed=1", "--set", "seed=2"): "seed",
    ("train", "t.yaml", "--set", "data={root: x}", "--data-root", "y"): "data",
    ("export", "run", "--out", "b", "--max-score-drop", "0.5"): "--max-score-drop",
    ("export", "run", "--out", "b", "--max-score-drop", "0"): "--max-score-drop",
    ("export", "run", "--out", "b", "--max-score-drop", "0.5", "--quantize", "none"): "--max-score-drop",
    ("predict", "run", "--text", "x", "--storage", "sqlite:///x.db"): "storage",
    ("export", "run", "--storage", "sqlite:///x.db"): "storage",
}


@pytest.mark.parametrize("command", IGNORED)
def test_an_option_without_effect_is_refused(
    distune: Command, command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_text("{}")
    (tmp_path / "t.yaml").write_text("{}\n")
    code, _, said = distune(*command)
    assert code == 2 and IGNORED[command] in said
    assert "there is no such" not in said


TYPED = {
    ("train", "t.yaml", "--out", "a", "--out", "b"): "--out",
    ("train", "t.yaml", "--test", "--no-test"): "--test",
    ("train", "t.yaml", "--out", "--test"): "--out",
    ("train", "t.yaml", "--out", "--"): "--out",
    ("train", "t.yaml", "--out", ""): "--out",
    ("train", " "): "config",
    ("check", "t.yaml", "--data-root", " "): "--data-root",
    ("predict", ""): "source",
    ("init", "t.csv", "--out=~no-such-user-here/x"): "~no-such-user-here/x: there is no such user",
    ("init", "t.csv", "--out", "s3://bucket/x"): "s3:/bucket/x: is a URL",
    ("data", "demo", "gs://bucket"): "gs:/bucket: is a URL",
    ("evaluate", "run", "--data-root", ".", "--csv=~no-such-user-here/t.csv"): "~no-such-user-here/t.csv: ",
    ("init", "--", "--out"): "--out: there is no",
    ("data", "demo", ""): "out",
    ("cache", "clear", "--kind", ""): "--kind",
    ("tune", "--config", "t.yaml", "--plugin", ""): "--plugin",
}


@pytest.mark.parametrize("command", TYPED)
def test_what_a_parser_would_pass_over_is_refused(
    distune: Command, command: tuple[str, ...], tmp_path: Path
) -> None:
    code, _, said = distune(*command)
    assert code == 2 and said.startswith(f"error: {TYPED[command]}")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("twice", [("--group", "case"), ("--group=case",), ("--seed", "1")])
def test_an_option_may_say_the_same_twice(distune: Command, twice: tuple[str, ...]) -> None:
    given = (*SPLIT, "kind", "--group", "case", "--seed=1")
    assert distune(*given, *twice)[0] == 0


def test_an_option_is_a_value_where_it_is_written_as_one(distune: Command) -> None:
    assert distune("data", "split", "t.csv", "--labels=kind", "--out=--seed", "--group", "case")[0] == 0
    assert Path("--seed/metadata_train.csv").is_file()


@pytest.mark.slow
def test_a_path_may_begin_at_home(distune: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    assert distune(*SPLIT[:3], "--out=~/new", "--labels", "kind")[0] == 0
    assert (tmp_path / "home" / "new" / "metadata_train.csv").is_file()


@pytest.mark.parametrize("place", [0, 1])
def test_an_argument_in_another_encoding_is_refused_wherever_it_stands(place: int) -> None:
    arguments = ["train", "c.yaml"]
    check_unicode(arguments)
    arguments[place] = "caf\udce9.yaml"
    with pytest.raises(UserError, match="argument"):
        check_unicode(arguments)


def test_every_command_is_strict() -> None:
    assert all(isinstance(command, StrictCommand) for _, command in commands())


@pytest.mark.parametrize(
    "command", [("check", "\udcff.yaml"), (*SPLIT, "\udc80"), ("train", "t.yaml", "--set", "name=\ud800")]
)
def test_an_argument_that_is_no_text_is_refused(distune: Command, command: tuple[str, ...]) -> None:
    code, _, said = distune(*command)
    assert code == 2 and "Unicode" in said


def test_python_refuses_such_seeds_and_no_labels_too(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    with pytest.raises(UserError, match="seed -1"):
        split_csv(table, out, label_columns=["kind"], seed=-1)
    with pytest.raises(UserError, match="seed -1"):
        prepare(table, out, Wishes(labels=("kind",)), seed=-1)
    with pytest.raises(UserError, match="seed -1"):
        write_demo(out, -1)
    for labels in ([], ["kind", "kind"]):
        with pytest.raises(UserError, match="label"):
            split_csv(table, out, label_columns=labels)
    with pytest.raises(UserError, match="label"):
        prepare(table, out, Wishes(labels=("kind", "kind")))
    assert not out.exists()

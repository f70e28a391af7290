"""Values of options that mean nothing are refused before any work, with exit code 2 and the option's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup, TyperOption
from typer.testing import CliRunner

from distune.cli import app
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


def options(name: str) -> Iterator[tuple[str, TyperOption]]:
    """Every option of that name, with its command."""
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop()
        if isinstance(command, TyperGroup):
            waiting += [(f"{path} {child}".strip(), each) for child, each in command.commands.items()]
        for option in command.params:
            if isinstance(option, TyperOption) and name in option.opts:
                yield path, option


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
        ("--gpu", ("confirm", "study", "--gpu", "")),
        ("--subgroup-columns", ("confirm", "study", "--subgroup-columns", " ,")),
        ("--gpu", ("tune", "--config", "t.csv", "--gpu", "")),
        ("--gpus", ("tune", "--config", "t.csv", "--gpus", " ")),
    ],
)
def test_a_value_that_means_nothing_is_refused(
    distune: Command, option: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    code, _, said = distune(*command)
    assert code == 2 and option in said
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


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

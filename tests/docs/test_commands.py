"""Commands and Python blocks of the pages are run; commands that need something special are at least known."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from distune.cli import app
from distune.config import load_config
from distune.data.demo.demo import write_demo
from distune.data.demo.wounds import write_wound_demo

from .pages import ROOT, Block, blocks

SMALL = {"--n-trials": "2", "--seeds": "2", "--workers": "1", "--top": "1"}
"""What is made small, so that a page runs in seconds."""


OWN_TABLE = "with your own metadata.csv"
NEEDS_LOSS = "needs cosine_loss.py on PYTHONPATH"
SUPPLIED = {NEEDS_LOSS, "needs the extra export", "predict.py, needs a bundle"}
"""What the test has that a reader may lack."""

NUMBER = re.compile(r"\d+(?:[._:]\d+)*")
STUDY = re.compile(r"(^study +|logs/optuna/)[\w-]+")


def label(block: Block) -> str:
    return f"{block.page}: {block.code.splitlines()[0][:50]}"


def recipe(target: str) -> list[str]:
    """The last command of a target of the Makefile, the one whose output it ends with."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found, target
    return found[1].splitlines()[-1].replace("$(BIN)/", "").split()


def as_distune(words: list[str]) -> list[str] | None:
    """The arguments of `distune` in a command, where it is one."""
    if words == ["make", "demo"]:
        words = recipe("demo")
    starts = {"distune": [], "experiments/run.py": ["train"], "tools/run_optuna_tuning.py": ["tune"]}
    command = words[1:] if words[0] == "python" else words
    return [*starts[command[0]], *command[1:]] if command and command[0] in starts else None


def known(args: list[str]) -> Any:
    """Reads arguments as the command line does, and runs nothing."""
    command: Any = get_command(app)
    while hasattr(command, "commands") and args and args[0] in command.commands:
        command, args = command.commands[args[0]], args[1:]
    return command.make_context("distune", list(args))


@pytest.mark.parametrize("block", blocks("bash"), ids=label)
def test_every_command_is_known(block: Block) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in block.commands():
        args = as_distune(words)
        if args is not None and args != ["--version"]:
            known(args)
        elif words[0] == "make":
            assert set(words[1:]) <= targets
        elif args is None:
            assert words[0] in {"pip", "python3", "source", ".venv/bin/python", "python", "docker", "curl"}, (
                words
            )


@pytest.mark.parametrize("block", blocks("yaml"), ids=label)
def test_every_part_of_a_config_is_one(block: Block) -> None:
    assert load_config(ROOT / "config/wound.yaml", dict(flat(block.code)))


def flat(text: str) -> Iterator[tuple[str, Any]]:
    """The values of a config's part by dotted key; what is looked for in `search_space` is one value."""
    for section, values in yaml.safe_load(text).items():
        if isinstance(values, dict):
            yield from ((f"{section}.{key}", value) for key, value in values.items())
        else:
            yield section, values


def small(words: list[str]) -> list[str]:
    """The same command with few trials and seeds, which a confirmation has several of by itself."""
    asked = [SMALL.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    is_small = words[:1] != ["confirm"] or "--seeds" in words
    return asked if is_small else [*asked, "--seeds", "2", "--top", "1"]


def shape(line: str) -> str:
    """A printed line without its numbers, and without the name that a study is given."""
    return " ".join(NUMBER.sub("0", STUDY.sub(r"\1STUDY", line)).split())


def assert_printed(block: Block, output: str) -> None:
    """Every line that a page shows is printed, in this order and but for its numbers; `...` leaves some out."""
    printed = iter([shape(line) for line in output.splitlines()])
    for line in block.code.splitlines():
        assert line.strip() == "..." or shape(line) in printed, (block.page, line, output)


def with_one_epoch(text: str) -> str:
    return re.sub(r"epochs: \d+", "epochs: 1", text)


def tiny(text: str) -> str:
    """The config with encoders that train from nothing in no time."""
    for part in ("vision", "text"):
        text = re.sub(
            rf"{part}: {{name: [^}}]*}}", f"{part}: tiny-{'cnn' if part == 'vision' else 'text'}", text
        )
    return with_one_epoch(text).replace("data:\n", "data:\n  image_size: 32\n")


def run_block(block: Block, printed: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    """Runs the commands of a block that were not run yet; the last one's arguments."""
    args: tuple[str, ...] = ()
    for words in block.commands():
        command = small(as_distune(words) or [])
        if not command:
            continue
        args = tuple(" ".join(command).replace(" --study-name demo", "").split())
        if args not in printed:
            result = CliRunner().invoke(app, command, catch_exceptions=False)
            assert result.exit_code == 0, (block.page, words, result.output)
            printed[args] = result.output
            for config in Path().glob("*/config.yaml") if command[0] == "init" else ():
                config.write_text(tiny(config.read_text()))
    return args


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_pages_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins_forgotten: None, in_this_process: None
) -> None:
    """All pages in the order of the site, in one folder, with little data, one epoch and two trials.

    A block with the title "output" is what the command before it prints.
    """
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "config", "config")
    demo = Path("config/demo.yaml")
    demo.write_text(with_one_epoch(demo.read_text()))
    write_demo(Path("data/demo"), seed=42, examples=80)
    write_demo(Path("data/elsewhere"), seed=7, examples=80)
    write_wound_demo(Path("data/photos"), seed=42, examples=90)
    shutil.copy(next(Path("data/demo").rglob("*.png")), "scan.png")
    made = ("data/demo", "data/elsewhere --seed 7", "data/photos --kind wound")
    printed = {("data", "demo", *which.split()): "" for which in made}
    args: tuple[str, ...] = ()
    for block in blocks("bash", "yaml", "text", "python"):
        if block.title == "output":
            assert_printed(block, printed[args])
        elif block.language in ("yaml", "text") and block.title:
            Path(block.title).write_text(with_one_epoch(block.code))
        elif block.language == "python" and (block.is_run or block.title in SUPPLIED):
            exec(compile(block.code, block.page, "exec"), {"__name__": "page"})
        elif block.language == "bash" and (block.is_run or block.title in SUPPLIED):
            if block.title == NEEDS_LOSS:
                write_plugin(tmp_path / "plugins")
                monkeypatch.syspath_prepend(tmp_path / "plugins")
            args = run_block(block, printed) or args


def write_plugin(folder: Path) -> None:
    """The modules that the pages about plugins show."""
    folder.mkdir(exist_ok=True)
    for block in blocks("python"):
        if block.title.endswith(".py"):
            (folder / block.title).write_text(block.code)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_pages_can_be_followed_with_a_table_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    write_wound_demo(tmp_path, seed=42, examples=90)
    rows = []
    for file in sorted(tmp_path.glob("metadata_*.csv")):
        rows += list(csv.DictReader(file.open(newline="")))
        file.unlink()
    with (tmp_path / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, [*rows[0], "patient"])
        writer.writeheader()
        writer.writerows({**row, "patient": f"P{number // 2}"} for number, row in enumerate(rows))
    shutil.copy(tmp_path / rows[0]["file_path"], tmp_path / "scan.png")
    monkeypatch.chdir(tmp_path)
    found = [block for block in blocks("bash") if block.title == OWN_TABLE]
    assert len(found) == 3
    for block in found:
        run_block(block, {})


@pytest.mark.slow
def test_the_loss_of_the_guide_keeps_the_contract(tmp_path: Path) -> None:
    write_plugin(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_cosine_loss.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout

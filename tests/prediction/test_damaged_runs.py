"""A run folder that was cut, overwritten or put together from others is refused with the name of the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import read_confusions, read_curves
from distune.analysis.side_by_side import side_by_side
from distune.config import load_config
from distune.deployment.export import default_folder
from distune.errors import UserError
from distune.prediction.load import load
from distune.reporting.mistakes import write_mistakes

WEIGHTS, RESULTS, CONFIG = "student.safetensors", "results.json", "config.yaml"
PREDICTIONS = "predictions_dev.csv"


def _content(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(len(whole) * share)])

    return change


def _saved(
    values: Any = None, tensors: Callable[[dict[str, torch.Tensor]], object] = lambda tensors: None
) -> Callable[[Path], None]:
    """Writes the weights again: with other values beside them, or other tensors."""

    def change(folder: Path) -> None:
        held = load_file(folder / WEIGHTS)
        tensors(held)
        tasks = [
            {"name": "modality", "classes": ["CT", "MR"]},
            {"name": "location", "classes": list("abcde")},
        ]
        said = json.dumps({"tasks": tasks}) if values is None else values
        save_file(held, folder / WEIGHTS, metadata=None if said == "" else {"values": said})

    return change


def _wider(held: dict[str, torch.Tensor]) -> None:
    name = next(name for name, tensor in held.items() if tensor.ndim == 2)
    held[name] = torch.zeros(3, 5)


def _not_finite(held: dict[str, torch.Tensor]) -> None:
    next(iter(held.values())).view(-1)[0] = float("nan")


def _whole_numbers(held: dict[str, torch.Tensor]) -> None:
    held.update({name: tensor.int() for name, tensor in held.items()})


def _byte(name: str, share: float) -> Callable[[Path], None]:
    """Changes one byte."""

    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[int(len(content) * share)] ^= 1
        (folder / name).write_bytes(content)

    return change


def _replaced(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new, 1))

    return change


def _link_to_nothing(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(folder / "nothing")

    return change


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "weights of nothing": (WEIGHTS, _content(WEIGHTS, b"")),
    "weights that are text": (WEIGHTS, _content(WEIGHTS, b"no weights at all")),
    "weights of zeros": (WEIGHTS, _content(WEIGHTS, bytes(5000))),
    "a header beyond the file": (WEIGHTS, _content(WEIGHTS, b"\xff" * 8 + b"{}")),
    "weights cut in the header": (WEIGHTS, _cut(WEIGHTS, 0.001)),
    "weights cut in the middle": (WEIGHTS, _cut(WEIGHTS, 0.5)),
    "weights without values": (WEIGHTS, _saved("")),
    "weights with values too deep": (WEIGHTS, _saved("[" * 100_000)),
    "weights whose values are a list": (WEIGHTS, _saved("[]")),
    "weights of no tasks": (WEIGHTS, _saved('{"tasks": []}')),
    "weights whose tasks are names": (WEIGHTS, _saved('{"tasks": ["modality"]}')),
    "weights whose tasks are a number": (WEIGHTS, _saved('{"tasks": 1}')),
    "weights whose task has no classes": (WEIGHTS, _saved('{"tasks": [{"name": "modality"}]}')),
    "weights whose task has more": (WEIGHTS, _saved('{"tasks": [{"name": "k", "classes": ["a"], "x": 1}]}')),
    "weights of another task": (WEIGHTS, _saved('{"tasks": [{"name": "k", "classes": ["a", "b"]}]}')),
    "weights of names that are lists": (WEIGHTS, _saved('{"tasks": [{"name": [], "classes": ["a", "b"]}]}')),
    "weights of classes that are numbers": (WEIGHTS, _saved('{"tasks": [{"name": 1, "classes": [1, 2]}]}')),
    "a tensor less": (WEIGHTS, _saved(tensors=lambda held: held.pop(next(iter(held))))),
    "a tensor more": (WEIGHTS, _saved(tensors=lambda held: held.update({"model/x": torch.zeros(1)}))),
    "no tensors of the model": (WEIGHTS, _saved(tensors=lambda held: held.clear())),
    "a tensor of another shape": (WEIGHTS, _saved(tensors=_wider)),
    "results of nothing": (RESULTS, _content(RESULTS, b"")),
    "results without a score": (RESULTS, _content(RESULTS, b"{}")),
    "results in a list": (RESULTS, _content(RESULTS, b"[]")),
    "results too deep": (RESULTS, _content(RESULTS, b"[" * 100_000)),
    "a config that is a list": (CONFIG, _content(CONFIG, b"[]")),
    "a config too deep": (CONFIG, _content(CONFIG, b"[" * 600)),
    "a config of another student": (
        CONFIG,
        lambda folder: (folder / CONFIG).write_text(
            (folder / CONFIG).read_text().replace("head_hidden: ", "head_hidden: 1")
            if "head_hidden: " in (folder / CONFIG).read_text()
            else (folder / CONFIG).read_text().replace("fusion: cross_attention", "fusion: film")
        ),
    ),
    "a weight that was changed": (WEIGHTS, _byte(WEIGHTS, 0.6)),
    "weights that are not finite": (WEIGHTS, _saved(tensors=_not_finite)),
    "weights of another type": (WEIGHTS, _saved(tensors=_whole_numbers)),
    "a label that was changed": (PREDICTIONS, _replaced(PREDICTIONS, b",MR,", b",CT,")),
    "a group that was changed": (PREDICTIONS, _replaced(PREDICTIONS, b",DEMO", b",OTHER")),
    "another window": (CONFIG, _replaced(CONFIG, b"window: null", b"window: [40, 80]")),
    "another score": (RESULTS, _replaced(RESULTS, b'"score": 0.', b'"score": 0.9')),
    "results without their checksum": (RESULTS, _replaced(RESULTS, b'"checksum"', b'"nothing"')),
    "results that are a link to nothing": (RESULTS, _link_to_nothing(RESULTS)),
}
SEEN_WITHOUT_CHECKSUMS = (
    "weights that are not finite",
    "weights of another type",
    "weights of names that are lists",
)


@pytest.fixture(scope="module")
def small(trained_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run that its readers need."""
    folder = tmp_path_factory.mktemp("small") / "run"
    shutil.copytree(trained_run(), folder, ignore=shutil.ignore_patterns("*.onnx", "predictions_test*"))
    return folder


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run_is_refused_with_the_name_of_the_file(small: Path, tmp_path: Path, case: str) -> None:
    folder = shutil.copytree(small, tmp_path / "damaged")
    name, damage = DAMAGE[case]
    damage(folder)
    with pytest.raises(UserError, match=name) as refused:
        load(folder, device="cpu")
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("case", SEEN_WITHOUT_CHECKSUMS)
def test_weights_of_an_earlier_version_that_say_nothing_are_refused(
    small: Path, tmp_path: Path, case: str
) -> None:
    folder = shutil.copytree(small, tmp_path / "damaged")
    results = json.loads((folder / RESULTS).read_text())
    del results["files"], results["checksum"]
    (folder / RESULTS).write_text(json.dumps(results))
    assert load(folder, device="cpu").tasks
    DAMAGE[case][1](folder)
    with pytest.raises(UserError, match=WEIGHTS):
        load(folder, device="cpu")


@pytest.mark.parametrize("case", [case for case, (name, _) in DAMAGE.items() if name == RESULTS])
def test_damaged_results_count_the_same_for_every_command(
    small: Path, tmp_path: Path, case: str, distune: Callable[..., tuple[int, str, str]]
) -> None:
    folder = shutil.copytree(small, tmp_path / "damaged")
    DAMAGE[case][1](folder)
    before = sorted(path.name for path in folder.iterdir())
    for command in (
        ("predict", folder, "--image", "a.png", "--text", "t"),
        ("compare", folder, small),
        ("train", folder / CONFIG, "--out", folder),
    ):
        code, _, said = distune(*command)
        assert code == 2 and RESULTS in said and "damaged" in said
    assert sorted(path.name for path in folder.iterdir()) == before
    assert isinstance(read_confusions(folder), Unknown)


@pytest.mark.parametrize("command", ["predict", "evaluate", "export"])
def test_every_command_ends_with_one_message(
    small: Path,
    tmp_path: Path,
    command: str,
    distune: Callable[..., tuple[int, str, str]],
) -> None:
    if command == "export":
        pytest.importorskip("onnx")
    folder = shutil.copytree(small, tmp_path / "damaged")
    _cut(WEIGHTS, 0.5)(folder)
    root = load_config(small / CONFIG).data.root
    rest = {
        "predict": ("--image", "a.png", "--text", "t"),
        "evaluate": ("--data-root", root),
        "export": ("--out", tmp_path / "bundle"),
    }[command]
    code, _, said = distune(command, folder, *rest)
    assert code == 2 and WEIGHTS in said and said.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


def test_a_page_of_mistakes_needs_no_weights_and_names_a_damaged_config(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "damaged")
    (folder / WEIGHTS).unlink()
    assert write_mistakes(folder, tmp_path / "page.html").is_file()
    (folder / CONFIG).write_text("[]")
    with pytest.raises(UserError, match=CONFIG):
        write_mistakes(folder, tmp_path / "other.html")


def test_a_learning_curve_that_was_changed_is_not_shown(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "run")
    assert not isinstance(read_curves(folder), Unknown)
    _replaced("metrics.jsonl", b'"dev_score": 0.', b'"dev_score": 0.9')(folder)
    assert isinstance(read_curves(folder), Unknown)


def test_results_that_are_those_of_another_config_are_not_shown(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "run")
    DAMAGE["another window"][1](folder)
    for reads in (
        lambda: side_by_side([str(folder)]),
        lambda: write_mistakes(folder, tmp_path / "page.html"),
        lambda: default_folder(folder),
    ):
        with pytest.raises(UserError, match=CONFIG):
            reads()

"""The student of a run folder is the one that was saved there, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from distune.components import FUSIONS
from distune.config import Config, save_config, with_values
from distune.data.table import Task
from distune.errors import UserError
from distune.models.encoders import build_cache
from distune.training.files.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from distune.training.files.run_folder import CONFIG, WEIGHTS, write_results
from distune.training.student import (
    build_student,
    count_parameters,
    encoder_identities,
    load_student,
    save_student,
)
from distune.utils.seeds import derived_seed

TASKS = (Task("side", ("left", "right")), Task("signs", ("a", "b", "c"), "multi_label", "auroc", 2.0))


@pytest.fixture
def config(tiny_config: Callable[..., Config]) -> Config:
    return tiny_config(data__image_size=32, data__missing="allow", student__vision__freeze=1)


def saved(config: Config, folder: Path) -> Any:
    student = build_student(config, TASKS)
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.requires_grad:
                parameter += 0.5
    save_config(config, folder / CONFIG)
    save_student(folder, student, SimpleNamespace(tasks=TASKS))  # type: ignore[arg-type]
    return student


def test_it_is_loaded_as_it_was_saved(config: Config, tmp_path: Path) -> None:
    student = saved(config, tmp_path)
    write_results(tmp_path, {"score": 1.0})
    found, its_config, tasks = load_student(tmp_path)
    assert (its_config, tasks, found.tasks) == (config, TASKS, TASKS)
    layers = [module for module in found.modules() if not isinstance(module, torch.nn.ModuleList)]
    assert not any(module.training for module in layers)
    ours, theirs = student.state_dict(), found.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_it_is_built_from_the_config(config: Config) -> None:
    student = build_student(config, TASKS)
    assert student.can_miss and student.vision is not None and student.vision.image_size == 32
    torch.manual_seed(derived_seed(config.seed, "student"))
    other = build_student(config, TASKS).heads[0].weight
    assert torch.equal(other, student.heads[0].weight)
    frozen = {name for name, value in student.named_parameters() if not value.requires_grad}
    sizes = {name: value.numel() for name, value in student.named_parameters()}
    assert frozen
    assert count_parameters(student) == {
        "total": sum(sizes.values()),
        "trained": sum(size for name, size in sizes.items() if name not in frozen),
    }


def test_its_encoders_are_kept_where_that_is_asked(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cache, "_kept", build_cache.OrderedDict())
    build_student(config, TASKS)
    assert len(build_cache._kept) == 0
    build_student(config, TASKS, keep_encoders=True)
    assert len(build_cache._kept) == 2


def without(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def cut(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def of_another_seed(folder: Path) -> None:
    """A file that is in order, and not the one that the results vouch for."""
    held = load_checkpoint(folder / WEIGHTS)
    assert held is not None
    changed = {name: tensor + 1 for name, tensor in held.tensors["model"].items()}
    save_checkpoint(folder / WEIGHTS, Checkpoint({"model": changed}, held.values))


def with_tasks(*tasks: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        save_checkpoint(folder / WEIGHTS, Checkpoint({"model": {}}, {"tasks": list(tasks)}))

    return change


def of_a_wider_model(folder: Path) -> None:
    path = folder / CONFIG
    path.write_text(path.read_text().replace("fusion_dim: 8", "fusion_dim: 16"))


@pytest.mark.parametrize(
    ("change", "token"),
    [
        (without, "has no"),
        (cut, "is damaged"),
        (of_another_seed, "was changed"),
        (with_tasks({"name": 7, "classes": ["a", "b"]}), "is damaged"),
        (with_tasks({"name": "t", "classes": ["a", 7]}), "is damaged"),
        (with_tasks({"name": "t"}), "is damaged"),
        (with_tasks({"name": "t", "classes": ["a"], "other": 1}), "is damaged"),
        (of_a_wider_model, "was changed"),
    ],
)
def test_what_is_no_such_student_is_refused(
    config: Config, tmp_path: Path, change: Callable[[Path], None], token: str
) -> None:
    saved(config, tmp_path)
    write_results(tmp_path, {"score": 1.0})
    change(tmp_path)
    with pytest.raises(UserError, match=token):
        load_student(tmp_path)


@pytest.mark.parametrize("change", [of_a_wider_model, with_tasks({"name": "t", "classes": ["a", "b"]})])
def test_weights_of_another_model_are_refused_where_nothing_vouches_for_them(
    config: Config, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    saved(config, tmp_path)
    change(tmp_path)
    with pytest.raises(UserError, match="is not of the model"):
        load_student(tmp_path)


@pytest.mark.parametrize(
    ("recorded", "refused"),
    [
        (None, None),
        ({}, None),
        ({"vision": "as now"}, None),  # an older run said nothing of the text
        ({"vision": "as now", "text": "as now"}, None),
        ({"vision": "as now", "text": "other files"}, "text"),
        ({"vision": "other files"}, "vision"),
    ],
)
def test_its_encoders_are_of_the_files_that_it_was_trained_with(
    config: Config, tmp_path: Path, recorded: dict[str, str] | None, refused: str | None
) -> None:
    now = encoder_identities(config)
    assert now.keys() == {"vision", "text"} and now["vision"].startswith("tiny-cnn|random-")
    saved(config, tmp_path)
    said = {kind: now[kind] if value == "as now" else value for kind, value in (recorded or {}).items()}
    write_results(tmp_path, {"score": 1.0} if recorded is None else {"score": 1.0, "encoders": said})
    if refused is None:
        load_student(tmp_path)
    else:
        with pytest.raises(UserError, match=rf"student\.{refused}: the files of tiny"):
            load_student(tmp_path)


def test_its_fusion_is_of_the_source_that_it_was_trained_with(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUSIONS._sources, config.student.fusion, "then")  # as if a plugin had brought it
    saved(config, tmp_path)
    write_results(tmp_path, {"score": 1.0, "encoders": encoder_identities(config)})
    load_student(tmp_path)
    monkeypatch.setitem(FUSIONS._sources, config.student.fusion, "now")
    with pytest.raises(UserError, match=rf"student\.fusion: the files of {config.student.fusion}"):
        load_student(tmp_path)
    image_alone = with_values(config, {"student.text.name": "none"})
    assert encoder_identities(image_alone).keys() == {"vision"}

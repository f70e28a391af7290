"""A run folder belongs to one config: its own command resumes it, no other replaces it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import distune
from distune.config import Config, save_config
from distune.confirmation.statistics.files import CONDITIONS, SCORED_SPLITS, split_name
from distune.errors import UserError
from distune.training.files import claim
from distune.training.files.claim import LOCK, claimed
from distune.training.files.run_folder import CONFIG, ENVIRONMENT, PREDICTED, RESULTS, remove_run

MakeConfig = Callable[..., Config]


def begun(folder: Path, config: Config, *, finished: bool = False) -> Path:
    folder.mkdir(parents=True)
    (folder / ENVIRONMENT).write_text("{}")
    save_config(config, folder / CONFIG)
    if finished:
        (folder / RESULTS).write_text('{"score": 1}')
    return folder


def test_the_same_command_resumes_its_newest_unfinished_run(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config()
    begun(tmp_path / "tiny_1", config)
    newest = begun(tmp_path / "tiny_2", config)
    begun(tmp_path / "tiny_3", config, finished=True)
    begun(tmp_path / "tiny_4", tiny_config(student__lr=1e-4))
    with claimed(config, None, tmp_path) as folder:
        assert folder == newest


SEARCHED = {"alpha": {"type": "float", "low": 0.1, "high": 0.9}}


def test_where_a_study_searches_and_what_is_kept_is_no_part_of_a_run(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    first = begun(tmp_path / "tiny_1", tiny_config())
    for other in (
        {"study__sampler": "random"},
        {"cache__max_gb": 1.0},
        {"search_space": SEARCHED},
    ):
        with claimed(tiny_config(**other), None, tmp_path) as folder:
            assert folder == first


def test_a_run_in_use_is_left_alone(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config()
    first = begun(tmp_path / "tiny_1", config)
    with claimed(config, first, tmp_path):
        with claimed(config, None, tmp_path) as folder:
            assert folder != first
        with pytest.raises(UserError, match="another process"), claimed(config, first, tmp_path):
            pass


def test_a_run_whose_lock_cannot_be_taken_is_left_alone(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """As in a folder that another user owns."""
    config = tiny_config()
    first = begun(tmp_path / "tiny_1", config)
    (first / LOCK).mkdir()
    with claimed(config, None, tmp_path) as folder:
        assert folder != first


def test_runs_that_start_at_once_have_a_folder_each(tiny_config: MakeConfig, tmp_path: Path) -> None:
    with (
        claimed(tiny_config(seed=1), None, tmp_path) as first,
        claimed(tiny_config(seed=2), None, tmp_path) as second,
        claimed(tiny_config(seed=1), None, tmp_path) as third,
    ):
        assert len({first, second, third}) == 3


@pytest.mark.parametrize(
    ("changed", "finished", "token"),
    [
        ({}, True, "a finished run of this very config"),
        ({"seed": 4}, True, r"a finished run of another config \(seed: 3 there, 4 now\)"),
        ({"seed": 4}, False, r"an unfinished run of another config \(seed: 3 there, 4 now\)"),
    ],
)
def test_a_run_is_replaced_only_on_request(
    changed: dict[str, int], finished: bool, token: str, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    held = begun(tmp_path / "run", tiny_config(), finished=finished)
    before = {path.name: path.read_bytes() for path in held.iterdir()}
    with pytest.raises(UserError, match=token), claimed(tiny_config(**changed), held, tmp_path):
        pass
    assert {path.name: path.read_bytes() for path in held.iterdir()} == before
    mine = {"my notes.txt", "predictions_of mine.csv", "mistakes_seen.html", "checkpoint_old.safetensors"}
    for name in (*mine, ".0a.results.json", "predictions_test.csv", "mistakes_dev.html"):
        (held / name).write_text("notes")
    (held / "figures").mkdir()
    with claimed(tiny_config(**changed), held, tmp_path, overwrite=True) as folder:
        assert before.keys() <= {path.name for path in folder.iterdir()}, (
            "until the new run is known to be possible"
        )
        remove_run(folder)
        assert {path.name for path in folder.iterdir()} == {LOCK, "figures", *mine}


@pytest.mark.parametrize(
    "changed",
    [
        {"data__root": "nowhere"},
        {"training__device": "cuda:7"},
        {"student__vision": {"name": "nowhere/encoder", "pretrained": True}},
        {"teacher__text": {"name": "nowhere/encoder", "pretrained": True}},
        {"student__vision": {"name": "tiny-cnn", "layers": 99}},
        {"teacher__vision": {"name": "tiny-cnn", "layers": 99}},
    ],
    ids=["data", "device", "student", "teacher", "layers of the student", "layers of the teacher"],
)
def test_a_run_is_not_deleted_for_one_that_is_refused(
    changed: dict[str, Any], tiny_config: MakeConfig, tmp_path: Path
) -> None:
    held = begun(tmp_path / "run", tiny_config(), finished=True)
    before = {path.name: path.read_bytes() for path in held.iterdir()}
    with pytest.raises(UserError):
        distune.train(tiny_config(**changed), out=held, overwrite=True)
    (held / LOCK).unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in held.iterdir()} == before


def test_what_a_confirmation_predicts_is_of_a_run() -> None:
    splits = {split_name(split, given) for split in SCORED_SPLITS for given in (None, *CONDITIONS)}
    assert set(PREDICTED) == splits


def test_a_finished_run_without_its_config_is_not_replaced(tiny_config: MakeConfig, tmp_path: Path) -> None:
    held = begun(tmp_path / "run", tiny_config(), finished=True)
    (held / CONFIG).unlink()
    with pytest.raises(UserError, match="a finished run"), claimed(tiny_config(), held, tmp_path):
        pass
    assert (held / RESULTS).exists()


@pytest.mark.parametrize("name", ["thesis.tex", CONFIG, "metadata_train.csv", "folder/file", ".git/HEAD"])
def test_a_folder_of_other_things_is_never_used(tiny_config: MakeConfig, tmp_path: Path, name: str) -> None:
    """Such as that of the config which is trained, and of its tables."""
    held = tmp_path / name
    held.parent.mkdir(exist_ok=True)
    save_config(tiny_config(), held)
    before = held.read_bytes()
    for overwrite in (False, True):
        with (
            pytest.raises(UserError, match="no run"),
            claimed(tiny_config(), tmp_path, tmp_path / "runs", overwrite=overwrite),
        ):
            pass
    assert held.read_bytes() == before


@pytest.mark.parametrize(
    "left",
    [
        [],
        [LOCK],
        [".DS_Store"],
        [LOCK, f".0a.{ENVIRONMENT}"],
        [LOCK, ENVIRONMENT],
        [LOCK, f".0a.{CONFIG}", ENVIRONMENT],
    ],
)
def test_a_run_that_was_killed_in_its_first_moment_begins_again(
    tiny_config: MakeConfig, tmp_path: Path, left: list[str]
) -> None:
    for name in left:
        (tmp_path / name).touch()
    with claimed(tiny_config(), tmp_path, tmp_path / "runs") as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("content", [b"", b"[", b"name: 7\nunknown: 1\n"])
def test_a_damaged_config_is_not_said_to_be_another(
    tiny_config: MakeConfig, tmp_path: Path, content: bytes, finished: bool
) -> None:
    folder = begun(tmp_path / "run", tiny_config(), finished=finished)
    (folder / CONFIG).write_bytes(content)
    with pytest.raises(UserError, match=f"damaged {CONFIG}"), claimed(tiny_config(), folder, tmp_path):
        pass


def test_what_is_wrong_before_anything_is_written_leaves_no_folder(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    for name, is_left in (("mine", True), ("new", False)):
        with pytest.raises(KeyError), claimed(tiny_config(), tmp_path / name, tmp_path):
            raise KeyError
        assert (tmp_path / name).exists() == is_left
    for out in (None, tmp_path / "deep/er/run"):
        with pytest.raises(KeyError), claimed(tiny_config(), out, tmp_path / "logs/runs"):
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_no_part_of_a_run_stays_where_the_run_is_overwritten(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    held = begun(tmp_path / "run", tiny_config(), finished=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    (held / "linked").symlink_to(tmp_path / "mine")
    (held / "own/deeper").mkdir(parents=True)
    with claimed(tiny_config(), held, tmp_path, overwrite=True) as folder:
        remove_run(folder)
        assert sorted(path.name for path in folder.iterdir()) == [LOCK, "linked", "own"]
    assert (tmp_path / "mine/thesis.tex").exists()


def test_a_new_folder_is_named_by_the_config_and_numbered_where_the_name_is_taken(tmp_path: Path) -> None:
    made = [claim._new(tmp_path / "tiny_1") for _ in range(3)]
    assert [folder.name for folder in made] == ["tiny_1", "tiny_1_2", "tiny_1_3"]


@pytest.mark.parametrize("place", ["a file", "a link to nothing"])
def test_no_folder_is_made_where_there_is_none_for_runs(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "a link to nothing").symlink_to(tmp_path / "disk/that/is/not/mounted")
    with pytest.raises(UserError, match="choose another folder"):
        claim._new(tmp_path / place / "tiny_1")


@pytest.mark.parametrize("written", [True, False])
def test_a_folder_stays_where_something_was_written(
    tiny_config: MakeConfig, tmp_path: Path, written: bool
) -> None:
    """Whole: another start must find its lock."""
    with pytest.raises(KeyError), claimed(tiny_config(), tmp_path / "new", tmp_path) as folder:
        if written:
            (folder / ENVIRONMENT).touch()
        raise KeyError
    assert (folder / LOCK).exists() is folder.exists() is written


def test_a_link_in_a_circle_holds_no_damaged_run(tiny_config: MakeConfig, tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to("circle")
    with pytest.raises(UserError, match="link to nothing"), claimed(tiny_config(), circle, tmp_path):
        pass

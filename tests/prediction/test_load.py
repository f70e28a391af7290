from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest

from distune.analysis.records.study_record import StudyRecord
from distune.config import Config, as_dict
from distune.errors import UserError
from distune.prediction.load import _recommended, is_run, load, run_behind, run_of_study
from distune.training.files.run_folder import ENVIRONMENT, WEIGHTS, read_results, write_results
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import open_storage
from distune.utils.files.default_folders import STUDIES


def study_with(folder: Path, config: Config, scores: list[float], **about: Any) -> Path:
    """A study of complete trials with these scores; their run folders are not made."""
    settings = StudySettings(base=config, space=build_space(config), dataset="sha256:0", **about)
    storage = open_storage(f"sqlite:///{folder}.db")
    study = open_study(storage, folder.name, settings)
    for number, score in enumerate(scores):
        trial = optuna.trial.create_trial(
            value=score,
            user_attrs={"overrides": {}, "folder": str(folder / "trials" / f"trial_{number:04d}")},
        )
        study.add_trial(trial)
    storage.remove_session()
    storage.engine.dispose()
    (folder / "trials").mkdir(parents=True)
    return folder


def confirmed(
    name: str, seeds: list[int], asked: list[int] | None = None, study: str = "s"
) -> dict[str, Any]:
    """What is read of a confirmation to find the model that it hands over."""
    contenders = {name: {"seeds": seeds}}
    return {
        "study": study, "recommendation": {"contender": name}, "seeds": asked or seeds, "contenders": contenders,
    }  # fmt: skip


@pytest.fixture
def study(tiny_config: Callable[..., Config], trained_run: Callable[..., Path], tmp_path: Path) -> Path:
    score = (read_results(trained_run()) or {})["score"]
    folder = study_with(tmp_path / "s", tiny_config(), [score - 0.2, score, score - 0.1])
    shutil.copytree(trained_run(), folder / "trials/trial_0001")
    return folder


@pytest.mark.slow
def test_a_study_gives_its_best_trial(study: Path) -> None:
    for source in (study, study.with_suffix(".db"), str(study)):
        assert run_of_study(source) == study / "trials/trial_0001"
    assert load(study).source.endswith("trial_0001")


@pytest.mark.slow
def test_a_confirmed_study_gives_the_first_seed_of_what_is_recommended(
    study: Path, trained_run: Callable[..., Path]
) -> None:
    for contender, seed in (("base", 3), ("base", 5), ("trial_0001", 3)):
        shutil.copytree(trained_run(), study / "confirmation" / contender / f"seed_{seed}")
    (study / "confirmation.json").write_text(json.dumps(confirmed("base", [3, 5])))
    assert load(study).source == str(study / "confirmation/base/seed_3")


@pytest.mark.slow
def test_a_study_by_folds_has_a_model_once_it_is_confirmed(
    tiny_config: Callable[..., Config], trained_run: Callable[..., Path], tmp_path: Path
) -> None:
    study = study_with(tmp_path / "folds", tiny_config(), [0.5], folds=3)
    with pytest.raises(UserError, match=r"distune confirm \S*folds"):
        load(study)
    shutil.copytree(trained_run(), study / "confirmation/trial_0000/seed_3")
    (study / "confirmation.json").write_text(json.dumps(confirmed("trial_0000", [3], study="folds")))
    assert load(study).source.endswith("confirmation/trial_0000/seed_3")


@pytest.mark.slow
def test_studies_without_a_model_say_what_to_do(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    config = tiny_config()
    assert as_dict(config)["data"]["fold"] is None
    with pytest.raises(UserError, match=r"3 folds.*distune confirm \S*folds"):
        run_of_study(study_with(tmp_path / "folds", config, [0.5], folds=3))
    with pytest.raises(UserError, match="no trial is complete"):
        run_of_study(study_with(tmp_path / "empty", config, []))
    with pytest.raises(UserError, match="no weights"):
        run_of_study(study_with(tmp_path / "cleaned", config, [0.5]))
    with pytest.raises(UserError, match="no such run or study"):
        run_of_study(tmp_path / "nothing")


@pytest.mark.slow
def test_which_run_stands_for_a_study(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    folder = study_with(tmp_path / "s", tiny_config(), [0.2, 0.7, 0.4])
    for source in (folder, folder.with_suffix(".db")):
        with pytest.raises(UserError, match="best trial, 1, has no weights"):
            run_behind(source)
    best, runs = folder / "trials/trial_0001", folder / "confirmation" / "base"
    for run in (best, runs / "seed_8", runs / "seed_5"):
        run.mkdir(parents=True)
    (best / WEIGHTS).touch()
    assert run_behind(folder) == run_behind(folder.with_suffix(".db")) == run_behind(best) == best
    for storage in ("sqlite:///s.db", ""):
        with pytest.raises(UserError, match="storage: "):
            run_behind(best, storage)
    for score, is_own in ((0.6, False), (0.7, True)):  # a database beside the folder of another study
        write_results(best, {"score": score})
        with nullcontext() if is_own else pytest.raises(UserError, match="its score is not"):
            assert run_behind(folder) == best
    # Seed 9 failed. The numbers are of the first seed that finished, so no other takes its place.
    (folder / "confirmation.json").write_text(json.dumps(confirmed("base", [8, 5], asked=[9, 8, 5])))
    (runs / "seed_5" / WEIGHTS).touch()
    with pytest.raises(UserError, match=r"seed_8: .*distune confirm"):
        run_behind(folder)
    (runs / "seed_8" / WEIGHTS).touch()
    assert run_behind(folder) == runs / "seed_8"
    of_another = confirmed("base", [8, 5], study="z") | {"data_fingerprint": "y"}
    (folder / "confirmation.json").write_text(json.dumps(of_another))
    with pytest.raises(UserError, match="made for study z, not for s"):
        run_behind(folder)
    (folder / "confirmation.json").write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        run_behind(folder)


@pytest.mark.slow
def test_the_run_of_a_study_in_another_database(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    STUDIES.mkdir(parents=True)
    folder = study_with(tmp_path / STUDIES / "t", tiny_config(), [0.7])
    folder.with_suffix(".db").rename(tmp_path / "elsewhere.db")
    run = folder / "trials/trial_0000"
    run.mkdir(parents=True)
    (run / WEIGHTS).touch()
    assert run_behind("t", f"sqlite:///{tmp_path}/elsewhere.db").resolve() == run.resolve()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '{"recommendation": 3}',
        '{"recommendation": {"contender": "a"}, "contenders": {"a": {"seeds": []}}}',
        '{"recommendation": {"contender": "a"}, "contenders": {"a": {"seeds": ["x"]}}}',
        '{"recommendation": {"contender": "a"}, "contenders": {"a": {"seeds": [1]}, "b": 3}}',
    ],
)
def test_a_damaged_confirmation_names_no_student(tmp_path: Path, content: str) -> None:
    (tmp_path / "confirmation.json").write_text(content)
    with pytest.raises(UserError, match="damaged"):
        _recommended(StudyRecord("s", "maximize", (), {}, "study"), tmp_path)


def test_a_confirmation_hands_over_the_run_of_its_first_seed(tmp_path: Path) -> None:
    study = StudyRecord("s", "maximize", (), {}, "study", data_fingerprint="x")
    for seed in (8, 5):
        (tmp_path / f"confirmation/base/seed_{seed}").mkdir(parents=True)
        (tmp_path / f"confirmation/base/seed_{seed}" / WEIGHTS).touch()
    (tmp_path / "confirmation.json").write_text(json.dumps(confirmed("base", [8, 5])))
    assert _recommended(study, tmp_path) == tmp_path / "confirmation/base/seed_8"
    other = confirmed("base", [8, 5], study="z") | {"data_fingerprint": "y"}
    (tmp_path / "confirmation.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match="study z"):
        _recommended(study, tmp_path)


def test_a_confirmation_is_not_damaged_where_no_file_can_be_opened_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("distune.prediction.load.read_sealed", no_more)
    with pytest.raises(OSError, match="Too many"):
        _recommended(StudyRecord("s", "maximize", (), {}, "study"), tmp_path)


def test_a_run_folder_is_taken_before_a_study_of_its_name_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s").mkdir()
    Path("s/environment.json").write_text("{}")
    assert run_behind("s") == Path("s") and not caplog.records
    STUDIES.mkdir(parents=True)
    (STUDIES / "s.db").touch()
    assert run_behind("s") == Path("s") and str(STUDIES / "s") in caplog.text
    caplog.clear()
    assert run_behind(tmp_path / "s") == tmp_path / "s" and not caplog.records


@pytest.mark.parametrize(
    ("files", "expected"),
    [((), False), ((ENVIRONMENT,), True), ((WEIGHTS,), True), (("config.yaml",), False)],
)
def test_a_run_is_known_by_what_no_other_folder_holds(
    files: tuple[str, ...], expected: bool, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert is_run(tmp_path) == expected

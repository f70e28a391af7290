"""A study keeps the commits of all its encoders: every later process uses them, wherever `main` is by then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml
from huggingface_hub import constants

from distune.config import Config, SearchParameter, with_values
from distune.errors import UserError
from distune.models.encoders.catalogue import CATALOGUE
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.request import TuneRequest
from distune.tuning.space.build import build_space
from distune.tuning.space.groups import STUDENT_TEXT, STUDENT_VISION, backbone_group
from distune.tuning.study.hub_commits import with_study_commits
from distune.tuning.study.names import commits_so_far
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import COMMITS, StudySettings
from distune.tuning.study.storage import default_url, open_storage
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.tune import _dataset

from .server import HubServer

pytestmark = pytest.mark.slow

TEACHER = ("vit-base", "bio-clinical-bert")
FEW = ("deit-small", "bert-mini", "mobilevit-xx-small")


def study_of(base: Config, groups: dict[str, SearchParameter]) -> StudySettings:
    return StudySettings(base, build_space(base, groups=groups), "sha256:0")


@pytest.fixture
def everything(tiny_config: Callable[..., Config]) -> StudySettings:
    """The classic study with `--tune-backbones`."""
    names = {"teacher.vision": TEACHER[0], "teacher.text": TEACHER[1], "student.vision": "deit-small"}
    values = {f"{place}.name": name for place, name in {**names, "student.text": "distilbert"}.items()}
    base = tiny_config(**values, **{"data.image_size": 32})
    return study_of(base, backbone_group(base))


@pytest.fixture
def question(tiny_config: Callable[..., Config]) -> StudySettings:
    """One that can draw few encoders: the others behave alike, and each takes its time."""
    names = dict(zip(("vision", "text"), FEW[:2], strict=True))
    values = {f"{role}.{kind}.name": name for role in ("teacher", "student") for kind, name in names.items()}
    vision = SearchParameter(type="categorical", choices=(FEW[0], FEW[2]))
    return study_of(tiny_config(**values, **{"data.image_size": 32}), {"student_vision": vision})


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def settled(study: optuna.Study, question: StudySettings) -> StudySettings:
    return with_study_commits(study, [question], StorageRetry(), lambda: 0)[0]


def test_every_encoder_that_can_be_drawn_is_fetched_before_the_first_trial(
    hub: HubServer, study: optuna.Study, everything: StudySettings
) -> None:
    found = settled(study, everything)
    drawn = {*TEACHER, *STUDENT_VISION, *STUDENT_TEXT}
    commits = {name: hub.commits(CATALOGUE[name].location)[0] for name in drawn}
    assert study.user_attrs[COMMITS] == found.commits == commits
    hub.die()
    assert settled(study, everything) == found and not hub.requests


def test_an_emptied_cache_is_filled_with_the_commits_of_the_study(
    hub: HubServer,
    study: optuna.Study,
    question: StudySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = settled(study, question).commits
    hub.moved.update({CATALOGUE[name].location: 1 for name in FEW})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "other host"))
    assert settled(study, question).commits == before
    assert settled(optuna.create_study(), question).commits == before, "what is cached stays"


def test_a_trial_names_the_commits_of_what_it_drew(
    hub: HubServer, study: optuna.Study, question: StudySettings
) -> None:
    question = settled(study, question)
    config = JointProposals(question).config({"student.vision.name": "mobilevit-xx-small"})
    found = {(r, k): config[r][k]["revision"] for r in ("teacher", "student") for k in ("vision", "text")}
    names = (*FEW[:2], "mobilevit-xx-small", "bert-mini")
    assert list(found.values()) == [hub.commits(CATALOGUE[name].location)[0] for name in names]


def test_an_own_revision_belongs_to_its_model_alone(
    hub: HubServer, study: optuna.Study, question: StudySettings, tiny_config: Callable[..., Config]
) -> None:
    hub.moved[CATALOGUE["deit-small"].location] = 1
    old = hub.commits(CATALOGUE["deit-small"].location)[0]
    raw = question.base.model_dump(mode="json")
    raw["student"]["vision"]["revision"] = old
    asked = StudySettings(Config.model_validate(raw), question.space, "sha256:0")
    commits = settled(study, asked).commits
    assert commits[f"deit-small@{old}"] == old
    other = "mobilevit-xx-small"  # for the same place
    assert commits[other] == hub.commits(CATALOGUE[other].location)[0]


def test_one_that_cannot_be_built_ends_the_study_before_its_first_trial(
    hub: HubServer, study: optuna.Study, question: StudySettings, tmp_path: Path, published: Path
) -> None:
    import shutil

    shutil.copytree(published, tmp_path / "published")
    hub.root = tmp_path / "published"
    config = hub.root / CATALOGUE["mobilevit-xx-small"].location / "config.json"
    config.write_text(yaml.safe_dump({"model_type": "no-such-model"}))
    with pytest.raises(UserError, match="mobilevit-xx-small"):
        settled(study, question)


def test_a_study_that_is_resumed_is_checked_at_its_commits(
    hub: HubServer,
    question: StudySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also on another host, whose cache is empty, after `main` has moved."""
    name = f"{question.base.name}_tuning_20261126_000000"
    study = open_study(open_storage(default_url(tmp_path / "logs", name)), name, question)
    commits = settled(study, question).commits
    hub.moved.update({CATALOGUE[name].location: 1 for name in FEW})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "other host"))
    request = TuneRequest(question.base, logs=tmp_path / "logs")
    hub.requests.clear()
    _dataset(request, question.base)
    asked = {line.split("?")[0] for line in hub.requests if "/api/models/" in line}
    models = {CATALOGUE[name].location: commits[name] for name in FEW[:2]}
    assert asked == {f"GET /api/models/{name}/revision/{commit}" for name, commit in models.items()}
    other = with_values(question.base, {"student.epochs": 9})
    assert commits_so_far(tmp_path / "logs", None, None, other) == {}
    assert commits_so_far(tmp_path / "logs", None, name, other) == commits

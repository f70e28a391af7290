"""The encoders that a study can draw, and who says their commits where several coordinators look at once."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from study_helpers import base_config, settings_of

from distune.models.encoders import inspection
from distune.models.encoders.hub import revisions
from distune.tuning.space.without_effect import Ignored
from distune.tuning.study import hub_commits
from distune.tuning.study.hub_commits import drawn_encoders, with_study_commits
from distune.tuning.study.settings import COMMITS, StudySettings
from distune.tuning.study.storage_retry import StorageRetry

MODELS = {"teacher.vision.name": "vit-base", "teacher.text.name": "bio-clinical-bert",
          "student.vision.name": "deit-tiny", "student.vision.revision": "v1", "student.text.name": "none"}  # fmt: skip


def question(**values: Any) -> StudySettings:
    choice = {"type": "categorical", "choices": ["deit-tiny", "deit-small"]}
    keys = {key.replace(".", "__"): value for key, value in MODELS.items()}
    return settings_of(base_config(**{**keys, "search_space": {"student_vision": choice}, **values}))


def test_a_revision_belongs_to_the_model_that_it_was_given_with() -> None:
    found = [(place, each.name, each.revision) for place, each in drawn_encoders(question())]
    assert found == [
        (("teacher", "vision"), "vit-base", None),
        (("teacher", "text"), "bio-clinical-bert", None),
        (("student", "vision"), "deit-tiny", "v1"),
        (("student", "vision"), "deit-small", None),
    ]


def test_weights_that_no_trial_starts_from_are_not_fetched() -> None:
    found = drawn_encoders(question(student__vision__pretrained=False))
    assert {each.name: each.pretrained for _, each in found} == {
        "vit-base": True, "bio-clinical-bert": True, "deit-tiny": False, "deit-small": False,
    }  # fmt: skip


def test_a_revision_that_is_searched_is_fetched_with_the_model_it_is_of() -> None:
    choices = {"type": "categorical", "choices": ["v1", "v2"], "key": "student.vision.revision"}
    found = drawn_encoders(question(search_space={"version": choices}))
    assert [each.revision for place, each in found if place == ("student", "vision")] == ["v1", "v2"]


@pytest.mark.parametrize("base", ["none", "deit-tiny"])
def test_none_is_no_encoder_to_fetch_and_what_can_be_drawn_in_its_place_is(base: str) -> None:
    choice = {"type": "categorical", "choices": ["none", "deit-tiny", "deit-small"]}
    asked = question(student__vision=base, student__text="tiny-text", search_space={"student_vision": choice})
    drawn = [each.name for place, each in drawn_encoders(asked) if place == ("student", "vision")]
    assert sorted(drawn) == ["deit-small", "deit-tiny"]


class Hub:
    """Gives each model the commit that it has just now, and notes what was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.fetched: list[tuple[str, str | None]] = []
        self.inspected: list[tuple[str, str | None, str, int]] = []
        self.now, self.stops = "new", 0
        monkeypatch.setattr(revisions, "fetch_encoders", self._fetch)
        monkeypatch.setattr(inspection, "inspect_encoder", self._inspect)

    def _fetch(self, wanted: list[Any], retry: Any) -> dict[Any, str]:
        ((encoder, kind),) = wanted
        self.stops = retry.interrupted()
        if encoder.is_absent:
            return {}
        self.fetched.append((encoder.name, encoder.revision))
        return {(encoder, kind): encoder.revision or self.now}

    def _inspect(self, encoder: Any, kind: str, size: int) -> None:
        self.inspected.append((encoder.name, encoder.revision, kind, size))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(monkeypatch)


def settled(study: optuna.Study, *questions: StudySettings) -> list[StudySettings]:
    return with_study_commits(study, questions, StorageRetry(), lambda: 0)


def test_a_study_keeps_the_commits_that_it_was_begun_with(hub: Hub) -> None:
    study, asked = optuna.create_study(), question(data__image_size=64)
    (found,) = settled(study, asked)
    assert found.commits == study.user_attrs[COMMITS] == {
        "vit-base": "new", "bio-clinical-bert": "new", "deit-tiny@v1": "v1", "deit-small": "new",
    }  # fmt: skip
    assert [each[0] for each in hub.inspected] == ["vit-base", "bio-clinical-bert", "deit-tiny", "deit-small"]
    assert hub.inspected[1] == ("bio-clinical-bert", None, "text", 64)
    with_study_commits(study, [asked], StorageRetry(), lambda: 1)
    assert hub.stops == 1, "who waits for the hub can be asked to end"
    hub.now, hub.fetched = "newer", []
    assert settled(study, asked)[0].commits == found.commits
    again = {("vit-base", "new"), ("bio-clinical-bert", "new"), ("deit-tiny", "v1"), ("deit-small", "new")}
    assert set(hub.fetched) == again


def test_the_models_of_both_stages_are_settled_together(hub: Hub) -> None:
    both = settled(optuna.create_study(), question(), question(teacher__text__name="minilm"))
    assert (
        both[0].commits == both[1].commits
        and "minilm" in both[0].commits
        and "bio-clinical-bert" in both[0].commits
    )


def test_of_coordinators_that_look_at_once_the_first_to_write_wins(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, claim = optuna.create_study(), hub_commits.claim_of_study
    tried: list[Any] = []

    def claimed(storage: Any, study_id: int, key: str, old: Any, new: Any) -> bool:
        tried.append(old)
        if len(tried) == 1:  # another one was quicker
            study.set_user_attr(COMMITS, {"vit-base": "theirs"})
            return False
        return claim(storage, study_id, key, old, new)

    monkeypatch.setattr(hub_commits, "claim_of_study", claimed)
    (found,) = settled(study, question())
    assert tried == [None, {"vit-base": "theirs"}]
    assert found.commits["vit-base"] == "theirs" and found.commits["deit-small"] == "new"
    assert study.user_attrs[COMMITS] == found.commits


def test_no_teacher_is_fetched_that_no_loss_asks(hub: Hub) -> None:
    asked = question()
    ignored = Ignored("teacher", {"distillation.loss": frozenset({asked.base.distillation.loss})})
    space = type(asked.space)(asked.space.parameters, [ignored])
    unasked = StudySettings(asked.base, space, "sha256:0")
    assert [encoder.name for _, encoder in drawn_encoders(unasked)] == ["deit-tiny", "deit-small"]

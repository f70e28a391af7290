"""Commits of hub models that a config carries over from an earlier one, whichever encoders the two have."""

from __future__ import annotations

import pytest

from distune.config import Config
from distune.config.revisions import carried_over, pinned
from distune.errors import ConfigError

COMMIT = "0" * 40


def test_a_commit_is_carried_over_where_both_name_the_model_and_this_one_no_revision() -> None:
    earlier = Config().replace(
        **{"student.vision.revision": COMMIT, "student.text": "none", "teacher.vision.revision": COMMIT}
    )
    config = Config().replace(**{"teacher.vision.revision": "v1"})
    found = carried_over(config, earlier)
    assert found.student.vision.revision == COMMIT and found.teacher.vision.revision == "v1"
    assert found.student.text == config.student.text
    other = config.replace(**{"student.vision": "deit-tiny"})
    assert carried_over(other, earlier) == other
    assert carried_over(earlier, config) == earlier


def test_encoders_of_image_and_text_are_pinned_to_the_commits_of_their_models() -> None:
    other = "1" * 40
    config = Config().replace(**{"teacher.text.revision": "v1"})
    found = pinned(
        config, {config.student.text.name: COMMIT, f"{config.teacher.text.name}@v1": other, "else": "2" * 40}
    )
    assert (found.student.text.revision, found.teacher.text.revision) == (COMMIT, other)
    assert found.student.vision == config.student.vision and found.teacher.vision == config.teacher.vision
    with pytest.raises(ConfigError) as refused:
        pinned(config, {config.student.text.name: "no commit"})
    assert refused.value.source == "encoders"

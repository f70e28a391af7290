"""Commits of hub models that a config carries over from an earlier one, whichever encoders the two have."""

from __future__ import annotations

from distune.config import Config
from distune.config.revisions import carried_over

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

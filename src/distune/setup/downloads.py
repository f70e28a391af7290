"""What a config's encoders would fetch from the hub before the first trial."""

from __future__ import annotations

from distune.config import Config


def download_lines(config: Config) -> list[str]:
    """One line for each model that is not in the cache: its size, as the hub says it.

    Args:
        config: the config; its `study` section says which encoders are searched.
    """
    from distune.models.encoders.hub.revisions import bytes_to_fetch, repository
    from distune.models.encoders.hub.transfer import megabytes
    from distune.tuning.study.hub_commits import drawn_encoders
    from distune.tuning.study.settings import StudySettings
    from distune.tuning.tune import base_of, search_space

    base = base_of(config)
    drawn = drawn_encoders(StudySettings(base, search_space(base, config.study), dataset=""))
    asked = {(repository(encoder, kind), encoder.revision): (encoder, kind) for (_, kind), encoder in drawn}
    lines = []
    for (name, _), (encoder, kind) in asked.items():
        size = bytes_to_fetch(encoder, kind)
        if size != 0:
            known = "of unknown size" if size is None else f"{megabytes(size)} MB"
            lines.append(f"to fetch before the first trial: {encoder.name}, {known}, from {name}")
    return lines

"""Which commits of its hub models a run uses: those that its folder names, else those that are found now."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from distune.config import Config, load_config
from distune.config.revisions import carried_over, encoders_of, pinned
from distune.errors import ConfigError
from distune.models.encoders.hub.revisions import fetch_encoders
from distune.training.files.run_folder import CONFIG


def with_commits(config: Config, folder: Path | None, roles: Collection[str]) -> Config:
    """A run's config with the commit of every hub model that it uses; what the cache lacks is fetched.

    A run that resumes keeps its commits, whatever the hub's `main` is by then.

    Args:
        config: the experiment.
        folder: of the run; `config.yaml` in it is that of an earlier attempt. None where that one is replaced.
        roles: the sections whose encoders are built: teacher, student.

    Raises:
        UserError: an encoder cannot be had.
    """
    earlier = folder / CONFIG if folder else None
    if earlier and earlier.is_file():
        with contextlib.suppress(ConfigError):  # cut off, or of another version: the run writes it again
            config = carried_over(config, load_config(earlier))
    commits = fetch_encoders(
        (encoder, kind) for (role, kind), encoder in encoders_of(config) if role in roles
    )
    return pinned(config, commits)

"""The hub models that a study can draw: each at one commit, in the cache before the first trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from optuna.study import Study

from distune.config import EncoderConfig
from distune.config.model import NO_ENCODER
from distune.config.revisions import PLACES, Place, model_key
from distune.tuning.study.settings import COMMITS, StudySettings
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.study.transactions import claim_of_study


def with_study_commits(
    study: Study,
    questions: Sequence[StudySettings],
    retrying: StorageRetry,
    interrupted: Callable[[], int],
) -> list[StudySettings]:
    """Fetches and inspects every encoder that a study can draw, at the commits that it has used so far.

    Args:
        study: keeps the commits in an attribute.
        questions: the settings of the study, and of the study of its teachers if there is one.
        retrying: calls the storage.
        interrupted: asked while a model is fetched or the hub waited for.

    Returns:
        The settings with the commits.

    Raises:
        KeyboardInterrupt: it was asked to stop.
        UserError: an encoder cannot be had or cannot be built.
    """
    from distune.models.encoders.hub.retry import HubRetry
    from distune.models.encoders.hub.revisions import fetch_encoders
    from distune.models.encoders.inspection import inspect_encoder

    retry = HubRetry(interrupted=interrupted)
    drawn = [found for question in questions for found in drawn_encoders(question)]
    while True:
        known: dict[str, str] | None = retrying(lambda: study.user_attrs.get(COMMITS))
        commits = dict(known or {})
        for (_, kind), encoder in drawn:
            revision = commits.get(model_key(encoder), encoder.revision)
            wanted = encoder.model_copy(update={"revision": revision})
            for commit in fetch_encoders([(wanted, kind)], retry).values():
                commits.setdefault(model_key(encoder), commit)
            inspect_encoder(wanted, kind, questions[0].base.data.image_size)
        # Of coordinators that look at once the first to write wins; the others take its commits in the next turn.
        if commits == known or retrying(
            lambda known=known, commits=commits: claim_of_study(  # type: ignore[misc]
                study._storage, study._study_id, COMMITS, known, commits
            )
        ):
            return [replace(question, commits=commits) for question in questions]


def drawn_encoders(settings: StudySettings) -> Iterator[tuple[Place, EncoderConfig]]:
    """Every encoder that the base config has or a trial can draw, with its section and field, each once."""
    base, space = settings.base, settings.space
    for role, kind in PLACES:
        encoder = getattr(getattr(base, role), kind)
        if not space.is_section_used(role, base):
            continue
        fields = ("name", "pretrained", "revision")
        values = (space.values_at(f"{role}.{kind}.{field}", base) for field in fields)
        for name, pretrained, revision in product(*values):
            if name == NO_ENCODER:
                continue
            if name == encoder.name:
                own = {"pretrained": pretrained, "revision": revision}
                yield (role, kind), encoder.model_copy(update=own)
            else:  # which layers a trial keeps of another model may be drawn as well
                yield (role, kind), EncoderConfig(name=name, pretrained=pretrained)

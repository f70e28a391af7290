"""Fetching one commit of a repository into the Hugging Face cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.errors import UserError
from distune.models.encoders.hub.files import CONFIG, PROCESSORS, Needs, any_of
from distune.models.encoders.hub.retry import HubRetry, is_final, is_from, reason, status
from distune.models.encoders.hub.transfer import shown

MAIN = "main"
_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """What a revision of a repository holds.

    Args:
        commit: the full hash that the revision stands for.
        sizes: bytes by file name; 0 where the hub does not say.
    """

    commit: str
    sizes: dict[str, int]


def listing(repository: str, revision: str | None, retry: HubRetry, what: str = "list of files") -> Listing:
    """Asks the hub which commit a revision is and which files it has.

    Args:
        repository: organisation/model.
        revision: branch, tag or commit; None is the hub's `main`.
        retry: asks again where the hub refuses for the moment.
        what: cannot be had without it, for the message.

    Raises:
        UserError: there is no such repository or revision, it may not be read, or the hub stays silent.
    """
    from huggingface_hub import HfApi

    def ask() -> Any:
        return HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=_SECONDS)

    with _explained(repository, revision, what):
        info = retry(ask, repository)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    return Listing(str(info.sha), sizes)


def fetch(repository: str, revision: str | None, needs: Needs, retry: HubRetry) -> Path:
    """Fetches what a model needs at one commit; files that are in the cache already are not fetched again.

    Args:
        repository: organisation/model.
        revision: branch, tag or commit; None is the hub's `main`.
        needs: what is wanted of it.
        retry: asks again where the hub refuses for the moment.

    Returns:
        The snapshot's folder, named after the commit.

    Raises:
        UserError: what is needed is not there, may not be read, or cannot be fetched.
    """
    what = "weights" if needs.weights else "configuration"
    while True:
        found = listing(repository, revision, retry, what)
        names = needs.choose(found.sizes)
        if CONFIG not in names:
            raise UserError(
                f"{repository}: there is no {CONFIG}, so transformers cannot build it; name another model"
            )
        # Under its own name, so that the library writes into the cache what the revision stood for.
        folder = _download(repository, CONFIG, revision or MAIN, retry).parent
        if folder.name == found.commit:
            break
        _log.info("%s: %s moved while it was read", repository, revision or MAIN)
    left = {name: found.sizes[name] for name in names if not (folder / name).is_file()}
    with shown(repository, sum(left.values()), retry.interrupted) as transfer:
        for name in left:
            _download(repository, name, found.commit, retry, tqdm_class=transfer.bar())
    if needs.processor and not any_of(names, PROCESSORS):
        _note_absence(repository, PROCESSORS[0], found.commit)
    return folder


def _download(repository: str, name: str, revision: str, retry: HubRetry, **options: Any) -> Path:
    from huggingface_hub import hf_hub_download

    def get() -> Path:
        with _quiet():
            path = hf_hub_download(repository, name, revision=revision, etag_timeout=_SECONDS, **options)
        return Path(path)

    with _explained(repository, revision, name):
        return retry(get, f"{repository}/{name}")


def _note_absence(repository: str, name: str, commit: str) -> None:
    """Asks for a file that is not there: the library notes this in its cache, so that it is not asked for again."""
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(repository, name, revision=commit, etag_timeout=_SECONDS)
    except OSError as error:
        _log.debug("%s has no %s: %s", repository, name, error)


@contextmanager
def _explained(repository: str, revision: str | None, what: str) -> Iterator[None]:
    """Turns what the library raises into one sentence that says what to do."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    token = "set HF_TOKEN, or log in with `hf auth login`"
    try:
        yield
    except Exception as error:
        if is_from(error, GatedRepoError):
            page = f"{constants.ENDPOINT}/{repository}"
            message = f"{repository}: the model is gated; accept its terms at {page}, then {token}"
        elif is_from(error, RepositoryNotFoundError):
            message = f"{repository}: the hub has no such public model; check the name, and if it is private, {token}"
        elif is_from(error, RevisionNotFoundError):
            message = (
                f"{repository}: there is no revision {revision!r}; check the branch, tag or full commit hash"
            )
        elif status(error) in (401, 403):
            message = f"{repository}: the hub answers {status(error)}, no right to read it; {token}"
        elif is_final(error) and isinstance(error, OSError) and error.errno is not None:
            message = f"{repository}: {what} cannot be kept in {constants.HF_HUB_CACHE} ({error})"
        else:
            message = (
                f"no {what} of {repository}: there is no such folder, it is not in the Hugging Face cache "
                f"({constants.HF_HUB_CACHE}), and {_why(error)}; either fetch them on a machine with a network and "
                "copy that cache here, or take pretrained: false or an encoder that a package ships "
                "(efficientnet-lite0, minilm-l6)"
            )
        raise UserError(message) from error


def _why(error: BaseException) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    return "HF_HUB_OFFLINE is set" if is_from(error, OfflineModeIsEnabled) else reason(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the library from warning of waits that are said here."""
    from huggingface_hub.utils import logging as hub_logging

    level = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)

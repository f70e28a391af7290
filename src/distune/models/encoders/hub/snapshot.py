"""Finding a commit of a repository: in the Hugging Face cache first, whichever program filled it."""

from __future__ import annotations

from pathlib import Path

from distune.errors import UserError
from distune.models.encoders.hub.fetch import MAIN, fetch, listing
from distune.models.encoders.hub.files import CONFIG, PROCESSORS, WEIGHTS, Needs, complete_weights
from distune.models.encoders.hub.retry import HubRetry


def snapshot(repository: str, revision: str | None, needs: Needs, retry: HubRetry | None = None) -> Path:
    """Folder of one commit of a repository, named after it; the hub is asked only for what the cache lacks.

    Args:
        repository: organisation/model.
        revision: branch, tag or full commit hash; None takes what the cache calls `main`, else the only complete
            snapshot in it, else the hub's `main`: asking the hub for a newer one would change results unasked.
        needs: what the folder has to hold.
        retry: how long a hub that refuses is asked again.

    Raises:
        UserError: it is in no place that can be reached.
    """
    found = cached_snapshot(repository, revision, needs)
    if found is not None:
        return found
    from huggingface_hub import constants

    folder = _named(repository, revision)
    if folder is not None and constants.HF_HUB_OFFLINE:
        what = needs.missing(folder, _absent(repository, folder.name))
        raise UserError(
            f"no {what} of {repository}: the Hugging Face cache holds a part of commit {folder.name[:12]} "
            f"({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE is set; fetch it once with a network"
        )
    # A part that is there, as `AutoModel` alone leaves it, is completed at its commit, wherever `main` is by now.
    fetched = fetch(repository, folder.name if folder else revision, needs, retry or HubRetry())
    if needs.weights and not complete_weights(fetched):
        raise UserError(
            f"{repository}: commit {fetched.name[:12]} has none of {', '.join(WEIGHTS)} with all its parts; "
            "name another model, or set pretrained: false"
        )
    return fetched


def cached_snapshot(repository: str, revision: str | None, needs: Needs) -> Path | None:
    """As `snapshot`, from the cache alone; None where something is missing there."""
    named = _named(repository, revision)
    if named is not None:
        return named if not needs.missing(named, _absent(repository, named.name)) else None
    if revision is not None or _ref(repository):
        return None
    complete = [
        each for each in _snapshots(repository) if not needs.missing(each, _absent(repository, each.name))
    ]
    return complete[0] if len(complete) == 1 else None


def missing_sizes(repository: str, revision: str | None, needs: Needs, retry: HubRetry) -> dict[str, int]:
    """Bytes of each file that `snapshot` would fetch, 0 where the hub does not say; the hub is asked, nothing fetched.

    Raises:
        UserError: the hub cannot be asked.
    """
    folder = _named(repository, revision)
    sizes = listing(repository, folder.name if folder else revision, retry).sizes
    return {
        name: sizes[name] for name in needs.choose(sizes) if folder is None or not (folder / name).is_file()
    }


def _named(repository: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, CONFIG, revision=revision or MAIN)
    return Path(found).parent if isinstance(found, str) else None


def _absent(repository: str, commit: str) -> list[str]:
    """The files that the cache says the commit does not have."""
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    return [
        name
        for name in PROCESSORS
        if try_to_load_from_cache(repository, name, revision=commit) is _CACHED_NO_EXIST
    ]


def _ref(repository: str) -> bool:
    return (_folder(repository) / "refs" / MAIN).is_file()


def _snapshots(repository: str) -> list[Path]:
    folder = _folder(repository) / "snapshots"
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def _folder(repository: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")

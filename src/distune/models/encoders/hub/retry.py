"""Asking the hub again: what passes is waited out, what does not is said at once."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from distune.utils.files.atomic import NOT_WRITABLE

Result = TypeVar("Result")

LONGEST_WAIT = 60.0
"""Seconds between two attempts, where the hub does not ask for more."""
GIVE_UP_SECONDS = 1800.0
"""For so long a hub that answers with an error is asked again."""
SILENT_ATTEMPTS = 4
"""So often a hub is tried that has never answered: there may be no network at all."""
_SECONDS_LEFT = re.compile(r"\bt=(\d+)")
_log = logging.getLogger(__name__)


class HubRetry:
    """Repeats what the hub refuses for the moment: 429, 5xx, timeouts and cut connections.

    The library repeats a download five times and other questions not at all; a shared address that is over its rate
    limit, as classrooms and clusters have, needs minutes.

    Args:
        interrupted: asked while waiting; anything but 0 ends with a `KeyboardInterrupt`.
        sleep: waits so many seconds.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        interrupted: Callable[[], int] = lambda: 0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.interrupted = interrupted
        self._sleep = sleep
        self._clock = clock
        self._answered = False

    def __call__(self, action: Callable[[], Result], what: str) -> Result:
        """Does something until it succeeds, fails for good or was tried long enough; then the last error is raised.

        Args:
            action: what may be repeated.
            what: said while waiting, such as the repository's name.
        """
        began, attempt = self._clock(), 0
        while True:
            try:
                answer = action()
            except Exception as error:
                attempt += 1
                self._answered = self._answered or status(error) is not None
                wait = self._wait(error, attempt)
                spent = self._clock() - began
                is_silent = not self._answered and attempt >= SILENT_ATTEMPTS
                if is_final(error) or spent + wait > GIVE_UP_SECONDS or is_silent:
                    raise
                _log.warning("%s: %s; asking again in %.0f s", what, reason(error), wait)
                self._rest(wait)
            else:
                self._answered = True
                return answer

    def _wait(self, error: BaseException, attempt: int) -> float:
        backoff = min(LONGEST_WAIT, 2.0 ** (attempt - 1))
        asked = _asked_wait(error)
        # A hub that says "at once" for ever is asked no more often than one that says nothing.
        return backoff if asked is None or (attempt > 50 and asked < backoff) else asked

    def _rest(self, seconds: float) -> None:
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0:
            if self.interrupted():
                raise KeyboardInterrupt
            self._sleep(min(left, 0.5))


def status(error: BaseException) -> int | None:
    """The HTTP status behind an error, None where the hub did not answer."""
    answer = _answer(error)
    return None if answer is None else int(answer.status_code)


def is_final(error: BaseException) -> bool:
    """Whether asking again cannot help: offline on purpose, a wrong name, no right, no room on the disk."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    final = (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError, OfflineModeIsEnabled)
    if is_from(error, final):
        return True
    code = status(error)
    if code is not None:
        return code < 500 and code not in (408, 429)
    # A file that is not in the cache because the hub could not be asked is an `EntryNotFoundError` as well.
    missing = isinstance(error, EntryNotFoundError) and error.__cause__ is None
    local = any(isinstance(each, OSError) and each.errno in NOT_WRITABLE for each in _chain(error))
    return missing or local


def is_from(error: BaseException, kinds: type[Exception] | tuple[type[Exception], ...]) -> bool:
    """Whether an error, or one that it came from, is of a kind."""
    return any(isinstance(each, kinds) for each in _chain(error))


def reason(error: BaseException) -> str:
    """Why the hub could not be used, in a few words."""
    code = status(error)
    if code == 429:
        return "the hub answers 429, too many requests from this address"
    if code is not None:
        return f"the hub answers {code}"
    last = list(_chain(error))[-1]
    said = str(last).strip().partition("\n")[0]
    return f"the hub cannot be reached ({type(last).__name__}{': ' if said else ''}{said[:120]})"


def _asked_wait(error: BaseException) -> float | None:
    """The seconds that the hub asks to wait, in `Retry-After` or in `RateLimit: ...;t=SECONDS`."""
    answer = _answer(error)
    if answer is None:
        return None
    after = answer.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    left = _SECONDS_LEFT.search(answer.headers.get("RateLimit", ""))
    return float(left[1]) if left else None


def _answer(error: BaseException) -> Any:
    """What the hub answered; None where it did not."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((each.response for each in _chain(error) if isinstance(each, HfHubHTTPError)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, the outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__

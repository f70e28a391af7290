"""What passes is waited out and said; what does not is said at once."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from huggingface_hub import constants

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.hub import retry
from distune.models.encoders.hub.retry import HubRetry
from distune.models.encoders.hub.revisions import fetch_encoders
from distune.models.encoders.hub.transfer import Transfer, rate

from .server import HubServer

DEIT = CATALOGUE["deit-tiny"].location
ENCODER = [(EncoderConfig(name="deit-tiny"), "vision")]


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def retry(self) -> HubRetry:
        return HubRetry(sleep=self.sleep, clock=lambda: self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fetch(clock: Clock) -> dict[str, str]:
    return fetch_encoders(ENCODER, clock.retry())  # type: ignore[arg-type]


def test_twenty_refusals_are_waited_out_as_the_hub_asks(
    hub: HubServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    hub.refuse(429, 20, match="/api/models/", retry_after="7")
    with caplog.at_level(logging.WARNING):
        assert fetch(clock) == {"deit-tiny": hub.commits(DEIT)[0]}
    assert clock.now == pytest.approx(140)
    assert sum("429" in line and DEIT in line for line in caplog.messages) == 20


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_hub_is_asked_again_more_and_more_slowly(hub: HubServer, clock: Clock, status: int) -> None:
    hub.refuse(status, 8, match="/api/models/", retry_after=None)
    fetch(clock)
    assert clock.now == pytest.approx(1 + 2 + 4 + 8 + 16 + 32 + 60 + 60)


def test_asking_again_ends(hub: HubServer, clock: Clock) -> None:
    hub.refuse(503, 10_000, match="/api/models/", retry_after=None)
    with pytest.raises(UserError, match="503"):
        fetch(clock)
    assert retry.GIVE_UP_SECONDS - 60 <= clock.now <= retry.GIVE_UP_SECONDS


def test_a_hub_that_never_answered_is_given_up_soon(hub: HubServer, clock: Clock) -> None:
    hub.stop()
    with pytest.raises(UserError, match="cannot be reached"):
        fetch(clock)
    assert clock.now < 10


def test_a_hub_that_refuses_for_good_is_asked_once(hub: HubServer, clock: Clock) -> None:
    hub.private.add(DEIT)
    with pytest.raises(UserError):
        fetch(clock)
    assert len(hub.requests) == 1 and clock.now == 0


@pytest.mark.slow
def test_a_cut_download_resumes_where_it_stopped(
    hub: HubServer, clock: Clock, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cut = 10_000
    fetch(clock)
    weights = [line for line in hub.requests if "pytorch_model.bin" in line and line.startswith("GET")]
    assert [line.rpartition(" ")[2] for line in weights] == ["200", "206"]
    published = hub.root / DEIT / "pytorch_model.bin"
    (fetched,) = cache.rglob("pytorch_model.bin")
    assert fetched.read_bytes() == published.read_bytes()


def test_an_interrupt_ends_the_waiting(hub: HubServer) -> None:
    hub.refuse(429, 1, retry_after="600")
    with pytest.raises(KeyboardInterrupt):
        fetch_encoders(ENCODER, HubRetry(interrupted=lambda: 1))  # type: ignore[arg-type]


def test_a_transfer_counts_what_arrives_once() -> None:
    seen = []
    transfer = Transfer("model", 100, lambda done, total: seen.append((done, total)))
    bar = transfer.bar()(total=100, initial=0)
    for count in (60, -60, 60, 40):
        bar.update(count)
    assert seen == [(done, 100) for done in (0, 60, 0, 60, 100)]
    assert rate(25_000_000, 100_000_000, 5.0) == "25 of 100 MB, 5.0 MB/s, 15 s left"

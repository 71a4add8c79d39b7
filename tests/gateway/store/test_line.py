"""Connections that wait for a server that is starting."""

import asyncpg
import pytest

from gateway.store import line
from gateway.store.line import once_it_is_up


class Starting:
    """Says no so many times, as a server that recovers from a crash does."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    async def attempt(self) -> str:
        if self.refusals:
            self.refusals -= 1
            raise asyncpg.CannotConnectNowError("the database system is in recovery mode")
        return "connected"


async def test_a_start_waits_for_a_server_that_recovers() -> None:
    assert await once_it_is_up(Starting(2).attempt) == "connected"


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "START_PATIENCE", 0.0)
    with pytest.raises(asyncpg.CannotConnectNowError):
        await once_it_is_up(Starting(1_000).attempt)


async def test_other_refusals_are_passed_on_at_once() -> None:
    async def attempt() -> None:
        raise asyncpg.InvalidPasswordError("wrong")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await once_it_is_up(attempt)

"""Servers that may lose what they acknowledged are refused: real servers, started or configured that way."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from gateway.store import durability
from gateway.store.durability import UnsafeDurability, refuse_unsafe
from gateway.store.embedded import Server, ensure_running, stop
from tests.gateway.store.embedded_homes import made_home, start_by_hand


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with made_home() as place:
        yield ensure_running(place)


@pytest.fixture(scope="module")
def stopped() -> Iterator[Server]:
    """A database whose server the test starts by itself, with settings that the supervisor would not allow."""
    with made_home() as place:
        running = ensure_running(place)
        program = os.readlink(f"/proc/{running.pid}/exe")
        stop(place)
        yield replace(running, version=program)


@asynccontextmanager
async def started_by_hand(server: Server, *options: str) -> AsyncIterator[asyncpg.Connection]:
    process = start_by_hand(server.version, Path(server.host).parent, *options)
    try:
        connection = await connected(server)
        yield connection
        await connection.close()
    finally:
        process.terminate()
        process.wait(60)


async def connected(server: Server) -> asyncpg.Connection:
    while True:
        try:
            return await asyncpg.connect(server.dsn())
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def changed(server: Server, change: str, undo: str, **connect: object) -> AsyncIterator[asyncpg.Connection]:
    """A new connection after a change that counts for new connections, undone afterwards."""
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(change)
    connection = await asyncpg.connect(server.dsn(), **connect)
    try:
        yield connection
    finally:
        await connection.close()
        await admin.execute(undo)
        await admin.close()


async def test_the_embedded_server_is_safe(server: Server) -> None:
    connection = await asyncpg.connect(server.dsn())
    await refuse_unsafe(connection)
    await connection.close()


@pytest.mark.parametrize(
    "option",
    ["fsync=off", "full_page_writes=off", *(f"synchronous_commit={v}" for v in ("off", "local", "remote_write"))],
)
async def test_a_server_started_unsafe_is_refused(stopped: Server, option: str) -> None:
    async with started_by_hand(stopped, option) as connection:
        with pytest.raises(UnsafeDurability, match=rf"{option} \(on the server's command line\).*Set .*=on there"):
            await refuse_unsafe(connection)


async def test_waiting_for_more_than_on_is_safe(stopped: Server) -> None:
    async with started_by_hand(stopped, "synchronous_commit=remote_apply") as connection:
        await refuse_unsafe(connection)


@pytest.mark.parametrize(
    ("change", "undo", "place"),
    [
        (
            "ALTER ROLE postgres SET synchronous_commit = off",
            "ALTER ROLE postgres RESET synchronous_commit",
            "by ALTER ROLE ... SET",
        ),
        (
            "ALTER DATABASE postgres SET synchronous_commit = local",
            "ALTER DATABASE postgres RESET synchronous_commit",
            "by ALTER DATABASE ... SET",
        ),
        (
            "ALTER ROLE postgres IN DATABASE postgres SET synchronous_commit = off",
            "ALTER ROLE postgres IN DATABASE postgres RESET synchronous_commit",
            "by ALTER ROLE ... IN DATABASE ... SET",
        ),
    ],
)
async def test_a_weaker_commit_of_role_or_database_is_refused(
    server: Server, change: str, undo: str, place: str
) -> None:
    async with changed(server, change, undo) as connection:
        with pytest.raises(UnsafeDurability) as refusal:
            await refuse_unsafe(connection)
    assert place in str(refusal.value)


async def test_a_weaker_commit_in_the_dsn_is_refused(server: Server) -> None:
    connection = await asyncpg.connect(server.dsn(), server_settings={"synchronous_commit": "off"})
    with pytest.raises(UnsafeDurability, match="in the DSN or the connection's options"):
        await refuse_unsafe(connection)
    await connection.close()


async def test_no_alter_system_weakens_the_embedded_server(server: Server) -> None:
    async with changed(server, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM RESET fsync") as connection:
        await connection.execute("SELECT pg_reload_conf()")
        await refuse_unsafe(connection)
        assert await connection.fetchval("SHOW fsync") == "on"


async def test_a_server_that_is_too_old_is_refused_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No PostgreSQL older than the oldest supported is at hand, so the one at hand is made too old."""
    monkeypatch.setattr(durability, "OLDEST_VERSION", 99)
    connection = await asyncpg.connect(server.dsn(), server_settings={"synchronous_commit": "off"})
    with pytest.raises(UnsafeDurability, match="99 or newer is needed"):
        await refuse_unsafe(connection)
    await connection.close()

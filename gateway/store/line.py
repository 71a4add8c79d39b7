"""One connection that is kept for one user, renewed when it breaks, and knows when a commit was not replicated."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy
"""One connection, one's own or lent by a pool."""
Pool = asyncpg.Pool
Row = asyncpg.Record
_Got = TypeVar("_Got")
_NOT_REPLICATED = "01000"
"""SQLSTATE of the warning 'committed locally, but might not have been replicated to the standby'."""


START_PATIENCE = 60.0
"""Seconds that a start waits for a server that is itself starting, or recovering from a crash."""


async def connect(dsn: str, **settings: Any) -> asyncpg.Connection:
    """One plain connection, as whoever the DSN says; waits for a server that is still starting."""
    return await once_it_is_up(lambda: asyncpg.connect(dsn, **settings))


async def once_it_is_up(attempt: Callable[[], Awaitable[_Got]]) -> _Got:
    """Tries again while the server says that it is starting or recovering. For starts: what serves fails at once."""
    give_up = time.monotonic() + START_PATIENCE
    while True:
        try:
            return await attempt()
        except asyncpg.CannotConnectNowError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.1)


class NotReplicated(Exception):
    """The statement committed here, but nobody knows whether a standby has it: a failover could lose it."""


class Line:
    """A dedicated connection: no pool between a lane and its statements."""

    def __init__(self, open_connection: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._open = open_connection
        self._connection: asyncpg.Connection | None = None
        self._warned = False

    async def connection(self) -> asyncpg.Connection:
        """The connection, made anew if the last one broke."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._open()
            self._connection.add_log_listener(self._listen)
        return self._connection

    def forget_warnings(self) -> None:
        """Before a statement whose commit matters."""
        self._warned = False

    def refuse_unreplicated(self) -> None:
        """After it: raises NotReplicated if the server warned that the commit may exist on this machine only."""
        if self._warned:
            raise NotReplicated

    async def close(self) -> None:
        """Ends the connection, politely if that takes no time."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await asyncio.wait_for(connection.close(), 1.0)
            except (TimeoutError, OSError, asyncpg.PostgresError):
                connection.terminate()

    def drop(self) -> None:
        """Ends the connection at once: after an error that leaves its state in doubt."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _listen(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.sqlstate == _NOT_REPLICATED and "replicat" in (message.message + (message.detail or "")):
            self._warned = True

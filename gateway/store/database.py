"""Connections to PostgreSQL: which role, which of the two schemas, with which planner settings."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg

from gateway.store.durability import refuse_unsafe
from gateway.store.line import Line, once_it_is_up

COMMAND_TIMEOUT = 10.0
"""Seconds after which a statement counts as lost. A frozen server takes twice as long to be noticed (the cancel waits
too)."""
LOCK_TIMEOUT = "3s"

_HOT_PATH_SETTINGS = {
    # Every statement is an index look-up by design. Without statistics (a fresh database) the planner would prefer to
    # scan the then tiny tables, and keep that plan while they grow.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


class Database:
    """One schema of one database, as one role."""

    def __init__(
        self,
        dsn: str,
        *,
        schema: str,
        role: str = "aidgate_posting",
        name: str = "aidgate",
        revive: Callable[[], object] | None = None,
    ) -> None:
        """`revive` starts an embedded server that is gone; a server with a DSN of its own has its own keeper."""
        self.dsn = dsn
        self._revive = revive
        self.schema = schema
        self._settings = {
            "search_path": schema,
            "role": role,
            "timezone": "UTC",
            "application_name": name,
            "lock_timeout": LOCK_TIMEOUT,
        }

    def line(self) -> Line:
        """A dedicated connection for the posting path."""
        return Line(partial(self._open, **self._arguments(hot=True)))

    async def pool(self, *, size: int = 4, hot: bool = True) -> asyncpg.Pool:
        """A pool; unsafe durability settings are refused with a sentence. `hot`: planned for the posting path."""
        pool = await asyncpg.create_pool(
            self.dsn,
            min_size=0,
            max_size=size,
            reset=_keep_as_is,
            connect=self._open_for_pool,
            **self._arguments(hot=hot),
        )

        async def look_at_it() -> None:
            async with pool.acquire() as connection:
                await refuse_unsafe(connection)

        try:
            await once_it_is_up(look_at_it)
        except BaseException:
            await pool.close()
            raise
        return pool

    async def connect(self) -> asyncpg.Connection:
        """One connection for a report, an import or a check."""
        return await self._open(**self._arguments(hot=False))

    async def _open_for_pool(self, *_: object, **arguments: Any) -> asyncpg.Connection:
        return await self._open(**arguments)

    async def _open(self, **arguments: Any) -> asyncpg.Connection:
        """A connection; when there is nobody to connect to and the server is ours, it is started first."""
        try:
            return await asyncpg.connect(self.dsn, **arguments)
        except OSError:
            if self._revive is None:
                raise
            await asyncio.to_thread(self._revive)
            return await asyncpg.connect(self.dsn, **arguments)

    def _arguments(self, *, hot: bool) -> dict[str, Any]:
        settings = {**self._settings, **(_HOT_PATH_SETTINGS if hot else {})}
        return {"server_settings": settings, "command_timeout": COMMAND_TIMEOUT if hot else None}


async def _keep_as_is(_: asyncpg.Connection) -> None:
    """No session state is ever changed, so nothing needs resetting: it saves a round trip per statement."""

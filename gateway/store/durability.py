"""Refuses a database server that may lose what it has acknowledged.

Measured with `synchronous_commit=off` and a killed server: acknowledged claims were gone while the books still summed
to zero, so nothing afterwards would have shown it. That is why this is asked before the first claim, not monitored.
"""

from __future__ import annotations

from gateway.store.line import Connection

OLDEST_VERSION = 15

# Setting, the values that keep every acknowledged commit, what the others risk (PostgreSQL manual, "Write Ahead Log").
_REQUIRED = (
    ("fsync", {"on"}, "after a power failure the database can be lost as a whole"),
    ("full_page_writes", {"on"}, "after a power failure half-written pages cannot be repaired"),
    # remote_apply waits for more than `on`. remote_write and local wait for less, as soon as there is a standby.
    ("synchronous_commit", {"on", "remote_apply"}, "an acknowledged claim can be gone after a crash or a failover"),
)


class UnsafeDurability(Exception):
    """The server, as this connection sees it, may lose what it acknowledges; the sentence says how to change that."""


async def refuse_unsafe(connection: Connection) -> None:
    """Raises UnsafeDurability unless every commit of this connection is durable and the server is 15 or newer.

    The values are those in force here: a setting of the role, the database or the DSN counts like the server's own.
    """
    if connection.get_server_version().major < OLDEST_VERSION:
        version = await connection.fetchval("SHOW server_version")
        raise UnsafeDurability(
            f"The database server is PostgreSQL {version}; {OLDEST_VERSION} or newer is needed. "
            f"Upgrade it, or set a DSN to a newer one."
        )
    rows = await connection.fetch("SELECT name, setting, source FROM pg_settings")
    in_force = {row["name"]: (row["setting"], row["source"]) for row in rows}
    for name, safe, risk in _REQUIRED:
        value, source = in_force[name]
        if value not in safe:
            raise UnsafeDurability(
                f"{name}={value} ({_where(source)}): {risk}. Set {name}=on there and start again; "
                f"without it no claim is taken."
            )


def _where(source: str) -> str:
    """`pg_settings.source` in the words of someone who has to find the place."""
    return {
        "configuration file": "in postgresql.conf or by ALTER SYSTEM",
        "command line": "on the server's command line",
        "database": "by ALTER DATABASE ... SET",
        "user": "by ALTER ROLE ... SET",
        "database user": "by ALTER ROLE ... IN DATABASE ... SET",
        "client": "in the DSN or the connection's options",
        "session": "by SET in this session",
    }.get(source, source)

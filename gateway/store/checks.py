"""Runs the statements of selfcheck.sql on one snapshot, and reads stored operations one after another to be
recomputed."""

from collections.abc import AsyncIterator

from asyncpg import Record as Row
from msgspec import Struct

from gateway.store.line import Connection
from gateway.store.statements import load

__all__ = ["EXAMPLES", "Row", "Tally", "stored_operations", "tallies"]

EXAMPLES = 5
"""Rows named per check: enough to look into, few enough to read."""
_BATCH = 500
# Tables are read whole here; a connection of the posting path is told to prefer its indexes, which would take for ever.
_PLAN_FOR_WHOLE_TABLES = (
    "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on;"
    "SET LOCAL plan_cache_mode = auto; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"
)
_TALLY = """
SELECT count(*) AS checked, count(*) FILTER (WHERE wrong) AS violations
     , (array_agg(example ORDER BY example) FILTER (WHERE wrong))[1:{examples}] AS examples
  FROM ({statement}) AS looked_at
"""


class Tally(Struct, frozen=True):
    """How many rows one statement looked at, how many were wrong, and which, to begin with."""

    name: str
    checked: int
    violations: int
    examples: tuple[str, ...]


async def tallies(connection: Connection) -> list[Tally]:
    """Runs every check, in the order of the file, on one snapshot: nothing that is posted meanwhile can look half
    done."""
    found = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(_PLAN_FOR_WHOLE_TABLES)
        for name, statement in load("selfcheck").items():
            sql = _TALLY.format(statement=statement.sql, examples=EXAMPLES)
            row = await connection.fetchrow(sql)
            assert row is not None
            found.append(Tally(name, row["checked"], row["violations"], tuple(row["examples"] or ())))
    return found


async def stored_operations(connection: Connection) -> AsyncIterator[Row]:
    """Every operation with its trace, by the time of its id, through a cursor: memory does not grow with the books."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(load("selfcheck_records")["operations"].sql, prefetch=_BATCH):
            yield row

"""Brings a database to the schema this code wants: roles, the two schemas, and the numbered migrations in each.

A migration is a file `NNNN_what.pre.sql` or `NNNN_what.post.sql`. *Pre* runs before the new code is started, and the
old code must still work on it; *post* runs when no old code runs any more. A file that was applied is never edited:
its checksum is kept, and a changed one is refused. A first line `-- no transaction` runs a file outside a transaction
(CREATE INDEX CONCURRENTLY).
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.resources import files

import asyncpg

from gateway.store.durability import refuse_unsafe

SCHEMAS = ("aidgate", "sandbox")
"""The real books, and integrators' trials: same tables, nothing shared."""
ROLES = ("aidgate_owner", "aidgate_posting", "aidgate_console", "aidgate_readonly")
_LOCK = 0x4149_4447  # "AIDG"
_NAME = re.compile(r"^(?P<number>\d{4})_(?P<what>\w+)\.(?P<phase>pre|post)\.sql$")


class MigrationRefused(Exception):
    """The database cannot be brought to this code's schema; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    phase: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hex."""
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations of this code, in order; two of one number, or a name that is none, is an error."""
    found = []
    for entry in files("gateway.store").joinpath("migrations").iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.match(entry.name)
        if match is None:
            raise MigrationRefused(
                f"migrations/{entry.name}: a migration is called NNNN_what.pre.sql or NNNN_what.post.sql"
            )
        found.append(Migration(int(match["number"]), entry.name, match["phase"], entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused("migrations/ must be numbered 0001, 0002, … without a gap or a number used twice")
    return found


async def migrate(connection: asyncpg.Connection, *, phases: tuple[str, ...] = ("pre", "post")) -> list[str]:
    """Applies what is missing in both schemas, with a role that may create roles and schemas. Returns `schema/file`
    applied.

    Several processes may call this at once: one does the work, the others wait for it. The lock is polled, because
    waiting inside
    `pg_advisory_lock()` holds a snapshot that CREATE INDEX CONCURRENTLY would wait for in turn: a deadlock.
    """
    await refuse_unsafe(connection)
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.1)
    try:
        await _make_roles(connection)
        applied = []
        for schema in SCHEMAS:
            applied += await _migrate_schema(connection, schema, phases)
            await _make_partitions(connection, schema)
        return applied
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def pending(
    connection: asyncpg.Connection, schema: str, *, phases: tuple[str, ...] = ("pre", "post")
) -> list[str]:
    """Names of migrations that are not applied yet; an edited one raises MigrationRefused."""
    return [migration.name for migration in await _missing(connection, schema) if migration.phase in phases]


async def _make_roles(connection: asyncpg.Connection) -> None:
    """Roles belong to the whole server, so another database may have made them already."""
    known = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
    for role in ROLES:
        if role not in known:
            await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    for role in ROLES:
        await connection.execute(f"GRANT {role} TO CURRENT_USER")


async def _migrate_schema(connection: asyncpg.Connection, schema: str, phases: tuple[str, ...]) -> list[str]:
    if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema):
        await connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION aidgate_owner")
    await connection.execute(
        f"SET ROLE aidgate_owner; SET search_path TO {schema}; SET lock_timeout TO '5s'; SET timezone TO 'UTC'"
    )
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL"
            ", applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute("GRANT SELECT ON migration TO aidgate_posting, aidgate_console, aidgate_readonly")
        missing = [migration for migration in await _missing(connection, schema) if migration.phase in phases]
        for migration in missing:
            await _apply(connection, schema, migration)
        return [f"{schema}/{migration.name}" for migration in missing]
    finally:
        await connection.execute("RESET ROLE; RESET search_path; RESET lock_timeout; RESET timezone")


async def _missing(connection: asyncpg.Connection, schema: str) -> list[Migration]:
    applied: dict[int, str] = {}
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.migration"):
        rows = await connection.fetch(f"SELECT number, checksum FROM {schema}.migration")  # noqa: S608 - a name of ours
        applied = {row["number"]: row["checksum"] for row in rows}
    known = migrations()
    for migration in known:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationRefused(
                f"migrations/{migration.name} was edited after it was applied to schema {schema}. "
                "Restore the file and write a new migration instead."
            )
    if surplus := applied.keys() - {migration.number for migration in known}:
        raise MigrationRefused(
            f"schema {schema} is newer than this code: migration {max(surplus):04} is unknown here. "
            "Install the newer version."
        )
    return [migration for migration in known if migration.number not in applied]


async def _apply(connection: asyncpg.Connection, schema: str, migration: Migration) -> None:
    sql = migration.sql.replace(":schema", schema)
    note = "INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3)"
    if migration.sql.startswith("-- no transaction"):
        await connection.execute(sql)
        await connection.execute(note, migration.number, migration.name, migration.checksum)
        return
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute(note, migration.number, migration.name, migration.checksum)


async def _make_partitions(connection: asyncpg.Connection, schema: str) -> None:
    """Half years from the retention horizon to half a year ahead; every start and the daily upkeep call this."""
    today = datetime.now(UTC).date()
    await connection.execute(f"SET ROLE aidgate_owner; SET search_path TO {schema}; SET timezone TO 'UTC'")
    try:
        await connection.fetchval(
            "SELECT make_partitions($1, $2)", today - timedelta(days=410), today + timedelta(days=200)
        )
    finally:
        await connection.execute("RESET ROLE; RESET search_path; RESET timezone")

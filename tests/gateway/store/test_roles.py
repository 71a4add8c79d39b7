"""Who may do what in the database: append-only means that nobody but the owner can change or delete."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.books import Books
from gateway.store.migrate import ROLES
from tests.servers import on_every_server

pytestmark = on_every_server

SERVING = ("aidgate_posting", "aidgate_console", "aidgate_readonly")
APPEND_ONLY = (
    "operation",
    "posting",
    "movement",
    "activity",
    "shortfall",
    "rulebook_set",
    "rulebook_activation",
    "security_event",
)
CHANGEABLE = {
    "account": {"version", "frozen_until", "frozen_reason", "subject"},
    "card": {"frozen_until", "frozen_reason", "account_id"},
    "prior_settlement": {"standing"},
    "entitlement": {"ends", "stopped_by"},
    "stay": {"discharged"},
    "alert": {"acknowledged_at", "acknowledged_by"},
    "clinic": {"name", "town", "level", "lat", "lon"},
}
"""The only columns of the tables above in which anything ever changes."""


@pytest.fixture(params=SERVING)
async def connection(books: Books, request: pytest.FixtureRequest) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        books.database.dsn, server_settings={"role": request.param, "search_path": "aidgate"}
    )
    yield connection
    await connection.close()


async def role_of(connection: asyncpg.Connection) -> str:
    role: str = await connection.fetchval("SELECT current_user")
    return role


async def columns(connection: asyncpg.Connection, table: str) -> list[str]:
    return [
        row[0]
        for row in await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            table,
        )
    ]


async def tables(connection: asyncpg.Connection) -> list[str]:
    """Partitions too: what is refused for the whole must be refused for its parts."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'aidgate'::regnamespace AND relkind IN ('r', 'p')"
    )
    return sorted(row[0] for row in rows)


async def refused(connection: asyncpg.Connection, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(sql)


async def test_nothing_is_ever_deleted(connection: asyncpg.Connection) -> None:
    found = await tables(connection)
    assert set(APPEND_ONLY) | set(CHANGEABLE) < set(found)
    assert any(name.startswith("posting_") for name in found)
    for table in found:
        await refused(connection, f"DELETE FROM {table}")
        await refused(connection, f"TRUNCATE {table}")
        await refused(connection, f"DROP TABLE {table}")


async def test_only_the_columns_that_may_change_can(connection: asyncpg.Connection) -> None:
    """Asked for every column of every table, one by one."""
    readonly = await role_of(connection) == "aidgate_readonly"
    for table in await tables(connection):
        changeable = set() if readonly else CHANGEABLE.get(table, set())
        for column in await columns(connection, table):
            sql = f'UPDATE {table} SET "{column}" = DEFAULT WHERE false'
            if column in changeable:
                await connection.execute(sql)
            else:
                await refused(connection, sql)


async def test_readers_write_nothing(connection: asyncpg.Connection) -> None:
    if await role_of(connection) != "aidgate_readonly":
        return
    for table in await tables(connection):
        await refused(connection, f"INSERT INTO {table} DEFAULT VALUES")
    await refused(connection, "SELECT nextval('account_number')")
    await refused(connection, "SELECT open_stub_v1('\\x00', 'ssc', '\\x00')")


async def test_everybody_reads(connection: asyncpg.Connection) -> None:
    for table in await tables(connection):
        if not await connection.fetchval("SELECT relispartition FROM pg_class WHERE oid = to_regclass($1)", table):
            await connection.fetch(f"SELECT * FROM {table} LIMIT 0")


async def test_nobody_changes_the_schema(connection: asyncpg.Connection) -> None:
    for sql in (
        "CREATE TABLE more (a int)",
        "ALTER TABLE posting ADD COLUMN more int",
        "ALTER TABLE movement DROP CONSTRAINT ceiling_holds",
        "ALTER TABLE posting OWNER TO CURRENT_USER",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION business_day_of",
        "SELECT make_partitions('2031-01-01', '2031-01-02')",
        "INSERT INTO migration (number, name, checksum) VALUES (2, '', '')",
    ):
        await refused(connection, sql)


async def test_roles_cannot_log_in_and_are_nobody_else(books: Books) -> None:
    superuser = await asyncpg.connect(books.database.dsn)
    try:
        for role in ROLES:
            row = await superuser.fetchrow(
                """SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls
                     FROM pg_roles WHERE rolname = $1""",
                role,
            )
            assert row is not None
            assert not any(row), role
        members = await superuser.fetchval(
            """SELECT count(*) FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.member
                WHERE r.rolname = ANY ($1)""",
            list(ROLES),
        )
        assert members == 0
    finally:
        await superuser.close()

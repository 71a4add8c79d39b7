"""Bringing a database to the schema of this code, by one or several at once, and never backwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from gateway.store import migrate as migrating
from gateway.store.durability import UnsafeDurability
from gateway.store.embedded import Server
from gateway.store.migrate import Migration, MigrationRefused, migrate, migrations, pending
from tests.servers import Servers, on_every_server

BOTH = [f"{schema}/{migration.name}" for schema in ("aidgate", "sandbox") for migration in migrations()]


@pytest.fixture
async def empty(servers: Servers, kind: str) -> AsyncIterator[Server]:
    server = await servers.empty(kind)
    yield server
    await servers.drop(kind, server)


@pytest.fixture
async def connection(empty: Server) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(empty.dsn())
    yield connection
    await connection.close()


def further(monkeypatch: pytest.MonkeyPatch, *sql: str, phase: str = "pre") -> list[Migration]:
    """The migrations of a later version of the code."""
    known = migrations()
    more = [
        Migration(number, f"{number:04}_more.{phase}.sql", phase, text)
        for number, text in enumerate(sql, len(known) + 1)
    ]
    monkeypatch.setattr(migrating, "migrations", lambda: known + more)
    return more


@on_every_server
async def test_two_at_once(empty: Server) -> None:
    """One does the work, the others wait; whoever comes later finds nothing to do."""
    several = [await asyncpg.connect(empty.dsn()) for _ in range(3)]
    try:
        applied = await asyncio.gather(*(migrate(one) for one in several))
        assert sorted(applied) == [[], [], BOTH]
        assert await migrate(several[0]) == []
        assert await pending(several[0], "aidgate") == []
        assert await several[0].fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    finally:
        for one in several:
            await one.close()


@on_every_server
async def test_partitions_reach_half_a_year_ahead(connection: asyncpg.Connection) -> None:
    await migrate(connection)
    for table in ("operation", "posting"):
        for months in (-13, 0, 6):
            name = await connection.fetchval(
                "SELECT $1 || to_char(now() + $2 * interval '1 month', '_YYYY')"
                " || CASE WHEN extract(month FROM now() + $2 * interval '1 month') < 7 THEN 'h1' ELSE 'h2' END",
                table,
                months,
            )
            assert await connection.fetchval("SELECT to_regclass('aidgate.' || $1) IS NOT NULL", name), name


async def test_an_edited_migration_is_refused(connection: asyncpg.Connection) -> None:
    await migrate(connection)
    await connection.execute("UPDATE sandbox.migration SET checksum = 'other' WHERE number = 1")
    with pytest.raises(MigrationRefused, match="was edited after it was applied to schema sandbox"):
        await migrate(connection)
    with pytest.raises(MigrationRefused, match="Restore the file"):
        await pending(connection, "sandbox")


async def test_a_newer_database_is_refused(connection: asyncpg.Connection) -> None:
    await migrate(connection)
    await connection.execute("INSERT INTO aidgate.migration (number, name, checksum) VALUES (99, 'x', 'x')")
    with pytest.raises(MigrationRefused, match=r"newer than this code: migration 0099 .* Install the newer version"):
        await migrate(connection)


async def test_a_migration_is_applied_whole_or_not_at_all(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(connection)
    good, bad = further(monkeypatch, "CREATE TABLE one (a int)", "CREATE TABLE two (a int); SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection)
    assert await connection.fetchval("SELECT to_regclass('aidgate.one') IS NOT NULL")
    assert await connection.fetchval("SELECT to_regclass('aidgate.two') IS NULL")
    assert await pending(connection, "aidgate") == [bad.name]
    assert await pending(connection, "sandbox") == [good.name, bad.name]
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    assert await connection.fetchval("SHOW search_path") != "aidgate"
    assert await connection.fetchval("SELECT current_user") != "aidgate_owner"


async def test_phases_wait_for_their_time(connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    await migrate(connection)
    (post,) = further(monkeypatch, "CREATE TABLE one (a int)", phase="post")
    assert await migrate(connection, phases=("pre",)) == []
    assert await pending(connection, "aidgate", phases=("pre",)) == []
    assert await pending(connection, "aidgate") == [post.name]
    assert await migrate(connection) == [f"aidgate/{post.name}", f"sandbox/{post.name}"]


async def test_an_index_is_built_while_claims_are_made(
    connection: asyncpg.Connection, empty: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside a transaction, also while another process waits to migrate."""
    await migrate(connection)
    further(monkeypatch, "-- no transaction\nCREATE INDEX CONCURRENTLY card_kind_index ON card (kind)")
    other = await asyncpg.connect(empty.dsn())
    try:
        applied = await asyncio.gather(migrate(connection), migrate(other))
    finally:
        await other.close()
    assert sorted(len(names) for names in applied) == [0, 2]
    assert await connection.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'aidgate.card_kind_index'::regclass"
    )


async def test_an_unsafe_server_is_refused(empty: Server) -> None:
    connection = await asyncpg.connect(empty.dsn(), server_settings={"synchronous_commit": "off"})
    try:
        with pytest.raises(UnsafeDurability, match="synchronous_commit=off"):
            await migrate(connection)
        assert await connection.fetchval("SELECT to_regnamespace('aidgate') IS NULL")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.pre.sql", "0003_b.pre.sql"], "without a gap"),
        (["0001_a.pre.sql", "0001_b.pre.sql"], "a number used twice"),
        (["first.sql"], r"migrations/first.sql: a migration is called NNNN_what"),
        (["0001_a.before.sql"], "NNNN_what.pre.sql or NNNN_what.post.sql"),
    ],
)
def test_names_that_are_none(names: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "migrations").mkdir()
    for name in names:
        (tmp_path / "migrations" / name).write_text("SELECT 1")
    monkeypatch.setattr(migrating, "files", lambda _: tmp_path)
    with pytest.raises(MigrationRefused, match=complaint):
        migrations()

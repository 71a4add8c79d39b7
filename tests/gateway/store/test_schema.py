"""The schema as PostgreSQL has it: the sum of the migrations, the second guard of every ceiling, nobody's name."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.resources import files

import asyncpg
import msgspec
import pytest

from gateway.books import Books
from gateway.domain.claim import Visit
from gateway.domain.effects import Decision
from gateway.domain.effects import Use as Movement
from gateway.domain.operation import Author, Kind, Operation, Use, Verdict, fingerprint
from gateway.domain.outcome import PlainOutcome
from gateway.store.rounds import Decided
from rules import shipped
from tests.books import Desk, Holder, new_card, new_id, register, today
from tests.servers import on_every_server

pytestmark = on_every_server

_DEFINITIONS = """
SELECT concat_ws(' ', 'relation', c.relname, c.relkind, c.reloptions, pg_get_partkeydef(c.oid), c.relacl
               , c.relowner::regrole)
  FROM pg_class AS c WHERE c.relnamespace = $1::text::regnamespace AND NOT c.relispartition AND c.relkind <> 'c'
 UNION ALL
SELECT concat_ws(' ', 'column', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
               , a.attstorage, a.attidentity, pg_get_expr(d.adbin, d.adrelid), a.attacl)
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relnamespace = $1::text::regnamespace AND NOT c.relispartition AND a.attnum > 0
   AND c.relkind IN ('r', 'p', 'S')
 UNION ALL
SELECT concat_ws(' ', 'constraint', k.conname, pg_get_constraintdef(k.oid))
  FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
 WHERE k.connamespace = $1::text::regnamespace AND NOT c.relispartition
 UNION ALL
SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid))
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE c.relnamespace = $1::text::regnamespace AND NOT c.relispartition
 UNION ALL
SELECT concat_ws(' ', 'function', pg_get_functiondef(p.oid), p.proacl)
  FROM pg_proc AS p WHERE p.pronamespace = $1::text::regnamespace
 UNION ALL
SELECT concat_ws(' ', 'enum', t.typname, e.enumlabel, e.enumsortorder)
  FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid WHERE t.typnamespace = $1::text::regnamespace
"""


@pytest.fixture
async def superuser(books: Books) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(books.database.dsn)
    yield connection
    await connection.close()


async def definitions(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Everything there is in a schema, as text; its own name left out."""
    rows = await connection.fetch(_DEFINITIONS, schema)
    texts = [row[0].replace(f"{schema}.", "") for row in rows]
    return sorted(text for text in texts if " migration" not in text)


async def lay(connection: asyncpg.Connection, schema: str, sql: str) -> None:
    await connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION aidgate_owner")
    await connection.execute(f"SET ROLE aidgate_owner; SET search_path TO {schema}")
    await connection.execute(sql.replace(":schema", schema))
    await connection.execute("RESET ROLE; RESET search_path")


async def test_the_schema_is_the_sum_of_the_migrations(superuser: asyncpg.Connection) -> None:
    whole = files("gateway.store").joinpath("schema.sql").read_text()
    transaction = superuser.transaction()
    await transaction.start()
    await lay(superuser, "whole", whole)
    laid = await definitions(superuser, "whole")
    assert len(laid) > 250
    assert await definitions(superuser, "aidgate") == laid
    assert await definitions(superuser, "sandbox") == laid
    rows = "SELECT name, value FROM {}.setting WHERE name <> 'master_key_check' ORDER BY name"
    assert await superuser.fetch(rows.format("aidgate")) == await superuser.fetch(rows.format("whole"))
    await transaction.rollback()


async def test_a_difference_is_seen(superuser: asyncpg.Connection) -> None:
    """Else equal would say nothing."""
    before = await definitions(superuser, "aidgate")
    for change in (
        "ALTER TABLE aidgate.posting ADD COLUMN more int",
        "ALTER TABLE aidgate.movement DROP CONSTRAINT ceiling_holds",
        "GRANT DELETE ON aidgate.posting TO aidgate_posting",
        "GRANT UPDATE (amount) ON aidgate.posting TO aidgate_posting",
        "DROP INDEX aidgate.one_standing_claim_per_settlement",
        "ALTER TYPE aidgate.verdict ADD VALUE 'perhaps'",
        "ALTER TABLE aidgate.operation ALTER COLUMN record SET STORAGE MAIN",
        "ALTER TABLE aidgate.account ALTER COLUMN version SET DEFAULT 1",
        "DROP FUNCTION aidgate.uuid_floor CASCADE",
    ):
        transaction = superuser.transaction()
        await transaction.start()
        await superuser.execute(change)
        assert await definitions(superuser, "aidgate") != before, change
        await transaction.rollback()


async def test_enums_are_pythons(superuser: asyncpg.Connection) -> None:
    for name, enum in (("operation_kind", Kind), ("verdict", Verdict)):
        values = await superuser.fetchval(f"SELECT enum_range(NULL::aidgate.{name})::text[]")
        assert values == [member.value for member in enum]


# The second guard of every ceiling


def decided(account: int, version: int, *uses: Movement) -> Decided:
    """A decision that no code of ours would make."""
    content = Use("a", 1, "tests", "")
    author = Author(staff="tests")
    id_ = new_id()
    operation = Operation(
        id=id_, kind=Kind.USE, account=account, content=content, author=author, at=datetime.now(UTC),
        fingerprint=fingerprint(Kind.USE, author, None, content), raw=msgspec.json.encode(content),
    )  # fmt: skip
    return Decided(operation, version, shipped().digest, Decision(Verdict.APPROVED, None, PlainOutcome(), uses=uses))


async def test_an_overspend_is_refused_by_the_table(books: Books, holder: Holder) -> None:
    async with books.pool.acquire() as connection:
        version = await connection.fetchval("SELECT version FROM account WHERE account_id = $1", holder.account)
        first = await books.lanes.rounds.post(connection, [decided(holder.account, version, Movement("a", 100, 100))])
        assert first.places == {0}
        over = decided(holder.account, version + 1, Movement("a", 1, 100))
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await books.lanes.rounds.post(connection, [over])
        assert refused.value.constraint_name == "ceiling_holds"
        for allowed in (Movement("a", 1, 100, True), Movement("a", -50, 10), Movement("a", 5, None)):
            version += 1
            again = await books.lanes.rounds.post(connection, [decided(holder.account, version, allowed)])
            assert again.places == {0}
        chain = await connection.fetch(
            "SELECT delta, used_after FROM movement WHERE account_id = $1 ORDER BY version", holder.account
        )
    assert [tuple(row) for row in chain] == [(100, 100), (1, 101), (-50, 51), (5, 56)]


async def test_two_operations_of_one_account_are_refused(books: Books, holder: Holder) -> None:
    async with books.pool.acquire() as connection:
        version = await connection.fetchval("SELECT version FROM account WHERE account_id = $1", holder.account)
        with pytest.raises(asyncpg.RaiseError, match="two operations of one account"):
            await books.lanes.rounds.post(connection, [decided(holder.account, version) for _ in range(2)])


async def test_what_is_stale_or_there_already_is_left_out(books: Books, holder: Holder) -> None:
    other = await register(books)
    async with books.pool.acquire() as connection:
        version = "SELECT version FROM account WHERE account_id = $1"
        stale = decided(holder.account, await connection.fetchval(version, holder.account) - 1)
        fresh = decided(other.account, await connection.fetchval(version, other.account))
        posted = await books.lanes.rounds.post(connection, [stale, fresh])
        assert posted.places == {1}
        taken = msgspec.structs.replace(
            stale, operation=msgspec.structs.replace(stale.operation, id=fresh.operation.id)
        )
        taken = msgspec.structs.replace(taken, version=stale.version + 1)
        assert (await books.lanes.rounds.post(connection, [taken])).places == set()
        assert await connection.fetchval(version, holder.account) == taken.version


# Nobody can be read


async def test_no_column_says_who_somebody_is(books: Books, desk: Desk) -> None:
    """Everything a resident's claims leave behind, searched byte by byte in every column of every table."""
    holder = await register(books)
    stranger = new_card()
    canaries = {
        "name": holder.resident.name,
        "identity": holder.resident.identity,
        "phone": holder.resident.phone,
        "card": holder.card.number,
        "card id": "CANARY-CARD-ID",
        "diagnosis": "Z99.CANARY",
        "unknown card": stranger.number,
        "item": "ZZ0101",
    }
    card = msgspec.structs.replace(holder.card, card_id=canaries["card id"])
    sick = Visit("V1", "outpatient", today(), diagnosis=canaries["diagnosis"])
    done = await desk.deduct(desk.claim(card, visit=sick))
    assert done.stored.verdict is Verdict.APPROVED
    await desk.deduct(desk.claim(stranger, visit=sick))
    await desk.reverse(done.stored.id, card=card, note=canaries["name"])
    await desk.reverse(new_id(), card=card, note=canaries["diagnosis"])
    found = await search(books, {name: text.encode() for name, text in canaries.items()} | {"control": b"shanghai"})
    assert found.pop("control"), "the search finds nothing at all"
    assert found == {name: set() for name in canaries}


async def search(books: Books, wanted: dict[str, bytes]) -> dict[str, set[str]]:
    """The columns in which each of the texts can be read."""
    found: dict[str, set[str]] = {name: set() for name in wanted}
    columns = await books.pool.fetch(
        """SELECT c.relname, a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'aidgate'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
              AND NOT c.relispartition AND NOT a.attisdropped"""
    )
    assert len(columns) > 100
    for table, column in columns:
        values = await books.pool.fetch(f"SELECT {column} FROM {table}")
        for (value,) in values:
            shown = value if isinstance(value, bytes) else str(value).encode()
            for name, text in wanted.items():
                if text in shown:
                    found[name].add(f"{table}.{column}")
    return found

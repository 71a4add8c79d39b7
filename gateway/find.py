"""Find stored operations: one by its id, a clinic's by bill, visit or invoice number, a terminal's day."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from gateway.books import Books
from gateway.domain.facts import Stored
from gateway.domain.operation import Author, Kind, Verdict
from gateway.store.directory import Unknown
from gateway.store.statements import load

_SQL = load("find")


class Found(Struct, frozen=True):
    """An operation in a list."""

    id: UUID
    kind: Kind
    verdict: Verdict
    reason: str
    total: int
    aid: int
    visit: str | None
    bill: str | None
    invoice: str | None
    posted_at: datetime
    business_day: date


class DayTotal(Struct, frozen=True):
    """How many operations of one kind and verdict a terminal had on a business day, and their sums in fen."""

    kind: Kind
    verdict: Verdict
    reason: str
    count: int
    total: int
    aid: int


async def find_operation(books: Books, id_: UUID) -> Stored | None:
    """The stored operation. It is answered only once its account could be locked: then no failover can lose it."""
    async with books.pool.acquire() as connection:
        row = await connection.fetchrow(_SQL["operation"].sql, id_)
        if row is None:
            return None
        await books.lanes.rounds.lock(connection, [row["account_id"]])
    return books.lanes.rounds.stored_in(row)


async def find_by_number(
    books: Books, clinic: str, by: Literal["bill", "visit", "invoice"], number: str, since: datetime
) -> list[Found]:
    """The clinic's own operations with this number, newest first, at most 100."""
    rows = await books.pool.fetch(
        _SQL[f"by_{by}"].sql, *_SQL[f"by_{by}"].bind(clinic=clinic, number=number, since=since)
    )
    return [msgspec.convert({**row, "id": row["operation_id"]}, Found) for row in rows]


async def day_totals(books: Books, clinic: str, terminal: str, day: date) -> list[DayTotal]:
    """What the terminal's journal should agree with."""
    rows = await books.pool.fetch(
        _SQL["day_totals"].sql, *_SQL["day_totals"].bind(clinic=clinic, terminal=terminal, day=day)
    )
    return [msgspec.convert(dict(row), DayTotal) for row in rows]


async def find_author(books: Books, terminal: str) -> Author:
    """The terminal, with the clinic it stands in. Raises Unknown."""
    clinic = await books.pool.fetchval(_SQL["clinic_of_terminal"].sql, terminal)
    if clinic is None:
        raise Unknown(f"terminal {terminal} is not registered")
    return Author(terminal, clinic)

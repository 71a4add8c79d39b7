"""Acknowledge: somebody has seen an alert. And the alerts there are to see."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from gateway.books import Books
from gateway.store.statements import load

_SQL = load("find")
MOST = 1000
"""Alerts a list holds at most."""


class Alert(Struct, frozen=True):
    """A velocity counter that was hit. Names nobody: `account_id` is a number of ours."""

    account_id: int
    counter: str
    subject: str
    since: datetime
    operation_id: UUID
    clinic: str
    period: str
    """The counter's window, as the rulebook names it."""
    value: int
    threshold: int
    action: str
    """flag, challenge or refuse."""
    raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


async def list_alerts(books: Books, *, open_only: bool = True, most: int = MOST) -> list[Alert]:
    """The newest first; with `open_only` those nobody has acknowledged."""
    rows = await books.pool.fetch(_SQL["alerts"].sql, *_SQL["alerts"].bind(open_only=open_only, most=most))
    return [msgspec.convert(dict(row), Alert) for row in rows]


async def acknowledge(books: Books, operation: UUID, counter: str, *, by: str) -> int:
    """Notes who has seen the alerts that this counter raised at this operation. How many were still open."""
    arguments = _SQL["acknowledge"].bind(operation_id=operation, counter=counter, by=by)
    tag: str = await books.pool.execute(_SQL["acknowledge"].sql, *arguments)
    return int(tag.rpartition(" ")[2])

"""Look up a card: who is entitled to what today, and what is left of the year. Changes nothing."""

from datetime import UTC, date, datetime

from msgspec import Struct

from gateway.books import Books
from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Card
from gateway.domain.decision import outlook_of
from gateway.store.statements import load
from rules import Entitlement, Held, Left

_SQL = load("look_up")


class OpenStay(Struct, frozen=True):
    """A stay that has not ended."""

    clinic: str
    admitted: datetime


class LookupAnswer(Struct, frozen=True):
    """What a counter shows when a card is read. Names nobody."""

    known: bool
    """Is the card registered?"""
    holder: str
    """Masked name; empty when not known."""
    frozen: bool
    held: tuple[Held, ...]
    left: tuple[Left, ...]
    stays: tuple[OpenStay, ...]


async def look_up(books: Books, card: Card, day: date | None = None) -> LookupAnswer:
    """What holds for the card on a day; today (Shanghai) where none is given."""
    day = day or datetime.now(UTC).astimezone(SHANGHAI).date()
    account, card_key = await books.directory.account_of(card)
    async with books.pool.acquire() as connection:
        standing = await connection.fetchrow(
            _SQL["standing"].sql, *_SQL["standing"].bind(account_id=account, card_key=card_key)
        )
        assert standing is not None
        given = await connection.fetch(_SQL["entitlements"].sql, account)
        used = {row["accumulator"]: row["used_after"] for row in await connection.fetch(_SQL["used"].sql, account)}
        stays = await connection.fetch(_SQL["open_stays"].sql, account)
        rulebooks = await books.shelf.newest(connection)
    entitlements = tuple(Entitlement(*one) for one in given)
    outlook = outlook_of(entitlements, day, rulebooks, used)
    resident = await books.directory.resident(account)
    return LookupAnswer(
        known=standing["subject"] == "resident",
        holder=masked(resident.name) if resident else "",
        frozen=any(
            until is not None and until > day for until in (standing["frozen_until"], standing["card_frozen_until"])
        ),
        held=outlook.held,
        left=outlook.left,
        stays=tuple(OpenStay(*stay) for stay in stays),
    )


def masked(name: str) -> str:
    """张*三, 张*: the first character, and the last of three or more."""
    if len(name) < 2:
        return "*"
    return name[0] + "*" * max(1, len(name) - 2) + (name[-1] if len(name) > 2 else "")

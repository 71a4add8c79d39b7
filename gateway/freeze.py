"""Freeze and unfreeze: a card, account, terminal or clinic for which aid does not pay until a day."""

from datetime import date
from typing import Literal
from uuid import UUID

from gateway.books import Books
from gateway.domain.claim import Card
from gateway.domain.operation import Freeze, Unfreeze
from gateway.lanes import Done
from gateway.staff_acts import act
from gateway.store.directory import Unknown
from gateway.store.statements import load

_SQL = load("freeze")

Subject = Literal["card", "account", "terminal", "clinic"]


async def freeze(
    books: Books, staff: str, id_: UUID, subject: Subject, name: str, reason: str, until: date | None
) -> Done:
    """Aid does not pay from the next claim on, until a day (exclusive); None = until further notice.

    `name`: card number, account id, terminal or clinic. Raises Unknown and NotDone.
    """
    account, card_key = await _found(books, subject, name)
    return await act(books, staff, account, id_, Freeze(subject, reason, until, card_key))


async def unfreeze(books: Books, staff: str, id_: UUID, subject: Subject, name: str, reason: str) -> Done:
    """Aid pays again from the next claim on. Raises Unknown and NotDone."""
    account, card_key = await _found(books, subject, name)
    return await act(books, staff, account, id_, Unfreeze(subject, reason, card_key))


async def _found(books: Books, subject: Subject, name: str) -> tuple[int, bytes]:
    """(account, card key). A card nobody knows is refused, not given an account: most likely its number is mistyped."""
    match subject:
        case "card":
            card_key = books.directory.card_key(Card(number=name))
            account = await books.pool.fetchval(_SQL["account_of_card"].sql, card_key)
            if account is None:
                raise Unknown("No such card is known. Check the number.")
            return account, card_key
        case "terminal":
            return await books.directory.account_of_terminal(name), b""
        case "clinic":
            return await books.directory.account_of_clinic(name), b""
        case "account":
            known = (
                await books.pool.fetchval(_SQL["account"].sql, int(name))
                if name.isdecimal() and len(name) < 19
                else None
            )
            if known is None:
                raise Unknown("No such account is known. Its number stands in the list of alerts.")
            return known, b""

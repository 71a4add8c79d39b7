"""Books to test on, and everything a test needs around them: residents, desks at clinics, claims, ids.

People are synthetic and impossible: born in 2099, with card numbers that no card has.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from gateway.books import Books
from gateway.deduct import deduct
from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Card, Claim, ClaimLine, PriorPayment, Reversal, Visit
from gateway.domain.decision import Quoted
from gateway.domain.operation import Author, Entitle
from gateway.issue_quote import issue_quote
from gateway.lanes import Done
from gateway.replace import replace
from gateway.reverse import reverse
from gateway.selfcheck import selfcheck
from gateway.staff_acts import act
from gateway.store.directory import Resident
from gateway.store.embedded import Server
from gateway.trust.keyfile import MasterKey
from rules import shipped

KEY = MasterKey(b"a key for tests, of 32 bytes....")
ITEM = "ZZ0101"
"""A consultation: within the catalogue wholly, without a price ceiling, and nothing that is dispensed."""
OUT_OF_CATALOGUE = "ZZ0023"
_numbers = count(1)


def new_id() -> UUID:
    """A UUIDv7 of now."""
    random = secrets.randbits(12) << 64 | secrets.randbits(62)
    return UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | 2 << 62 | random)


def today() -> date:
    """Shanghai's."""
    return datetime.now(SHANGHAI).date()


def new_card() -> Card:
    """A card nobody registered."""
    return Card(number=f"X{next(_numbers):08}")


@dataclass(frozen=True)
class Holder:
    """A registered resident with a card."""

    account: int
    card: Card
    resident: Resident


@dataclass(frozen=True)
class Desk:
    """A terminal of a clinic, from which verbs are called as an agent would."""

    books: Books
    author: Author
    _bills: "count[int]" = field(default_factory=lambda: count(1))

    def claim(self, card: Card, *amounts: int, items: Sequence[str] = (), **changes: Any) -> Claim:
        """An outpatient claim of today: one line of the consultation per amount (fen), or of the items given."""
        amounts = amounts or (10_000,)
        bill = f"{self.author.terminal}-{next(self._bills)}"
        lines = tuple(
            ClaimLine(str(place), (items or (ITEM,) * len(amounts))[place - 1], amount)
            for place, amount in enumerate(amounts, 1)
        )
        claim = Claim(
            card=card,
            visit=Visit(id=f"V{bill}", type="outpatient", day=today(), bill=f"B{bill}"),
            at=datetime.now(UTC),
            total=sum(amounts),
            lines=lines,
        )
        return msgspec.structs.replace(claim, **changes)

    async def deduct(self, claim: Claim, id_: UUID | None = None, **options: Any) -> Done:
        """Under a new id unless one is given."""
        return await deduct(self.books, self.author, id_ or new_id(), claim, msgspec.json.encode(claim), **options)

    async def quote(self, claim: Claim) -> Quoted:
        return await issue_quote(self.books, self.author, claim)

    async def reverse(self, claim_id: UUID, id_: UUID | None = None, **content: Any) -> Done:
        """The whole claim, unless `lines` says which."""
        reversal = Reversal(**{"reason": "void", "at": datetime.now(UTC), **content})
        raw = msgspec.json.encode(reversal)
        return await reverse(self.books, self.author, claim_id, id_ or new_id(), reversal, raw)

    async def replace(self, claim_id: UUID, claim: Claim, id_: UUID | None = None) -> Done:
        return await replace(self.books, self.author, claim_id, id_ or new_id(), claim, msgspec.json.encode(claim))


async def open_books(server: Server, *, rulebooks: bool = True, **options: Any) -> Books:
    """The real books of a migrated database, with the shipped rulebooks in force."""
    books = await Books.open(server.dsn(), "aidgate", KEY, **options)
    if rulebooks:
        await books.activate(shipped(), by="tests")
    return books


async def open_desk(books: Books, clinic: str = "", *, lat: float = 0, lon: float = 0) -> Desk:
    """A new terminal, of a new clinic unless one is named."""
    number = next(_numbers)
    name = clinic or f"C{number:04}"
    if not clinic:
        await books.directory.register_clinic(name, f"Clinic {number}", "310104003", lat=lat, lon=lon)
    await books.directory.register_terminal(f"T{number:04}", name)
    return Desk(books, Author(f"T{number:04}", name))


async def register(
    books: Books, category: str = "DIBAO", *, district: str = "310101", starts: date | None = None
) -> Holder:
    """A new resident with a card and, unless `category` is empty, an entitlement since the year began."""
    number = next(_numbers)
    resident = Resident(f"测试{number}", f"310101209901{number:05}X", f"1390000{number:04}")
    account, _ = await books.directory.register_resident(resident, "310104003")
    card = new_card()
    await books.directory.register_card(card, account)
    if category:
        await entitle(books, account, category, starts or date(today().year - 1, 1, 1), district)
    return Holder(account, card, resident)


async def entitle(books: Books, account: int, category: str, starts: date, district: str = "310101") -> UUID:
    """A further entitlement; its id."""
    id_ = new_id()
    await act(books, "tests", account, id_, Entitle(category, starts, "tests", None, district))
    return id_


def with_prior(claim: Claim, amount: int, settlement: str = "", payer: str = "basic_pool") -> Claim:
    """The claim with one payer before aid."""
    return msgspec.structs.replace(claim, prior=(PriorPayment(payer, amount, settlement),))


async def assert_sound(books: Books) -> None:
    """What must hold of any books at any time."""
    connection = await books.database.connect()
    try:
        findings = await selfcheck(connection)
    finally:
        await connection.close()
    broken = [finding for finding in findings if finding.violations]
    assert not broken, broken

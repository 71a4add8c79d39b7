"""Who and what is known: which account a card opens, and the registration of residents, cards, clinics and
terminals."""

from collections import OrderedDict
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from gateway.domain.claim import Card
from gateway.store.card_lookups import CardLookups
from gateway.store.line import Connection, Pool
from gateway.store.statements import load
from gateway.trust.blind import BlindIndex
from gateway.trust.sealing import Sealer

_SQL = load("directory")
CACHED_CARDS = 100_000
"""About 20 MB; a card seldom changes its account, so the cache needs no clearing."""


CARDS_A_PAGE = 2000
"""Few enough that reading a page is not felt by those who are served meanwhile."""


class Unknown(LookupError):
    """Nothing is registered under that name; the message says what to do."""


class Resident(Struct, frozen=True):
    """Who the bureau knows behind an account. Sealed in the database."""

    name: str
    identity: str
    phone: str = ""


class Directory:
    """Look-up and registration in one schema."""

    def __init__(self, pool: Pool, blind: BlindIndex, sealer: Sealer) -> None:
        self._pool = pool
        self._blind = blind
        self._sealer = sealer
        self._cards: OrderedDict[bytes, int] = OrderedDict()
        self._lookups = CardLookups(pool)

    def card_key(self, card: Card) -> bytes:
        """What a card is known by inside."""
        return self._blind.card(f"{card.kind}:{card.number}")

    def diagnosis_key(self, diagnosis: str, account: int) -> str:
        """Tells diagnoses of one account apart without saying what they are; empty for none."""
        return self._blind.short(diagnosis, "diagnosis", account.to_bytes(8, "big")) if diagnosis else ""

    async def account_of(self, card: Card) -> tuple[int, bytes]:
        """(account, card key) of a card. An unknown card gets a stub account, so that its no can be kept.

        Stubs are not remembered: the bureau may register the card at any moment.
        """
        key = self.card_key(card)
        account = self._cards.get(key)
        if account is None:
            row = await self._lookups.find(key)
            if row is None:
                return await self._value(
                    "open_stub", card_key=key, kind=card.kind, sealed=self._seal_card(card, key)
                ), key
            account = row["account_id"]
            if row["subject"] != "stub":
                self._remember(key, account)
        return account, key

    async def remember_known_cards(self) -> None:
        """Reads the registered cards, as many as are kept, page by page: so that a gateway that has just been started
        need not ask for each."""
        after = b""
        while len(self._cards) < CACHED_CARDS:
            statement = _SQL["known_cards"]
            page = await self._pool.fetch(statement.sql, *statement.bind(after=after, most=CARDS_A_PAGE))
            for row in page:
                self._remember(row["card_key"], row["account_id"])
            if len(page) < CARDS_A_PAGE:
                return
            after = page[-1]["card_key"]

    async def place_of_operation(self, operation: UUID) -> tuple[int, str] | None:
        """(account, clinic) of a stored operation."""
        row = await self._row("place_of_operation", operation_id=operation)
        return (row["account_id"], row["clinic"]) if row else None

    async def account_of_clinic(self, clinic: str) -> int:
        """The clinic's own account, on which it is frozen."""
        return self._known(await self._value("account_of_clinic", clinic=clinic), f"clinic {clinic}")

    async def account_of_terminal(self, terminal: str) -> int:
        """The terminal's own account, on which it is frozen."""
        return self._known(await self._value("account_of_terminal", terminal=terminal), f"terminal {terminal}")

    async def account_of_identity(self, identity: str) -> int:
        """The account of the resident with this id number."""
        found = await self._value("account_of_identity", identity_key=self._blind.identity(identity))
        return self._known(found, "a resident with that id number")

    async def resident(self, account: int) -> Resident | None:
        """Who the bureau knows behind the account."""
        row = await self._row("resident", account_id=account)
        if row is None:
            return None
        opened = self._sealer.open(row["sealed"], table="resident", column="sealed", row=_row_id(account))
        return msgspec.msgpack.decode(opened, type=Resident)

    async def register_resident(self, resident: Resident, town: str) -> tuple[int, bool]:
        """(account, is new). The id number opens the account like a card, where no card can be read."""
        identity_key = self._blind.identity(resident.identity)
        known = await self._value("account_of_identity", identity_key=identity_key)
        if known is not None:
            return known, False
        as_card = Card(number=resident.identity, kind="id")
        async with self._pool.acquire() as connection, connection.transaction():
            account = await self._adopted_or_new(connection, self.card_key(as_card))
            sealed = self._sealer.seal(
                msgspec.msgpack.encode(resident), table="resident", column="sealed", row=_row_id(account)
            )
            await _execute(
                connection, "add_resident", account_id=account, identity_key=identity_key, sealed=sealed, town=town
            )
            await self._add_card(connection, as_card, account)
        return account, True

    async def register_card(self, card: Card, account: int) -> bool:
        """Lets a card open an account. False when it does already; a card of another resident is a ValueError."""
        key = self.card_key(card)
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_SQL["account_of_card"].sql, key)
            if row is None:
                await self._add_card(connection, card, account)
                return True
            if row["account_id"] == account:
                return False
            if row["subject"] != "stub":
                raise ValueError("this card opens the account of another resident; stop it there first")
            await _execute(connection, "repoint_stub_card", card_key=key, account_id=account)
            return True

    async def register_clinic(
        self, clinic: str, name: str, town: str, *, level: int = 1, lat: float = 0, lon: float = 0
    ) -> bool:
        """Adds a clinic with its account and payable, or changes its particulars. True when it is new."""
        async with self._pool.acquire() as connection, connection.transaction():
            particulars = {"clinic": clinic, "name": name, "town": town, "level": level, "lat": lat, "lon": lon}
            await _execute(connection, "open_payable", clinic=clinic, name=name)
            if await connection.fetchval(_SQL["account_of_clinic"].sql, clinic) is not None:
                await _execute(connection, "change_clinic", **particulars)
                return False
            account = await _value(connection, "open_account", subject="clinic")
            await _execute(connection, "add_clinic", account_id=account, **particulars)
            return True

    async def register_terminal(self, terminal: str, clinic: str) -> bool:
        """Adds a terminal to a clinic. True when it is new."""
        await self.account_of_clinic(clinic)
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_SQL["account_of_terminal"].sql, terminal) is not None:
                return False
            account = await _value(connection, "open_account", subject="terminal")
            await _execute(connection, "add_terminal", terminal=terminal, account_id=account, clinic=clinic)
            return True

    async def note_security_event(self, kind: str, terminal: str, operation: UUID | None, detail: str) -> None:
        """Keeps what should not have happened. `detail` names fields, never values."""
        await self._pool.execute(
            _SQL["add_security_event"].sql,
            *_SQL["add_security_event"].bind(kind=kind, terminal=terminal, operation_id=operation, detail=detail),
        )

    async def _adopted_or_new(self, connection: Connection, key: bytes) -> int:
        """The stub account that the id number opened already, or a new one."""
        row = await connection.fetchrow(_SQL["account_of_card"].sql, key)
        if row is None:
            account: int = await _value(connection, "open_account", subject="resident")
            return account
        await _execute(connection, "stub_becomes_resident", account_id=row["account_id"])
        return int(row["account_id"])

    async def _add_card(self, connection: Connection, card: Card, account: int) -> None:
        key = self.card_key(card)
        await _execute(
            connection, "add_card", card_key=key, account_id=account, kind=card.kind, sealed=self._seal_card(card, key)
        )

    def _seal_card(self, card: Card, key: bytes) -> bytes:
        return self._sealer.seal(msgspec.msgpack.encode(card), table="card", column="sealed", row=key)

    def _remember(self, key: bytes, account: int) -> None:
        self._cards[key] = account
        if len(self._cards) > CACHED_CARDS:
            self._cards.popitem(last=False)

    async def _row(self, statement: str, /, **values: object) -> asyncpg.Record | None:
        return await self._pool.fetchrow(_SQL[statement].sql, *_SQL[statement].bind(**values))

    async def _value(self, statement: str, /, **values: object) -> int:
        found: int = await self._pool.fetchval(_SQL[statement].sql, *_SQL[statement].bind(**values))
        return found

    @staticmethod
    def _known(found: int | None, what: str) -> int:
        if found is None:
            raise Unknown(f"{what} is not registered")
        return found


def _row_id(account: int) -> bytes:
    return account.to_bytes(8, "big")


async def _execute(connection: Connection, statement: str, /, **values: object) -> None:
    await connection.execute(_SQL[statement].sql, *_SQL[statement].bind(**values))


async def _value(connection: Connection, statement: str, /, **values: object) -> int:
    found: int = await connection.fetchval(_SQL[statement].sql, *_SQL[statement].bind(**values))
    return found

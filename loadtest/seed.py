"""Fills a database with the town: everybody registered and entitled, and a past of claims.

One claim is really made, through the gateway. The past is that claim again and again, for everybody and at other
times: rows that are made elsewhere in the same shape, copied in bulk. Only records are left short, because nothing on
the way of a claim reads an older one's.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from gateway.books import Books
from gateway.deduct import deduct
from gateway.domain.claim import Card, Claim
from gateway.domain.operation import Author, Entitle, Kind, fingerprint
from gateway.domain.outcome import PlainOutcome, Record, pack
from gateway.installation import Installation
from gateway.staff_acts import act, id_of_fact
from gateway.store.directory import Resident
from gateway.store.line import Connection
from gateway.trust.blind import BlindIndex
from loadtest import town
from rules import Activity

RETAINED_DAYS = 395
"""Ids lie within the partitions there are, also where the events are older."""
_QUIET_DAYS = 3
"""Nothing of the past falls into the windows of the counters that look at the last hours."""
_STAFF = "load test"

_PAST = """
CREATE TEMPORARY TABLE past (
    account_id bigint, version bigint, operation_id uuid, event_at timestamptz, posted_at timestamptz
  , terminal text, clinic text, number text, trace bytea
);
CREATE TEMPORARY TABLE pattern AS SELECT * FROM operation WHERE operation_id = '{id}';
"""
_MULTIPLY = """
INSERT INTO operation (operation_id, account_id, version, kind, verdict, reason, fingerprint, terminal, clinic, staff
                     , cashier, event_at, posted_at, business_day, service_day, total, aid, visit, bill, rulebooks
                     , record, signature)
SELECT n.operation_id, n.account_id, n.version, p.kind, p.verdict, p.reason, p.fingerprint, n.terminal, n.clinic, ''
     , p.cashier, n.event_at, n.posted_at, (n.posted_at AT TIME ZONE 'Asia/Shanghai')::date
     , (n.event_at AT TIME ZONE 'Asia/Shanghai')::date, p.total, p.aid, 'V' || n.number, 'B' || n.number, p.rulebooks
     , substr(p.record, 1, 64), p.signature
  FROM past AS n, pattern AS p;

INSERT INTO posting (operation_id, line, account_id, ledger, amount, business_day)
SELECT n.operation_id, s.line, n.account_id
     , CASE WHEN s.ledger LIKE 'clinic:%' THEN 'clinic:' || n.clinic || ':payable' ELSE s.ledger END
     , s.amount, (n.posted_at AT TIME ZONE 'Asia/Shanghai')::date
  FROM past AS n, posting AS s JOIN pattern AS p ON p.operation_id = s.operation_id;

INSERT INTO movement (account_id, accumulator, version, operation_id, delta, used_after, ceiling, is_exception)
SELECT n.account_id, replace(m.accumulator, own.visit, n.clinic || '/V' || n.number), n.version, n.operation_id, m.delta
     , CASE WHEN strpos(m.accumulator, own.visit) > 0 THEN m.delta ELSE m.delta * (n.version - 1) END
     , m.ceiling, m.is_exception
  FROM past AS n, movement AS m JOIN pattern AS p ON p.operation_id = m.operation_id
     , LATERAL (SELECT p.clinic || '/' || p.visit) AS own (visit);

INSERT INTO prior_settlement (operation_id, account_id, payer, settlement, standing)
SELECT n.operation_id, n.account_id, s.payer, left(s.settlement, 1) || n.number, true
  FROM past AS n, prior_settlement AS s JOIN pattern AS p ON p.operation_id = s.operation_id;

INSERT INTO activity (account_id, event_at, operation_id, is_presence, trace)
SELECT account_id, event_at, operation_id, true, trace FROM past;
"""


class Size(msgspec.Struct, frozen=True):
    """How much is in a database."""

    residents: int
    claims: int
    """Of the past, all residents together: as evenly as it goes."""
    days: int = 85
    """How far back the past reaches."""


async def fill(installation: Installation, size: Size) -> None:
    """Fills a migrated database."""
    books = await Books.open(installation.dsn, "aidgate", installation.key)
    connection = await books.database.connect()
    try:
        await connection.execute("SET ROLE NONE; SET synchronous_commit = off; SET work_mem = '64MB'")
        await _add_clinics(books)
        accounts = await _add_residents(books, BlindIndex(installation.key.blind_key()), connection, size)
        pattern = await _make_one_claim(books, size)
        await _add_past(books, connection, size, accounts, pattern)
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
        await books.close()


async def _add_clinics(books: Books) -> None:
    for number in range(town.CLINICS):
        lat, lon = town.place_of(number)
        await books.directory.register_clinic(town.clinic_id(number), f"Clinic {number}", town.TOWN, lat=lat, lon=lon)
    for terminal in range(town.TERMINALS):
        await books.directory.register_terminal(town.terminal_id(terminal), town.clinic_id(terminal))


async def _add_residents(books: Books, blind: BlindIndex, connection: Connection, size: Size) -> list[int]:
    """Registers and entitles everybody, as directory and verb would one by one. Accounts in the order of residents."""
    rows = await connection.fetch("SELECT new_account_id() AS id FROM generate_series(1, $1)", size.residents)
    accounts = [row["id"] for row in rows]
    claims, more = divmod(size.claims, size.residents)
    people = [_Person(books, blind, number, account) for number, account in enumerate(accounts)]
    await connection.copy_records_to_table(
        "account",
        columns=["account_id", "version", "subject"],
        records=((account, 1 + claims + (n < more), "resident") for n, account in enumerate(accounts)),
    )
    await connection.copy_records_to_table(
        "card",
        columns=["card_key", "account_id", "kind", "sealed"],
        records=(row for person in people for row in person.cards()),
    )
    await connection.copy_records_to_table(
        "resident",
        columns=["account_id", "identity_key", "sealed", "town"],
        records=(person.resident() for person in people),
    )
    entitled = id_day(RETAINED_DAYS + 1)
    digest = await connection.fetchval("SELECT digest FROM rulebook_activation ORDER BY activation_id DESC LIMIT 1")
    entitle = Entitle(town.CATEGORY, date(entitled.year - 1, 1, 1), _STAFF, None, town.DISTRICT)
    await connection.copy_records_to_table(
        "operation",
        columns=list(_ENTITLE_COLUMNS),
        records=(person.entitled(entitle, entitled, digest) for person in people),
    )
    await connection.copy_records_to_table(
        "entitlement",
        columns=["account_id", "entitlement_id", "category", "district", "starts", "confirmed_by"],
        records=(
            (
                person.account,
                person.entitlement_id(entitled),
                entitle.category,
                entitle.district,
                entitle.starts,
                _STAFF,
            )
            for person in people
        ),
    )
    return accounts


_ENTITLE_COLUMNS = (
    "operation_id", "account_id", "version", "kind", "verdict", "reason", "fingerprint", "terminal", "clinic", "staff",
    "cashier", "event_at", "posted_at", "business_day", "total", "aid", "rulebooks", "record", "signature",
)  # fmt: skip


class _Person:
    """One resident's rows."""

    __slots__ = ("_blind", "_books", "account", "number")

    def __init__(self, books: Books, blind: BlindIndex, number: int, account: int) -> None:
        self._books = books
        self._blind = blind
        self.number = number
        self.account = account

    def cards(self) -> Iterator[tuple[object, ...]]:
        for card in (Card(town.card_number(self.number)), Card(town.identity(self.number), "id")):
            key = self._books.directory.card_key(card)
            sealed = self._books.sealer.seal(msgspec.msgpack.encode(card), table="card", column="sealed", row=key)
            yield key, self.account, card.kind, sealed

    def resident(self) -> tuple[object, ...]:
        resident = Resident(f"测试{self.number}", town.identity(self.number))
        key = self._blind.identity(resident.identity)
        row = self.account.to_bytes(8, "big")
        sealed = self._books.sealer.seal(msgspec.msgpack.encode(resident), table="resident", column="sealed", row=row)
        return self.account, key, sealed, town.TOWN

    def entitlement_id(self, day: date) -> UUID:
        return id_of_fact(day, "load test", str(self.number))

    def entitled(self, content: Entitle, day: date, digest: str) -> tuple[object, ...]:
        id_ = self.entitlement_id(day)
        record = pack(Record(msgspec.json.encode(content), PlainOutcome()))
        sealed = self._books.sealer.seal(record, table="operation", column="record", row=id_.bytes)
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        print_ = fingerprint(Kind.ENTITLE, Author(staff=_STAFF), None, content)
        return (
            id_, self.account, 1, "entitle", "approved", "", print_, "", "", _STAFF,
            "", at, at, day, 0, 0, digest, sealed, b"",
        )  # fmt: skip


async def _make_one_claim(books: Books, size: Size) -> UUID:
    """A stranger to the load comes to the first terminal: the pattern of all claims of the past."""
    resident = Resident("测试", town.identity(size.residents))
    account, _ = await books.directory.register_resident(resident, town.TOWN)
    card = Card(town.card_number(size.residents))
    await books.directory.register_card(card, account)
    now = datetime.now(UTC)
    entitle = Entitle(town.CATEGORY, date(now.year - 1, 1, 1), _STAFF, None, town.DISTRICT)
    await act(books, _STAFF, account, id_of_fact(now.date(), "pattern"), entitle)
    body = msgspec.json.encode({**town.claim(1, size.residents, "pattern", now), "card": {"number": card.number}})
    claim = msgspec.json.decode(body, type=Claim)
    id_ = id_of_fact(now.date(), "pattern", "claim")
    done = await deduct(books, Author(town.terminal_id(0), town.clinic_id(0)), id_, claim, body, signature=bytes(200))
    if done.stored.verdict != "approved":
        raise RuntimeError(f"the pattern of all claims was {done.stored.verdict}: {done.stored.reason}")
    return id_


async def _add_past(books: Books, connection: Connection, size: Size, accounts: list[int], pattern: UUID) -> None:
    if not size.claims:
        return
    trace = msgspec.msgpack.decode(
        await connection.fetchval("SELECT trace FROM activity WHERE operation_id = $1", pattern), type=Activity
    )
    await connection.execute(_PAST.format(id=pattern))
    await connection.copy_records_to_table("past", records=_past(books, size, accounts, trace))
    await connection.execute(_MULTIPLY)


def _past(books: Books, size: Size, accounts: list[int], trace: Activity) -> Iterator[tuple[Any, ...]]:
    """Everybody's first claim, then everybody's second, and so on: by time, as they would have come."""
    encode = msgspec.msgpack.encode
    replace = msgspec.structs.replace
    residents = len(accounts)
    keys = [books.directory.card_key(Card(town.card_number(number)))[:6].hex() for number in range(residents)]
    ends = datetime.now(UTC) - timedelta(days=_QUIET_DAYS)
    step = timedelta(days=size.days - _QUIET_DAYS) / size.claims
    shrink = min(1.0, (RETAINED_DAYS - _QUIET_DAYS) / size.days)
    for serial in range(size.claims):
        turn, number = divmod(serial, residents)
        before = step * (size.claims - serial)
        event_at, posted_at = ends - before, ends - before * shrink
        id_ = _id_at(posted_at, serial)
        terminal = town.terminal_of(number)
        clinic = town.clinic_id(terminal)
        seen = replace(
            trace, id=id_.hex, at=int(event_at.timestamp()), card=keys[number], clinic=clinic,
            terminal=town.terminal_id(terminal), items=f"{serial:016x}",
        )  # fmt: skip
        yield (
            accounts[number], turn + 2, id_, event_at, posted_at, seen.terminal, clinic, f"past-{serial}", encode(seen),
        )  # fmt: skip


def id_day(days_ago: int) -> date:
    """A day that many days ago, UTC."""
    return (datetime.now(UTC) - timedelta(days=days_ago)).date()


def _id_at(moment: datetime, serial: int) -> UUID:
    """The UUIDv7 of a moment."""
    chance = int.from_bytes(sha256(serial.to_bytes(8, "big")).digest()[:10], "big")
    return UUID(
        int=int(moment.timestamp() * 1000) << 80
        | 7 << 76
        | (chance >> 62 & 0xFFF) << 64
        | 2 << 62
        | chance & (2**62 - 1)
    )

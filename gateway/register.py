"""Register lists: residents, cards, entitlements, clinics, earlier use of ceilings. A list again changes nothing.

Each list is checked against what is registered (`check_…`, which changes nothing) before its rows are written one by
one. A run that was cut off is finished by running it again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from gateway.books import Books
from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Card
from gateway.domain.operation import Entitle, Stop, Use
from gateway.importing.layouts import CardRow, ClinicRow, EntitlementRow, OpeningUseRow, ResidentRow
from gateway.importing.problems import RowError
from gateway.staff_acts import act, id_of_fact
from gateway.store.directory import Resident, Unknown
from gateway.store.statements import load
from rules import Rulebooks

_SQL = load("register")
_use_decoder = msgspec.json.Decoder(Use)

RESIDENT_UNKNOWN = (
    "No resident with this id number is registered. Import the residents first.",
    "该身份证号尚未登记，请先导入居民名单。",
)
CARD_OF_ANOTHER = (
    "This card opens the account of another resident. Find out whose it is before it is moved.",
    "该卡已登记在其他居民名下，请先核实持卡人。",
)
ENDS_LATER = (
    "This entitlement is registered with an earlier last day. Enter the further time as an entitlement of its own.",
    "该救助身份已登记较早的结束日期，请将后续时段另列一行。",
)
AMOUNT_DIFFERS = (
    "This reference is registered with another amount. Give a correction a reference of its own.",
    "该凭证号已登记其他金额，更正请使用新的凭证号。",
)


class Changed(Struct):
    """What a list changed."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


class _Numbered(Protocol):
    @property
    def row(self) -> int: ...


_Row = TypeVar("_Row", bound=_Numbered)
_Verdict = tuple[str, tuple[str, str]] | None
"""Column and sentences of what is wrong with a row."""


async def register_clinics(books: Books, rows: Sequence[ClinicRow]) -> Changed:
    """New clinics, and the particulars of known ones as the list has them."""
    done = Changed()
    for row in rows:
        is_new = await books.directory.register_clinic(
            row.code, row.name, row.town, level=row.level, lat=row.lat, lon=row.lon
        )
        _count(done, is_new)
    return done


async def register_residents(books: Books, rows: Sequence[ResidentRow]) -> Changed:
    """New residents; a known id number is left as it is."""
    done = Changed()
    for row in rows:
        _, is_new = await books.directory.register_resident(Resident(row.name, row.id_number), row.town)
        _count(done, is_new)
    return done


async def check_cards(books: Books, rows: Sequence[CardRow]) -> list[RowError]:
    """Holders that are not registered, cards that are somebody else's."""

    async def wrong(row: CardRow) -> _Verdict:
        account = await _resident(books, row.id_number)
        if account is None:
            return "id_number", RESIDENT_UNKNOWN
        key = books.directory.card_key(Card(number=row.card_number))
        held = await books.pool.fetchrow(_SQL["card_holder"].sql, key)
        if held is not None and held["subject"] != "stub" and held["account_id"] != account:
            return "card_number", CARD_OF_ANOTHER
        return None

    return await _errors(rows, wrong)


async def register_cards(books: Books, rows: Sequence[CardRow]) -> Changed:
    """Cards open the accounts of their holders. Rows have passed `check_cards`."""
    done = Changed()
    for row in rows:
        account = await books.directory.account_of_identity(row.id_number)
        card = Card(number=row.card_number, card_id=row.card_id)
        _count(done, await books.directory.register_card(card, account))
    return done


async def check_entitlements(books: Books, rows: Sequence[EntitlementRow]) -> list[RowError]:
    """Residents that are not registered, entitlements that would be prolonged."""

    async def wrong(row: EntitlementRow) -> _Verdict:
        account = await _resident(books, row.id_number)
        if account is None:
            return "id_number", RESIDENT_UNKNOWN
        known = await _entitlement(books, account, row)
        if known is not None and known[1] is not None and (row.ends is None or row.ends > known[1]):
            return "ends", ENDS_LATER
        return None

    return await _errors(rows, wrong)


async def register_entitlements(books: Books, rows: Sequence[EntitlementRow], *, by: str) -> Changed:
    """New entitlements; a known one gets the last day of the list where it is earlier. Rows passed the check."""
    done = Changed()
    today = _today()
    for row in rows:
        account = await books.directory.account_of_identity(row.id_number)
        known = await _entitlement(books, account, row)
        if known is None:
            id_ = id_of_fact(today, "entitle", str(account), row.category, row.starts.isoformat(), row.district)
            await act(
                books, by, account, id_, Entitle(row.category, row.starts, row.confirmed_by, row.ends, row.district)
            )
            done.added += 1
        elif row.ends is not None and row.ends != known[1]:
            id_ = id_of_fact(today, "stop", str(known[0]), row.ends.isoformat())
            await act(books, by, account, id_, Stop(known[0], row.ends, f"list of entitlements: {row.confirmed_by}"))
            done.changed += 1
        else:
            done.unchanged += 1
    return done


def yearly_accumulators(rulebooks: Rulebooks, years: Sequence[int]) -> set[str]:
    """The keys that use can be brought under: what any scheme counts by the year."""
    return {
        f"{name}.{year}"
        for year in years
        for scheme in rulebooks.on(date(year, 12, 31)).schemes
        for counted in scheme.accumulators.values()
        for name, per_visit in counted
        if not per_visit
    }


async def check_opening_use(books: Books, rows: Sequence[OpeningUseRow]) -> list[RowError]:
    """Residents that are not registered, references that are registered with another amount."""

    async def wrong(row: OpeningUseRow) -> _Verdict:
        account = await _resident(books, row.id_number)
        if account is None:
            return "id_number", RESIDENT_UNKNOWN
        known = await _amount_used(books, account, row)
        return ("amount", AMOUNT_DIFFERS) if known not in (None, row.amount) else None

    return await _errors(rows, wrong)


async def register_opening_use(books: Books, rows: Sequence[OpeningUseRow], *, by: str) -> Changed:
    """Use that happened elsewhere counts from now on. Rows have passed `check_opening_use`."""
    done = Changed()
    today = _today()
    for row in rows:
        account = await books.directory.account_of_identity(row.id_number)
        if await _amount_used(books, account, row) is not None:
            done.unchanged += 1
            continue
        id_ = id_of_fact(today, "use", str(account), row.accumulator, row.source, row.reference)
        await act(books, by, account, id_, Use(row.accumulator, row.amount, row.source, row.reference))
        done.added += 1
    return done


async def _errors(rows: Sequence[_Row], wrong: Callable[[_Row], Awaitable[_Verdict]]) -> list[RowError]:
    errors = []
    for row in rows:
        found = await wrong(row)
        if found is not None:
            column, sentences = found
            errors.append(RowError(row.row, column, _NAMES[sentences], *sentences))
    return errors


_NAMES = {
    RESIDENT_UNKNOWN: "RESIDENT_UNKNOWN",
    CARD_OF_ANOTHER: "CARD_OF_ANOTHER",
    ENDS_LATER: "ENDS_LATER",
    AMOUNT_DIFFERS: "AMOUNT_DIFFERS",
}
"""The stable name of each sentence, for programs."""


async def _resident(books: Books, id_number: str) -> int | None:
    try:
        return await books.directory.account_of_identity(id_number)
    except Unknown:
        return None


async def _entitlement(books: Books, account: int, row: EntitlementRow) -> tuple[UUID, date | None] | None:
    """(id, last day) of the entitlement with this category, district and first day."""
    for known in await books.pool.fetch(_SQL["entitlements"].sql, account):
        if (known["category"], known["district"], known["starts"]) == (row.category, row.district, row.starts):
            return known["entitlement_id"], known["ends"]
    return None


async def _amount_used(books: Books, account: int, row: OpeningUseRow) -> int | None:
    """Fen that were registered before under this source and reference."""
    arguments = _SQL["uses"].bind(account_id=account, accumulator=row.accumulator)
    for known in await books.pool.fetch(_SQL["uses"].sql, *arguments):
        use = _use_decoder.decode(books.lanes.rounds.open_record(known["record"], known["operation_id"]).raw)
        if (use.source, use.reference) == (row.source, row.reference):
            return use.amount
    return None


def _count(done: Changed, is_new: bool) -> None:
    if is_new:
        done.added += 1
    else:
        done.unchanged += 1


def _today() -> date:
    return datetime.now(UTC).astimezone(SHANGHAI).date()

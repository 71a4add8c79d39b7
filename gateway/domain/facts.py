"""What an operation is decided on: read in one snapshot, true as long as the account's version is."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from gateway.domain.operation import Kind, Verdict
from gateway.domain.outcome import Record
from rules import Activity, Entitlement


class Stored(Struct, frozen=True):
    """An operation as it is kept."""

    id: UUID
    account: int
    kind: Kind
    verdict: Verdict
    reason: str
    fingerprint: bytes
    refers: UUID | None
    terminal: str
    clinic: str
    version: int
    posted_at: datetime
    business_day: date
    record: Record


class Referred(Struct, frozen=True):
    """The operation that another one takes back, replaces or supersedes."""

    id: UUID
    account: int
    kind: Kind
    verdict: Verdict
    reason: str
    clinic: str
    business_day: date
    record: Record


class AccountStay(Struct, frozen=True):
    """An inpatient stay of the account."""

    clinic: str
    stay: str
    admitted: datetime
    discharged: datetime | None


class Facts(Struct, frozen=True):
    """Everything one operation is decided on. Days are when a freeze ends (exclusive); None = not frozen."""

    now: datetime
    """The database's time."""
    rulebooks: str
    """Digest of the set in force."""
    version: int
    subject: str
    """resident, stub, clinic or terminal."""
    shortfall_owner: str = "clinic"
    frozen_until: date | None = None
    card_frozen_until: date | None = None
    terminal_frozen_until: date | None = None
    clinic_frozen_until: date | None = None
    lat: float = 0.0
    lon: float = 0.0
    stored: Stored | None = None
    referred: Referred | None = None
    back: tuple[Record, ...] = ()
    """Records of the reversals and replacements that took back parts of the referred claim."""
    followed_by: tuple[UUID, ...] = ()
    """Claims that say they supersede or replace the referred one."""
    entitlements: tuple[Entitlement, ...] = ()
    entitlement_ids: tuple[UUID, ...] = ()
    used: dict[str, int] = {}
    """Fen used of each accumulator that was asked for."""
    activity: tuple[Activity, ...] = ()
    """By event time, oldest first."""
    stays: tuple[AccountStay, ...] = ()
    settlement_holders: tuple[UUID, ...] = ()
    """Standing claims behind which one of this claim's prior settlements stands already."""

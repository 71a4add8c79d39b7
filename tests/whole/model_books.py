"""The model's own books: what it knows of an account, and an operation as the database has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain.claim import Claim, StayReport
from gateway.domain.facts import AccountStay
from gateway.domain.operation import Entitle, Freeze, Kind, Operation, Stop, Unfreeze
from gateway.domain.outcome import ClaimOutcome, Record
from rules import Activity, Entitlement

FOREVER = date(9999, 12, 31)


@dataclass(frozen=True)
class Span:
    """When something may have happened, by the clients' clock: sent at, answered at."""

    sent: float = 0.0
    told: float = float("inf")

    def surely_before(self, other: "Span") -> bool:
        return self.told < other.sent

    def maybe_before(self, other: "Span") -> bool:
        return self.sent < other.told


@dataclass
class Account:
    """The model's own books of one account."""

    subject: str
    version: int = 0
    frozen: date | None = None
    cards: dict[bytes, date | None] = field(default_factory=dict)
    entitlements: dict[UUID, Entitlement] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    activity: list[tuple[datetime, UUID, Activity]] = field(default_factory=list)
    stays: dict[tuple[str, str], AccountStay] = field(default_factory=dict)
    settlements: dict[tuple[str, str], UUID] = field(default_factory=dict)

    def apply(self, operation: Operation) -> None:
        """What an approved operation changes of what later ones are decided on."""
        match operation.content:
            case Freeze(subject="card") as freeze:
                self.cards[freeze.card_key] = freeze.until or FOREVER
            case Unfreeze(subject="card") as unfreeze:
                self.cards[unfreeze.card_key] = None
            case Freeze() as freeze:
                self.frozen = freeze.until or FOREVER
            case Unfreeze():
                self.frozen = None
            case Entitle() as new:
                self.entitlements[operation.id] = Entitlement(new.category, new.starts, new.ends, new.district)
            case Stop() as stop:
                held = self.entitlements[stop.entitlement]
                self.entitlements[stop.entitlement] = msgspec.structs.replace(held, ends=stop.last_day)
            case StayReport() as report:
                key = (operation.author.clinic, operation.stay)
                if report.admitted is not None:
                    self.stays[key] = AccountStay(*key, report.admitted, None)
                else:
                    self.stays[key] = msgspec.structs.replace(self.stays[key], discharged=report.discharged)

    def recent(self, since: datetime | None) -> tuple[Activity, ...]:
        """The activity from that moment on, and the last before it, by event time."""
        if since is None:
            return ()
        ordered = sorted(self.activity, key=lambda entry: (entry[0], entry[1]))
        before = [trace for at, _, trace in ordered if at < since]
        return (*before[-1:], *(trace for at, _, trace in ordered if at >= since))


@dataclass(frozen=True)
class Written:
    """One operation as the database has it, with everything that hangs on it."""

    row: Mapping[str, Any]
    record: Record
    postings: tuple[tuple[str, int], ...]
    movements: dict[str, tuple[int, int, int | None, bool]]
    trace: Activity | None
    alerts: frozenset[tuple[str, str, int, str, int, int, str]]
    settlements: frozenset[tuple[str, str]]
    shortfall: tuple[str, int, int] | None
    span: Span
    stay: str = ""

    @property
    def kind(self) -> Kind:
        return Kind(self.row["kind"])


@dataclass(frozen=True)
class Foreign:
    """What an operation sees of other accounts."""

    clinic: date | None
    terminal: date | None
    holder: bool
    referred: bool


class Mismatch(AssertionError):
    """The gateway decided, or wrote, what the model does not."""


def seen(others: list[Written], span: Span) -> list[bool]:
    """May any of these have been there to see; and may none?"""
    if any(other.span.surely_before(span) for other in others):
        return [True]
    return [True, False] if any(other.span.maybe_before(span) for other in others) else [False]


def settlements_of(operation: Operation) -> tuple[tuple[str, str], ...]:
    if not isinstance(operation.content, Claim):
        return ()
    return tuple((prior.payer, prior.settlement) for prior in operation.content.prior if prior.settlement)


def comparable(outcome: object) -> object:
    """Entitlements are a set."""
    if isinstance(outcome, ClaimOutcome):
        ordered = tuple(sorted(outcome.entitlements, key=repr))
        return msgspec.structs.replace(outcome, entitlements=ordered, used=dict(sorted(outcome.used.items())))
    return outcome

"""Operations: everything that moves an account, under its own id, by its author, in the account's order.

A claim, a reversal, a freeze, a new entitlement: one envelope, one way through. The content says which it is.
"""

from datetime import date, datetime
from enum import StrEnum, unique
from hashlib import sha256
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from gateway.domain.claim import Claim, Reversal, StayReport


@unique
class Kind(StrEnum):
    """What an operation is. Equal to the database's `operation_kind`."""

    CLAIM = "claim"
    REVERSAL = "reversal"
    REPLACEMENT = "replacement"
    TOMBSTONE = "tombstone"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    ENTITLE = "entitle"
    STOP = "stop"
    USE = "use"
    STAY = "stay"


@unique
class Verdict(StrEnum):
    """How an operation ended. Equal to the database's `verdict`."""

    APPROVED = "approved"
    DECLINED = "declined"
    CHALLENGED = "challenged"


class Freeze(Struct, frozen=True, tag="freeze"):
    """Aid does not pay for a card, account, terminal or clinic until a day (exclusive); no day = until further
    notice."""

    subject: Literal["card", "account", "terminal", "clinic"]
    reason: str
    until: date | None = None
    card_key: bytes = b""
    """Which card of the account, when the subject is a card."""


class Unfreeze(Struct, frozen=True, tag="unfreeze"):
    """Ends a freeze at once."""

    subject: Literal["card", "account", "terminal", "clinic"]
    reason: str
    card_key: bytes = b""


class Entitle(Struct, frozen=True, tag="entitle"):
    """A category for the resident from a day to a day, both included."""

    category: str
    starts: date
    confirmed_by: str
    ends: date | None = None
    district: str = ""


class Stop(Struct, frozen=True, tag="stop"):
    """Ends an entitlement with a last day. Claims already decided keep what they were decided on."""

    entitlement: UUID
    """Operation id of the entitlement."""
    last_day: date
    reason: str


class Use(Struct, frozen=True, tag="use"):
    """Use of a ceiling or deductible that happened elsewhere: opening balances, aid paid on paper. Always sourced."""

    accumulator: str
    amount: int
    """Fen; negative takes back."""
    source: str
    reference: str


Content = Claim | Reversal | StayReport | Freeze | Unfreeze | Entitle | Stop | Use


class Author(Struct, frozen=True):
    """Who sends an operation: a terminal of a clinic, or staff."""

    terminal: str = ""
    clinic: str = ""
    staff: str = ""


class Operation(Struct, frozen=True):
    """One operation on its way to be decided."""

    id: UUID
    kind: Kind
    account: int
    content: Content
    author: Author
    at: datetime
    """Event time."""
    fingerprint: bytes
    """SHA-256 of kind, author and content; what makes a repeat the same."""
    card_key: bytes = b""
    """The card that opened the account; empty where none was read."""
    refers: UUID | None = None
    """What it takes back, replaces or supersedes."""
    signature: bytes = b""
    """The terminal's signature with its input line, as it came."""
    deadline: float | None = None
    """Epoch seconds after which it is not to be started."""
    raw: bytes = b""
    """The body as it came; what the signature covers."""
    stay: str = ""
    """Stay id, when the content is a stay report."""
    diagnosis_key: str = ""
    """Short keyed hash of the main diagnosis."""


def fingerprint(kind: Kind, author: Author, refers: UUID | None, content: Content, stay: str = "") -> bytes:
    """SHA-256 over everything that makes the request what it is, in one canonical form: the same for every way of
    writing the same JSON."""
    canonical = msgspec.json.encode((kind, author.terminal, author.staff, refers, content, stay))
    return sha256(canonical).digest()

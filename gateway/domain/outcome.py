"""What an operation led to, as it is stored: enough to answer it again word for word, to explain it, and to take it
back.

Packed with msgspec's MessagePack and sealed. Fields are only ever added, at the end, with defaults: records written
years ago must open. Amounts are integer fen.
"""

from datetime import date
from uuid import UUID

import msgspec
from msgspec import Struct

from rules import Assessment, Entitlement, Movement, Screening, Share


class Shortfall(Struct, frozen=True, array_like=True):
    """What an offline claim was promised more than it was worth, and who bears it."""

    promised: int
    exact: int
    owner: str
    reason: str = ""
    """Why aid did not pay what was promised: a refusal code, or empty when it paid less."""


class Back(Struct, frozen=True, array_like=True):
    """What was taken back of a claim, and from whom."""

    claim: UUID
    lines: tuple[int, ...]
    """Places of the lines within the claim."""
    line_ids: tuple[str, ...]
    shares: tuple[Share, ...]
    movements: tuple[Movement, ...]
    whole: bool
    """Nothing of the claim is left."""
    business_day: date
    """The claim's: a void on the same business day, a refund later."""


class ClaimOutcome(Struct, frozen=True, array_like=True, tag=1):
    """A claim, or the new claim of a replacement, assessed and screened."""

    assessment: Assessment | None
    """Without its steps, which are recomputed to explain; None when it was refused before the rules were asked."""
    screening: Screening | None
    quote: str
    """Digest of the split as decided; what a cashier confirms."""
    entitlements: tuple[Entitlement, ...] = ()
    used: dict[str, int] = {}
    """What was used of each accumulator before, in fen: the facts the rules were given."""
    replaced: Back | None = None
    shortfall: Shortfall | None = None


class ReversalOutcome(Struct, frozen=True, array_like=True, tag=2):
    """A claim or lines of it taken back; or, when the claim was not there yet, its id spent."""

    back: Back | None = None
    tombstone: UUID | None = None


class PlainOutcome(Struct, frozen=True, array_like=True, tag=3):
    """Everything else an operation can be: the content says it all."""


Outcome = ClaimOutcome | ReversalOutcome | PlainOutcome


class Record(Struct, frozen=True, array_like=True):
    """What is sealed with an operation."""

    raw: bytes
    """The request's body as it came: what the signature covers. JSON of the content."""
    outcome: Outcome


_decoder = msgspec.msgpack.Decoder(Record)
_encoder = msgspec.msgpack.Encoder()


def pack(record: Record) -> bytes:
    """The record as bytes, to be sealed."""
    return _encoder.encode(record)


def unpack(packed: bytes) -> Record:
    """The record again."""
    return _decoder.decode(packed)

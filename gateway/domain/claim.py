"""What a clinic asks: claims, reversals, stays, as they come over the wire, and what no claim can be.

All amounts are integer fen. A record that exists has passed the shape checks of its types; `contradictions` finds
what types cannot say. Texts hold no control characters, which PostgreSQL could not store (\\u0000) and no screen
should show; in their patterns `$` alone would let a last line feed through.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from gateway.domain.calendar import SHANGHAI

MAX_FEN = 1_000_000_000_00
"""One thousand million yuan: more than any visit costs; sums of 200 such lines stay far below a bigint."""
MAX_LINES = 200
MAX_PRIORS = 20

Fen = Annotated[int, Meta(ge=0, le=MAX_FEN)]
PositiveFen = Annotated[int, Meta(ge=1, le=MAX_FEN)]
Text = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
Moment = Annotated[datetime, Meta(tz=True)]


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """What opens the account: the social security card, or the id number where the card cannot be read."""

    number: Name
    kind: Literal["ssc", "id"] = "ssc"
    """`ssc`: number of the social security card. `id`: the holder's id number, typed at the counter."""
    card_id: Text = ""
    """卡识别码, where the reader gave it."""


class Visit(Struct, frozen=True, forbid_unknown_fields=True):
    """One visit, as the clinic's own system knows it."""

    id: Name
    type: Literal["outpatient", "emergency", "inpatient"]
    day: date
    """Date of service: which rules apply."""
    bill: Text = ""
    invoice: Text = ""
    department: Text = ""
    diagnosis: Text = ""
    """Code of the main diagnosis."""
    admitted: date | None = None
    discharged: date | None = None


class ClaimLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One fee line."""

    id: Name
    item: Name
    """The clinic's own item code, or the catalogue's."""
    amount: PositiveFen
    name: Text = ""
    quantity: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1000
    """In thousandths of a unit: one and a half packs are 1500."""
    days: Annotated[int, Meta(ge=0, le=400)] = 0
    """Days of supply dispensed; 0 = by the catalogue."""


class PriorPayment(Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer before medical aid has paid, and under which settlement of its own."""

    payer: Name
    amount: Fen
    settlement: Text = ""
    """Its settlement id; stands behind one standing claim at most."""


class IdentityCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """How a challenge was answered: who checked what, when."""

    method: Literal["id_card", "face", "pin", "known"]
    by: Name
    at: Moment


class Offline(Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent promised while it had no connection."""

    provisional: Fen
    """Aid granted at the counter."""
    terms: Annotated[str, Meta(max_length=4096)] = ""
    """The signed terms it was granted on, as the gateway gave them; empty if there were none."""
    sequence: Annotated[int, Meta(ge=0, le=2**53)] = 0


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """What a clinic asks to be paid for one visit."""

    card: Card
    visit: Visit
    at: Moment
    """Event time: when the cashier confirmed."""
    total: PositiveFen
    lines: Annotated[tuple[ClaimLine, ...], Meta(min_length=1, max_length=MAX_LINES)]
    prior: Annotated[tuple[PriorPayment, ...], Meta(max_length=MAX_PRIORS)] = ()
    cashier: Text = ""
    quote: Annotated[str, Meta(max_length=64, pattern=r"^[0-9a-f]*$(?!\n)")] = ""
    """Digest of the quote the cashier was shown; empty = decide whatever comes out."""
    supersedes: UUID | None = None
    """Id of the challenged claim, or of the one whose quote had changed, that this one takes the place of."""
    identity_check: IdentityCheck | None = None
    offline: Offline | None = None


class Reversal(Struct, frozen=True, forbid_unknown_fields=True):
    """Takes a claim back: wholly, or the lines named."""

    reason: Literal["timeout", "void", "refund", "error", "wrong_card", "cannot_pay"]
    at: Moment
    lines: Annotated[tuple[Name, ...], Meta(max_length=MAX_LINES)] = ()
    """Ids of the claim's lines; none = the whole claim (or what is left of it)."""
    card: Card | None = None
    """Needed only where the claim may not have arrived yet: a tombstone must know its account."""
    cashier: Text = ""
    note: Text = ""


class StayReport(Struct, frozen=True, forbid_unknown_fields=True):
    """An inpatient stay begins or ends. Sent again with a discharge under the same stay id, but an operation id of
    its own."""

    card: Card
    operation: UUID
    """Operation id of this report, UUIDv7."""
    at: Moment
    admitted: Moment | None = None
    discharged: Moment | None = None
    """Exactly one of the two: an admission or a discharge."""


def contradictions(claim: Claim) -> list[str]:
    """Names of the fields that cannot all be true together; empty when the claim is possible. Never the values."""
    wrong = []
    if sum(line.amount for line in claim.lines) != claim.total:
        wrong += ["total", "lines.amount"]
    if len({line.id for line in claim.lines}) != len(claim.lines):
        wrong.append("lines.id")
    if sum(prior.amount for prior in claim.prior) > claim.total:
        wrong.append("prior.amount")
    settled = [(prior.payer, prior.settlement) for prior in claim.prior if prior.settlement]
    if len(set(settled)) != len(settled):
        wrong.append("prior.settlement")
    if claim.visit.day > claim.at.astimezone(SHANGHAI).date():
        wrong.append("visit.day")
    wrong += _stay_contradictions(claim.visit)
    if claim.identity_check is not None and not claim.supersedes:
        wrong.append("supersedes")
    if claim.offline is not None and claim.offline.provisional > claim.total:
        wrong.append("offline.provisional")
    return wrong


def _stay_contradictions(visit: Visit) -> list[str]:
    if visit.type != "inpatient":
        return ["visit.admitted"] if visit.admitted or visit.discharged else []
    if visit.admitted and visit.discharged and visit.admitted > visit.discharged:
        return ["visit.admitted", "visit.discharged"]
    return []

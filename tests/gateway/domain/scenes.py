"""Operations and facts for `decide`, without a database: a resident, a consultation, nothing amiss.

`decide` is always reached through its module, so that a mutant can stand in for it.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain import decision
from gateway.domain.claim import Card, Claim, ClaimLine, Offline, PriorPayment, Reversal, StayReport, Visit
from gateway.domain.effects import Decision, Refused, Replay
from gateway.domain.facts import Facts, Referred, Stored
from gateway.domain.operation import Author, Content, Entitle, Freeze, Kind, Operation, Stop, Unfreeze, Use, fingerprint
from gateway.domain.outcome import ClaimOutcome, Record
from gateway.domain.refusal import Refusal
from rules import Activity, Entitlement, shipped

NOW = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)
TODAY = date(2026, 3, 10)
TOMORROW = TODAY + timedelta(days=1)
BOOKS = shipped()
ACCOUNT = 2049
OTHER_ACCOUNT = 3074
AUTHOR = Author("T1", "C1")
CARD = Card("X00000001")
CARD_KEY = bytes(range(32))
CEILING = "shanghai_medical_aid.aid_outpatient.2026"
"""The accumulator of outpatient aid, 6,000 yuan a year."""
AID = 7_000
"""What aid pays of the scene's claim of 100 yuan: 70 % of a consultation without prior payers."""

_KINDS: Mapping[type, Kind] = {
    Claim: Kind.CLAIM,
    Reversal: Kind.REVERSAL,
    StayReport: Kind.STAY,
    Freeze: Kind.FREEZE,
    Unfreeze: Kind.UNFREEZE,
    Entitle: Kind.ENTITLE,
    Stop: Kind.STOP,
    Use: Kind.USE,
}


def uid(number: int) -> UUID:
    """A UUIDv7 that reads as its number."""
    return UUID(int=(int(NOW.timestamp() * 1000) << 80) | 7 << 76 | 2 << 62 | number)


CLAIM, LATER = uid(1), uid(2)
"""Ids of the first operation of a scene, and of the one that refers to it."""


def claim(*amounts: int, item: str = "ZZ0101", day: date = TODAY, **changes: Any) -> Claim:
    """An outpatient claim, one line per amount."""
    amounts = amounts or (10_000,)
    return msgspec.structs.replace(
        Claim(
            card=CARD,
            visit=Visit("V1", "outpatient", day, bill="B1"),
            at=NOW,
            total=sum(amounts),
            lines=tuple(ClaimLine(str(n), item, amount) for n, amount in enumerate(amounts, 1)),
        ),
        **changes,
    )


def prior(amount: int, payer: str = "basic_pool", settlement: str = "S1") -> tuple[PriorPayment, ...]:
    return (PriorPayment(payer, amount, settlement),)


def offline(promised: int, terms: str = "") -> Offline:
    return Offline(provisional=promised, terms=terms, sequence=1)


def operation(content: Content, **changes: Any) -> Operation:
    """The content as an operation of the scene's terminal, on the scene's account."""
    kind = changes.pop("kind", _KINDS[type(content)])
    refers = changes.pop("refers", getattr(content, "supersedes", None))
    author = changes.pop("author", AUTHOR)
    made = Operation(
        id=CLAIM if refers is None else LATER,
        kind=kind,
        account=ACCOUNT,
        content=content,
        author=author,
        at=getattr(content, "at", NOW),
        fingerprint=fingerprint(kind, author, refers, content),
        card_key=CARD_KEY,
        refers=refers,
        raw=msgspec.json.encode(content),
    )
    return msgspec.structs.replace(made, **changes)


def entitled(*categories: str) -> tuple[Entitlement, ...]:
    """Since 2025, by a district without a top-up."""
    return tuple(Entitlement(category, date(2025, 1, 1), None, "310101") for category in categories)


def facts(**changes: Any) -> Facts:
    """A resident on minimum subsistence at a clinic in order."""
    made = Facts(now=NOW, rulebooks=BOOKS.digest, version=5, subject="resident", entitlements=entitled("DIBAO"))
    return msgspec.structs.replace(made, **changes)


def answer(operation: Operation, facts: Facts) -> decision.Answer:
    return decision.decide(operation, facts, BOOKS)


def decide(operation: Operation, facts: Facts) -> Decision:
    """What was decided; anything else fails."""
    made = answer(operation, facts)
    assert isinstance(made, Decision), made
    return made


def reason(operation: Operation, facts: Facts) -> Refusal | None:
    """Why it was refused; None when it was not."""
    match answer(operation, facts):
        case Decision(reason=why):
            return why
        case Refused(refusal=why):
            return why
        case Replay():
            return None


def outcome(made: Decision) -> ClaimOutcome:
    """Of a claim that was decided."""
    assert isinstance(made.outcome, ClaimOutcome)
    return made.outcome


def amounts(made: Decision) -> dict[str, int]:
    """Ledger account -> what is posted on it."""
    sums: dict[str, int] = {}
    for ledger, amount in made.postings:
        sums[ledger] = sums.get(ledger, 0) + amount
    return {ledger: amount for ledger, amount in sums.items() if amount}


def keep(operation: Operation, decision: Decision) -> Stored:
    """The operation as the database would keep it."""
    return Stored(
        id=operation.id,
        account=operation.account,
        kind=operation.kind,
        verdict=decision.verdict,
        reason=decision.reason or "",
        fingerprint=operation.fingerprint,
        refers=operation.refers,
        terminal=operation.author.terminal,
        clinic=operation.author.clinic,
        version=6,
        posted_at=NOW,
        business_day=TODAY,
        record=Record(operation.raw, decision.outcome),
    )


def refer(operation: Operation, decision: Decision) -> Referred:
    """The same as a later operation sees it that refers to it."""
    kept = keep(operation, decision)
    return Referred(
        kept.id, kept.account, kept.kind, kept.verdict, kept.reason, kept.clinic, kept.business_day, kept.record
    )


def referred(content: Claim | None = None, facts_then: Facts | None = None) -> Referred:
    """An approved claim of the scene, unless the facts then were against it."""
    first = operation(content or claim())
    return refer(first, decide(first, facts_then or facts()))


def reversal(*lines: str, **changes: Any) -> Operation:
    """Of the scene's claim: wholly, or the lines named."""
    content = Reversal("void", changes.pop("at", NOW), lines=lines)
    return operation(content, refers=CLAIM, **changes)


def replacement(content: Claim, **changes: Any) -> Operation:
    """Of the scene's claim."""
    return operation(content, kind=Kind.REPLACEMENT, refers=CLAIM, **changes)


def attempts(count: int, *, ago: timedelta, decision: str = "declined", **changes: Any) -> tuple[Activity, ...]:
    """What the account did before: so many attempts, a minute apart, the last one that long ago."""
    return tuple(
        msgspec.structs.replace(
            Activity(
                id=f"before{n}{ago}", kind="claim", at=int((NOW - ago).timestamp()) - 60 * n, decision=decision,
                card=CARD_KEY[:6].hex(), clinic="C1", terminal="T1", total=10_000,
            ),
            **changes,
        )
        for n in range(count)
    )  # fmt: skip


MANY_DECLINES = attempts(10, ago=timedelta(minutes=1))
"""Reaches the band of the counter of declines that refuses, whatever the claim is."""
SOME_DECLINES = attempts(6, ago=timedelta(hours=3))
"""Reaches the band that asks for an identity check."""

"""What the gateway answers: rendered from the stored operation, the first time and on every repeat: both are identical.

All amounts are integer fen.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from gateway.domain.claim import Claim
from gateway.domain.facts import Stored
from gateway.domain.operation import Kind, Verdict
from gateway.domain.outcome import Back, ClaimOutcome, ReversalOutcome
from gateway.domain.refusal import SAYINGS, Refusal
from rules import Assessment, Screening, Share


class Say(Struct, frozen=True):
    """A sentence to read aloud."""

    zh: str
    en: str


class PayerShare(Struct, frozen=True, omit_defaults=True):
    """One payer's part."""

    payer: str
    amount: int
    lines: dict[str, int] | None = None
    """By line id; absent where no split was made."""


class CounterHit(Struct, frozen=True):
    """A velocity counter that mattered, and its value."""

    counter: str
    window: str
    value: int
    threshold: int
    action: str


class Offer(Struct, frozen=True):
    """A split that is not charged, but could be: confirm it with a new claim that carries this digest."""

    quote: str
    aid: int
    shares: tuple[PayerShare, ...]


class TakenBack(Struct, frozen=True):
    """What was taken back of a claim."""

    claim: UUID
    lines: tuple[str, ...]
    aid: int
    shares: tuple[PayerShare, ...]
    whole: bool
    """Nothing of the claim is left."""
    same_day: bool
    """Void (撤销) on the claim's own business day; a refund (退费) later."""


class PromisedTooMuch(Struct, frozen=True):
    """An offline claim whose promise was more than aid pays."""

    promised: int
    exact: int
    owner: str
    """Who bears the difference."""
    reason: str


class Reason(Struct, frozen=True, omit_defaults=True):
    """One step of a calculation: what went in and came out (fen), by which numbers, on what ground."""

    rule: str
    base: int
    result: int
    detail: str = ""
    source: str = ""
    status: str = ""
    """law, press or synthetic."""


class Split(Struct, frozen=True, omit_defaults=True):
    """Who pays what of a claim, with the steps that led there. Fen."""

    rulebooks: str
    quote: str
    total: int
    aid: int
    cash: int
    shares: tuple[PayerShare, ...]
    steps: tuple[Reason, ...]
    category: str = ""
    no_aid: str = ""
    unmapped: tuple[str, ...] = ()


class ClaimAnswer(Struct, frozen=True, omit_defaults=True):
    """A claim or replacement, decided."""

    id: UUID
    kind: Kind
    verdict: Verdict
    total: int
    aid: int
    cash: int
    """What the resident pays."""
    shares: tuple[PayerShare, ...]
    posted_at: datetime
    business_day: date
    account_version: int
    rulebooks: str
    quote: str
    reason: str = ""
    say: Say | None = None
    category: str = ""
    unmapped: tuple[str, ...] = ()
    counters: tuple[CounterHit, ...] = ()
    offer: Offer | None = None
    supersedes: UUID | None = None
    replaces: TakenBack | None = None
    shortfall: PromisedTooMuch | None = None
    no_aid: str = ""
    """Why an approved claim gets no aid: BELOW_DEDUCTIBLE, whose cost counts towards the deductible."""


class ReversalAnswer(Struct, frozen=True, omit_defaults=True):
    """A reversal, decided."""

    id: UUID
    kind: Kind
    verdict: Verdict
    claim: UUID
    posted_at: datetime
    business_day: date
    account_version: int
    reason: str = ""
    say: Say | None = None
    taken_back: TakenBack | None = None
    tombstone: bool = False
    """The claim had not arrived; should it still come, it is declined."""


class PlainAnswer(Struct, frozen=True, omit_defaults=True):
    """Any other operation, decided."""

    id: UUID
    kind: Kind
    verdict: Verdict
    posted_at: datetime
    business_day: date
    account_version: int
    reason: str = ""
    say: Say | None = None


OperationAnswer = ClaimAnswer | ReversalAnswer | PlainAnswer


class _Line(Struct, frozen=True):
    id: str


class _Prior(Struct, frozen=True):
    payer: str
    amount: int


class _Claim(Struct, frozen=True):
    """What an answer needs to know of a stored claim: far less to decode than all of it."""

    total: int
    lines: tuple[_Line, ...]
    prior: tuple[_Prior, ...] = ()


_claim_parts = msgspec.json.Decoder(_Claim)
_encoder = msgspec.json.Encoder(uuid_format="canonical")


def render(stored: Stored) -> bytes:
    """The stored operation as the JSON that is answered."""
    return _encoder.encode(answer(stored))


def answer(stored: Stored) -> OperationAnswer:
    """The stored operation in the words of the wire."""
    if stored.kind is Kind.TOMBSTONE:
        return PlainAnswer(id=stored.id, kind=Kind.CLAIM, verdict=stored.verdict, **_when(stored), **_why(stored))
    outcome = stored.record.outcome
    if isinstance(outcome, ClaimOutcome):
        return _claim_answer(stored, outcome)
    if isinstance(outcome, ReversalOutcome):
        assert stored.refers is not None
        return ReversalAnswer(
            id=stored.id,
            kind=stored.kind,
            verdict=stored.verdict,
            claim=stored.refers,
            taken_back=_taken_back(outcome.back, stored) if outcome.back else None,
            tombstone=outcome.tombstone is not None,
            **_when(stored),
            **_why(stored),
        )
    return PlainAnswer(id=stored.id, kind=stored.kind, verdict=stored.verdict, **_when(stored), **_why(stored))


def say(reason: str) -> Say | None:
    """The sentence of a refusal; None when there is none."""
    if not reason:
        return None
    saying = SAYINGS[Refusal(reason)]
    return Say(saying.zh, saying.en)


def payer_shares(shares: tuple[Share, ...], line_ids: tuple[str, ...]) -> tuple[PayerShare, ...]:
    """Shares per payer (a scheme with several funds is one payer), with their lines by id."""
    merged: dict[str, list[int]] = {}
    for share in shares:
        lines = merged.setdefault(share.payer, [0] * len(line_ids))
        for place, amount in enumerate(share.lines):
            lines[place] += amount
    return tuple(
        PayerShare(payer, sum(lines), {id_: amount for id_, amount in zip(line_ids, lines, strict=True) if amount})
        for payer, lines in merged.items()
    )


def counter_hits(screening: Screening | None) -> tuple[CounterHit, ...]:
    """The counters that mattered, with their values."""
    hits = screening.hits if screening else ()
    return tuple(CounterHit(hit.counter, hit.window, hit.value, hit.threshold, hit.action) for hit in hits)


def split_of(assessment: Assessment, quote: str, claim: Claim) -> Split:
    """An assessment in the words of the wire, with its steps."""
    shares = payer_shares(assessment.shares, tuple(line.id for line in claim.lines))
    steps = tuple(
        Reason(step.rule, step.base, step.result, step.detail, step.source, step.status) for step in assessment.steps
    )
    return Split(
        rulebooks=assessment.rulebooks,
        quote=quote,
        total=assessment.total,
        aid=assessment.aid,
        cash=shares[-1].amount,
        shares=shares,
        steps=steps,
        category=assessment.category,
        no_aid=assessment.no_aid,
        unmapped=assessment.unmapped,
    )


def _claim_answer(stored: Stored, outcome: ClaimOutcome) -> ClaimAnswer:
    claim = _claim_parts.decode(stored.record.raw)
    line_ids = tuple(line.id for line in claim.lines)
    assessment = outcome.assessment
    split = payer_shares(assessment.shares, line_ids) if assessment else ()
    paid = stored.verdict is Verdict.APPROVED
    shares = split if paid else _without_aid(claim)
    offer = None
    if stored.reason == Refusal.QUOTE_CHANGED and assessment is not None:
        offer = Offer(outcome.quote, assessment.aid, split)
    shortfall = outcome.shortfall
    no_aid = assessment.no_aid if assessment and paid else ""
    return ClaimAnswer(
        id=stored.id,
        kind=stored.kind,
        verdict=stored.verdict,
        total=claim.total,
        aid=assessment.aid if assessment and paid else 0,
        cash=shares[-1].amount,
        shares=shares,
        rulebooks=assessment.rulebooks if assessment else "",
        quote=outcome.quote,
        category=assessment.category if assessment else "",
        unmapped=assessment.unmapped if assessment else (),
        counters=counter_hits(outcome.screening),
        offer=offer,
        supersedes=stored.refers if stored.kind is Kind.CLAIM else None,
        replaces=_taken_back(outcome.replaced, stored) if outcome.replaced else None,
        shortfall=PromisedTooMuch(shortfall.promised, shortfall.exact, shortfall.owner, shortfall.reason)
        if shortfall
        else None,
        no_aid=no_aid,
        reason=stored.reason,
        say=say(stored.reason or no_aid),
        **_when(stored),
    )


def _without_aid(claim: _Claim) -> tuple[PayerShare, ...]:
    """Who pays when aid does not: the prior payers what they paid, the resident the rest."""
    prior = tuple(PayerShare(prior.payer, prior.amount) for prior in claim.prior)
    return (*prior, PayerShare("cash", claim.total - sum(share.amount for share in prior)))


def _taken_back(back: Back, stored: Stored) -> TakenBack:
    shares = tuple(PayerShare(share.payer, share.amount, None) for share in _merged(back.shares) if share.amount)
    return TakenBack(
        claim=back.claim,
        lines=back.line_ids,
        aid=sum(share.amount for share in back.shares if share.fund),
        shares=shares,
        whole=back.whole,
        same_day=back.business_day == stored.business_day,
    )


def _merged(shares: tuple[Share, ...]) -> tuple[PayerShare, ...]:
    amounts: dict[str, int] = {}
    for share in shares:
        amounts[share.payer] = amounts.get(share.payer, 0) + share.amount
    return tuple(PayerShare(payer, amount) for payer, amount in amounts.items())


def _when(stored: Stored) -> dict[str, Any]:
    return {"posted_at": stored.posted_at, "business_day": stored.business_day, "account_version": stored.version}


def _why(stored: Stored) -> dict[str, Any]:
    return {"reason": stored.reason, "say": say(stored.reason)}

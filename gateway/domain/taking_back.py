"""Taking claims back: what each payer was given, line by line, never a new calculation."""

import msgspec

from gateway.domain.claim import Claim, Reversal
from gateway.domain.effects import Decision, Prior, fund_postings, net_uses
from gateway.domain.facts import Facts, Referred, Stored
from gateway.domain.operation import Kind, Operation, Verdict
from gateway.domain.outcome import Back, ClaimOutcome, ReversalOutcome
from gateway.domain.refusal import Refusal
from rules import Activity, Share, lines_back


def decide_reversal(operation: Operation, reversal: Reversal, facts: Facts) -> Decision:
    """Takes the claim, or the lines named, back; spends the id of a claim that is not there."""
    referred = facts.referred
    if referred is None:
        return _spend_id(operation)
    back = _back(operation, reversal.lines, facts)
    if isinstance(back, Refusal):
        trace = reversal_trace(operation, facts, Verdict.DECLINED)
        return Decision(Verdict.DECLINED, back, ReversalOutcome(), trace=trace)

    # From here on nothing refuses.
    return Decision(
        verdict=Verdict.APPROVED,
        reason=None,
        outcome=ReversalOutcome(back),
        aid=-aid_of(back.shares),
        total=-sum(share.amount for share in back.shares),
        postings=fund_postings(back.shares, -1),
        uses=net_uses((), back.movements),
        priors=released(referred) if back.whole else (),
        trace=reversal_trace(operation, facts, Verdict.APPROVED, back),
    )


def _spend_id(operation: Operation) -> Decision:
    """The claim is not here. Its id is spent, so that it is declined should it still arrive."""
    assert operation.refers is not None
    return Decision(
        verdict=Verdict.APPROVED,
        reason=None,
        outcome=ReversalOutcome(tombstone=operation.refers),
        effects=({"effect": "tombstone"},),
    )


def _back(operation: Operation, names: tuple[str, ...], facts: Facts) -> Back | Refusal:
    """What taking these lines (none named: all that are left) back gives back, or why it cannot be."""
    referred = facts.referred
    assert referred is not None
    if operation.author.terminal and referred.clinic != operation.author.clinic:
        return Refusal.NOT_THE_CLINICS
    if referred.account != operation.account:
        return Refusal.REFERS_TO_OTHER_ACCOUNT
    if referred.kind is Kind.TOMBSTONE:
        return Refusal.ALREADY_REVERSED
    outcome = referred.record.outcome
    if referred.verdict is not Verdict.APPROVED or not isinstance(outcome, ClaimOutcome) or outcome.assessment is None:
        return Refusal.NOTHING_TO_REVERSE
    line_ids = [line.id for line in claim_of(referred).lines]
    gone = {place for record in facts.back for place in _lines_back_of(record.outcome)}
    left = set(range(len(line_ids))) - gone
    if not left or gone & {place for place, id_ in enumerate(line_ids) if id_ in names}:
        return Refusal.ALREADY_REVERSED
    if not set(names) <= set(line_ids):
        return Refusal.LINE_UNKNOWN
    places = sorted({line_ids.index(name) for name in names} or left)
    shares, movements = lines_back(outcome.assessment.shares, outcome.assessment.movements, places)
    return Back(
        claim=referred.id,
        lines=tuple(places),
        line_ids=tuple(line_ids[place] for place in places),
        shares=shares,
        movements=movements,
        whole=len(gone) + len(places) == len(line_ids),
        business_day=referred.business_day,
    )


def _lines_back_of(outcome: object) -> tuple[int, ...]:
    match outcome:
        case ReversalOutcome(back=Back() as back) | ClaimOutcome(replaced=Back() as back):
            return back.lines
    return ()


def back_for_replacement(operation: Operation, claim: Claim, facts: Facts) -> tuple[Back | None, Refusal | None]:
    """What a replacement takes back first, or why it cannot; neither for any other operation."""
    if operation.kind is not Kind.REPLACEMENT:
        return None, None
    if facts.referred is None:
        return None, Refusal.NOTHING_TO_REVERSE
    back = _back(operation, (), facts)
    if isinstance(back, Refusal):
        return None, back
    if claim_of(facts.referred).visit.day != claim.visit.day:
        return None, Refusal.OTHER_DAY_OF_SERVICE
    return back, None


def claim_of(operation: Stored | Referred) -> Claim:
    """The claim as it was sent."""
    return msgspec.json.decode(operation.record.raw, type=Claim)


def released(referred: Referred | None) -> tuple[Prior, ...]:
    """The prior settlements that a claim taken back wholly lets go."""
    if referred is None:
        return ()
    return tuple(Prior(prior.payer, prior.settlement, False) for prior in claim_of(referred).prior if prior.settlement)


def aid_of(shares: tuple[Share, ...]) -> int:
    """What the funds pay, fen."""
    return sum(share.amount for share in shares if share.fund)


def reversal_trace(operation: Operation, facts: Facts, verdict: Verdict, back: Back | None = None) -> Activity:
    """What a reversal leaves for the counters."""
    return Activity(
        id=operation.id.hex,
        kind=Kind.REVERSAL.value,
        at=int(operation.at.timestamp()),
        decision=verdict.value,
        clinic=operation.author.clinic,
        terminal=operation.author.terminal,
        lat=facts.lat,
        lon=facts.lon,
        aid=aid_of(back.shares) if back else 0,
        refers=operation.refers.hex if operation.refers else "",
        whole=back.whole if back else True,
    )

"""`decide`: one operation, its facts and the rulebooks in force, to what becomes of it. Pure.

Quotes and deductions both come through `assess_claim`, so that what is shown is what is charged. This is the only
module that asks the rules.
"""

from datetime import date, datetime, timedelta

import msgspec

from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Claim, Reversal, StayReport
from gateway.domain.effects import Decision, Prior, Refused, Replay, Use, fund_postings, net_uses
from gateway.domain.facts import Facts
from gateway.domain.offline import OFFLINE_EXCESS, borne_by_fund, shortfall_effects, shortfall_of
from gateway.domain.operation import Entitle, Freeze, Kind, Operation, Stop, Unfreeze, Verdict
from gateway.domain.operation import Use as UseElsewhere
from gateway.domain.outcome import Back, ClaimOutcome, PlainOutcome, Shortfall
from gateway.domain.refusal import Refusal
from gateway.domain.replay import again
from gateway.domain.staff import decide_entitle, decide_freeze, decide_stay, decide_stop
from gateway.domain.taking_back import aid_of, back_for_replacement, decide_reversal, released
from rules import (
    Activity,
    Assessment,
    Entitlement,
    Line,
    Outlook,
    ProvisionalTerms,
    Rulebooks,
    Screening,
    Situation,
    Stay,
    accumulators,
    activity_horizon,
    assess,
    items_digest,
    outlook,
    provisional_terms,
    quote_digest,
    screen,
    supplies,
)
from rules import Prior as PriorShare

AHEAD = timedelta(minutes=5)
"""How far a terminal's clock may run ahead of the server's."""
BEHIND = timedelta(hours=72)
"""How long ago the event may be: an agent that was cut off over a long weekend still gets its claims in."""

Answer = Decision | Refused | Replay


class Assessed(msgspec.Struct, frozen=True):
    """A claim assessed and screened, before it is decided."""

    assessment: Assessment
    screening: Screening
    trace: Activity
    quote: str


class Quoted(msgspec.Struct, frozen=True):
    """A claim assessed on these facts; nothing was changed."""

    facts: Facts
    assessed: Assessed


def decide(operation: Operation, facts: Facts, rulebooks: Rulebooks) -> Answer:
    """What becomes of the operation. Replay comes before everything: a stored no must never turn into a charge."""
    if facts.stored is not None:
        return again(operation, facts.stored)
    match operation.content:
        case Claim():
            return _decide_claim(operation, operation.content, facts, rulebooks)
        case Reversal():
            if not _timely(operation, facts):
                return Refused(Refusal.EVENT_TIME_OUT_OF_RANGE)
            return decide_reversal(operation, operation.content, facts)
        case StayReport():
            return decide_stay(operation, operation.content, facts)
        case Freeze() | Unfreeze():
            return decide_freeze(operation.content)
        case Entitle():
            return decide_entitle(operation.content)
        case Stop():
            return decide_stop(operation.content, facts)
        case UseElsewhere() as use:
            return Decision(Verdict.APPROVED, None, PlainOutcome(), uses=(Use(use.accumulator, use.amount),))


def accumulators_of(operation: Operation, rulebooks: Rulebooks) -> tuple[str, ...]:
    """The accumulators whose use the decision needs to know."""
    if not isinstance(operation.content, Claim):
        return ()
    visit = operation.content.visit
    return accumulators(
        rulebooks,
        day=visit.day,
        visit=_visit_key(operation, visit.id),
        visit_type=visit.type,
        admitted=visit.admitted,
        discharged=visit.discharged,
    )


def history_since(operation: Operation, rulebooks: Rulebooks) -> datetime | None:
    """From when on the decision needs the account's activity; None when it needs none."""
    if not isinstance(operation.content, Claim):
        return None
    return operation.at - timedelta(seconds=activity_horizon(rulebooks))


def _timely(operation: Operation, facts: Facts) -> bool:
    return facts.now - BEHIND <= operation.at <= facts.now + AHEAD


def outlook_of(entitlements: tuple[Entitlement, ...], day: date, rulebooks: Rulebooks, used: dict[str, int]) -> Outlook:
    """Which categories hold on a day, and what is left of their yearly ceilings."""
    return outlook(entitlements, day, rulebooks, used)


def provisional_for(
    entitlements: tuple[Entitlement, ...], day: date, rulebooks: Rulebooks, used: dict[str, int]
) -> ProvisionalTerms | None:
    """What may be promised to an agent that will be cut off; None when nothing may."""
    return provisional_terms(entitlements, day, rulebooks, used)


# Claims


def assess_claim(
    operation: Operation, claim: Claim, facts: Facts, rulebooks: Rulebooks, back: Back | None = None
) -> Assessed:
    """Who pays what, and what the counters make of it. `back` is what a replacement takes back first."""
    situation = situation_of(operation, claim, facts, back)
    assessment = assess(situation, rulebooks)
    trace = _trace(operation, claim, facts, assessment, situation.lines, rulebooks)
    # Nobody can be asked to show an identity card after the fact: offline, a challenge becomes an alert.
    checked = claim.identity_check is not None or claim.offline is not None
    stays = tuple(
        Stay(stay.clinic, int(stay.admitted.timestamp()), int(stay.discharged.timestamp()) if stay.discharged else None)
        for stay in facts.stays
    )
    screening = screen(facts.activity, trace, rulebooks, stays=stays, identity_checked=checked)
    return Assessed(assessment, screening, trace, quote_digest(assessment))


def situation_of(operation: Operation, claim: Claim, facts: Facts, back: Back | None = None) -> Situation:
    """The claim and its facts in the words of the rules."""
    visit = claim.visit
    return Situation(
        day=visit.day,
        visit_type=visit.type,
        visit=_visit_key(operation, visit.id),
        clinic=operation.author.clinic,
        lines=tuple(Line(line.id, line.item, line.amount, line.quantity, line.days) for line in claim.lines),
        prior=tuple(PriorShare(prior.payer, prior.amount) for prior in claim.prior),
        entitlements=facts.entitlements,
        used=_used_after(back, facts.used),
        admitted=visit.admitted,
        discharged=visit.discharged,
    )


def _used_after(back: Back | None, used: dict[str, int]) -> dict[str, int]:
    """The use of accumulators once a replacement has taken back what it replaces."""
    left = dict(used)
    for movement in back.movements if back else ():
        left[movement.accumulator] = left.get(movement.accumulator, 0) - movement.amount
    return left


def _visit_key(operation: Operation, visit: str) -> str:
    return f"{operation.author.clinic}/{visit}"


def _trace(
    operation: Operation,
    claim: Claim,
    facts: Facts,
    assessment: Assessment,
    lines: tuple[Line, ...],
    rulebooks: Rulebooks,
) -> Activity:
    return Activity(
        id=operation.id.hex,
        kind=operation.kind.value,
        at=int(operation.at.timestamp()),
        decision="approved" if assessment.no_aid in ("", Refusal.BELOW_DEDUCTIBLE) else "declined",
        card=operation.card_key[:6].hex(),
        clinic=operation.author.clinic,
        terminal=operation.author.terminal,
        lat=facts.lat,
        lon=facts.lon,
        total=claim.total,
        aid=assessment.aid,
        items=items_digest(lines),
        diagnosis=operation.diagnosis_key,
        supplies=supplies(lines, operation.author.clinic, rulebooks, day=claim.visit.day),
        refers=operation.refers.hex if operation.refers else "",
        offline=claim.offline is not None,
    )


def _decide_claim(operation: Operation, claim: Claim, facts: Facts, rulebooks: Rulebooks) -> Answer:
    if not _timely(operation, facts):
        return Refused(Refusal.EVENT_TIME_OUT_OF_RANGE)
    back, refusal = back_for_replacement(operation, claim, facts)
    refusal = refusal or _standing(operation, claim, facts)
    assessed = None if refusal else assess_claim(operation, claim, facts, rulebooks, back)
    verdict, refusal = (Verdict.DECLINED, refusal) if assessed is None else _verdict(claim, assessed)

    shortfall = shortfall_of(
        operation, claim, facts, assessed.assessment.aid if assessed and not refusal else 0, refusal
    )
    if shortfall is not None and shortfall.owner == OFFLINE_EXCESS:
        assessed = keep_promise(operation, claim, facts, rulebooks, shortfall, back)
        verdict, refusal = Verdict.APPROVED, None
    if assessed is None or refusal is not None:
        # A replacement that is declined takes nothing back; what the rules were given instead is kept as it is.
        facts = msgspec.structs.replace(facts, used=_used_after(back, facts.used))
        return _declined(operation, claim, facts, verdict, refusal or Refusal.NOT_ENTITLED, assessed, shortfall)

    # From here on nothing refuses.
    assessment = assessed.assessment
    given_back = back.shares if back else ()
    # A promise that a fund bears is kept even for a settlement that another claim holds; that claim goes on holding it.
    free = all(holder == operation.refers for holder in facts.settlement_holders)
    taken = tuple(Prior(prior.payer, prior.settlement, True) for prior in claim.prior if prior.settlement and free)
    return Decision(
        verdict=Verdict.APPROVED,
        reason=None,
        outcome=_outcome(facts, assessed, back, shortfall),
        service_day=claim.visit.day,
        total=claim.total,
        aid=assessment.aid - aid_of(given_back),
        visit=claim.visit.id,
        bill=claim.visit.bill or None,
        invoice=claim.visit.invoice or None,
        postings=fund_postings(given_back, -1) + fund_postings(assessment.shares),
        uses=net_uses(assessment.movements, back.movements if back else (), frozenset({OFFLINE_EXCESS})),
        alerts=assessed.screening.hits,
        priors=(released(facts.referred) if back else ()) + taken,
        trace=assessed.trace,
        effects=shortfall_effects(shortfall),
    )


def declined_for(operation: Operation, claim: Claim, facts: Facts, rulebooks: Rulebooks, refusal: Refusal) -> Decision:
    """The decision a claim gets when it is refused for this reason, whatever its facts say: for the sandbox's special
    cards."""
    verdict = Verdict.CHALLENGED if refusal is Refusal.CHECK_IDENTITY else Verdict.DECLINED
    assessed = assess_claim(operation, claim, facts, rulebooks)
    return _declined(operation, claim, facts, verdict, refusal, assessed, None)


def _standing(operation: Operation, claim: Claim, facts: Facts) -> Refusal | None:
    """What speaks against the claim before its amounts are looked at, in order of precedence."""
    today = facts.now.astimezone(SHANGHAI).date()
    if operation.kind is Kind.CLAIM and claim.supersedes is not None and _supersedes_nothing(operation, facts):
        return Refusal.SUPERSEDES_NOTHING
    for until, refusal in (
        (facts.clinic_frozen_until, Refusal.CLINIC_FROZEN),
        (facts.terminal_frozen_until, Refusal.TERMINAL_FROZEN),
        (today + timedelta(days=1) if facts.subject == "stub" else None, Refusal.CARD_UNKNOWN),
        (facts.card_frozen_until, Refusal.CARD_FROZEN),
        (facts.frozen_until, Refusal.ACCOUNT_FROZEN),
    ):
        if until is not None and until > today:
            return refusal
    if any(holder != operation.refers for holder in facts.settlement_holders):
        return Refusal.PRIOR_SETTLEMENT_USED
    return None


def _supersedes_nothing(operation: Operation, facts: Facts) -> bool:
    referred = facts.referred
    return (
        referred is None
        or referred.account != operation.account
        or referred.clinic != operation.author.clinic
        or not (referred.verdict is Verdict.CHALLENGED or referred.reason == Refusal.QUOTE_CHANGED)
        or any(follower != operation.id for follower in facts.followed_by)
    )


def _verdict(claim: Claim, assessed: Assessed) -> tuple[Verdict, Refusal | None]:
    if assessed.screening.action == "refuse":
        return Verdict.DECLINED, Refusal.COUNTER_REFUSED
    # Below the deductible aid pays nothing, but the cost counts towards it: that is an approval, with its movements.
    if assessed.assessment.no_aid and assessed.assessment.no_aid != Refusal.BELOW_DEDUCTIBLE:
        return Verdict.DECLINED, Refusal(assessed.assessment.no_aid)
    if claim.quote and claim.quote != assessed.quote and claim.offline is None:
        return Verdict.DECLINED, Refusal.QUOTE_CHANGED
    if assessed.screening.action == "challenge":
        return Verdict.CHALLENGED, Refusal.CHECK_IDENTITY
    return Verdict.APPROVED, None


def _declined(
    operation: Operation,
    claim: Claim,
    facts: Facts,
    verdict: Verdict,
    reason: Refusal,
    assessed: Assessed | None,
    shortfall: Shortfall | None,
) -> Decision:
    """Stored and final as an approval is: a late retry must not turn a no into a charge after the patient paid cash."""
    return Decision(
        verdict=verdict,
        reason=reason,
        outcome=_outcome(facts, assessed, None, shortfall),
        service_day=claim.visit.day,
        total=claim.total,
        visit=claim.visit.id,
        bill=claim.visit.bill or None,
        invoice=claim.visit.invoice or None,
        alerts=assessed.screening.hits if assessed else (),
        trace=refused_trace(operation, claim, facts, verdict, reason, assessed),
        effects=shortfall_effects(shortfall),
    )


def _outcome(facts: Facts, assessed: Assessed | None, back: Back | None, shortfall: Shortfall | None) -> ClaimOutcome:
    if assessed is None:
        return ClaimOutcome(None, None, "", shortfall=shortfall)
    return ClaimOutcome(
        # The steps are not kept: the rulebooks and the facts are, and give the same steps whenever they are asked for.
        assessment=msgspec.structs.replace(assessed.assessment, steps=()),
        screening=assessed.screening,
        quote=assessed.quote,
        entitlements=facts.entitlements,
        used=facts.used,
        replaced=back,
        shortfall=shortfall,
    )


def keep_promise(
    operation: Operation, claim: Claim, facts: Facts, rulebooks: Rulebooks, shortfall: Shortfall, back: Back | None
) -> Assessed:
    """An offline claim with what was promised paid; where aid would pay nothing of it, all of that is borne."""
    entitled = facts if shortfall.exact else msgspec.structs.replace(facts, entitlements=())
    assessed = assess_claim(operation, claim, entitled, rulebooks, back)
    assessment = borne_by_fund(assessed.assessment, shortfall)
    trace = msgspec.structs.replace(assessed.trace, decision="approved", aid=assessment.aid)
    return msgspec.structs.replace(assessed, assessment=assessment, trace=trace)


def refused_trace(
    operation: Operation, claim: Claim, facts: Facts, verdict: Verdict, reason: Refusal, assessed: Assessed | None
) -> Activity:
    """What a claim that was not approved leaves for the counters, also when the rules were never asked."""
    if assessed is not None:
        by_counter = reason in (Refusal.COUNTER_REFUSED, Refusal.CHECK_IDENTITY)
        return msgspec.structs.replace(assessed.trace, decision=verdict.value, by_counter=by_counter, aid=0)
    return Activity(
        id=operation.id.hex,
        kind=operation.kind.value,
        at=int(operation.at.timestamp()),
        decision=verdict.value,
        card=operation.card_key[:6].hex(),
        clinic=operation.author.clinic,
        terminal=operation.author.terminal,
        lat=facts.lat,
        lon=facts.lon,
        total=claim.total,
        refers=operation.refers.hex if operation.refers else "",
        offline=claim.offline is not None,
    )

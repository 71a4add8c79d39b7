"""`decide`: one operation, its facts and the rulebooks in force, to what becomes of it. Pure.

Quotes and deductions both come through `assess_claim`, so that what is shown is what is charged. This is the only module that
asks the rules.
"""

from datetime import datetime, timedelta

import msgspec

from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Claim, Reversal, StayReport
from gateway.domain.effects import Decision, Prior, Refused, Replay, Use, fund_postings, net_uses
from gateway.domain.facts import Facts, Referred, Stored
from gateway.domain.operation import Entitle, Freeze, Kind, Operation, Stop, Unfreeze, Verdict
from gateway.domain.operation import Use as UseElsewhere
from gateway.domain.outcome import Back, ClaimOutcome, PlainOutcome, ReversalOutcome, Shortfall
from gateway.domain.refusal import Refusal
from rules import (
    Activity,
    Assessment,
    Line,
    Movement,
    Rulebooks,
    Screening,
    Share,
    Situation,
    Stay,
    accumulators,
    activity_horizon,
    assess,
    items_digest,
    lines_back,
    quote_digest,
    screen,
    supplies,
)
from rules import Prior as PriorShare

AHEAD = timedelta(minutes=5)
"""How far a terminal's clock may run ahead of the server's."""
BEHIND = timedelta(hours=72)
"""How long ago the event may be: an agent that was cut off over a long weekend still gets its claims in."""
FOREVER = "9999-12-31"
OFFLINE_EXCESS = "suspense:offline"
"""Ledger account, payer and accumulator of what a fund bears of offline promises: a ceiling of zero, every use an exception."""

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
        return _again(operation, facts.stored)
    match operation.content:
        case Claim():
            return _decide_claim(operation, operation.content, facts, rulebooks)
        case Reversal():
            return _decide_reversal(operation, operation.content, facts)
        case StayReport():
            return _decide_stay(operation, operation.content, facts)
        case Freeze() | Unfreeze():
            return _freeze(operation.content)
        case Entitle():
            return _entitle(operation.content)
        case Stop():
            return _stop(operation.content, facts)
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


def _again(operation: Operation, stored: Stored) -> Answer:
    spent = stored.kind is Kind.TOMBSTONE and operation.kind in (Kind.CLAIM, Kind.REPLACEMENT)
    # The fingerprint covers the card; the account need not be compared, and may differ once a stub's card was registered.
    if stored.fingerprint == operation.fingerprint or (spent and stored.account == operation.account):
        return Replay(stored.id)
    return Refused(Refusal.ID_REUSED, _differences(operation, stored), security=True)


def _differences(operation: Operation, stored: Stored) -> tuple[str, ...]:
    """Names of the fields in which the request differs from the stored one; never their values."""
    names = []
    if stored.kind is not operation.kind:
        names.append("kind")
    if stored.terminal != operation.author.terminal:
        names.append("terminal")
    if stored.refers != operation.refers:
        names.append("refers")
    if stored.account != operation.account:
        names.append("card")
    if stored.kind is operation.kind:
        before = msgspec.json.decode(stored.record.raw)
        now = msgspec.to_builtins(operation.content)
        try:
            before = msgspec.to_builtins(msgspec.convert(before, type(operation.content)))
        except msgspec.ValidationError:
            return (*names, "content")
        names += [name for name in now if now[name] != before.get(name) and name not in names]
    return tuple(names)


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
    used = facts.used
    if back is not None:
        used = dict(used)
        for movement in back.movements:
            used[movement.accumulator] = used.get(movement.accumulator, 0) - movement.amount
    visit = claim.visit
    return Situation(
        day=visit.day,
        visit_type=visit.type,
        visit=_visit_key(operation, visit.id),
        clinic=operation.author.clinic,
        lines=tuple(Line(line.id, line.item, line.amount, line.quantity, line.days) for line in claim.lines),
        prior=tuple(PriorShare(prior.payer, prior.amount) for prior in claim.prior),
        entitlements=facts.entitlements,
        used=used,
        admitted=visit.admitted,
        discharged=visit.discharged,
    )


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
        decision="approved" if assessment.aid else "declined",
        card=operation.card_key[:6].hex(),
        clinic=operation.author.clinic,
        terminal=operation.author.terminal,
        lat=facts.lat,
        lon=facts.lon,
        total=claim.total,
        aid=assessment.aid,
        items=items_digest(lines),
        diagnosis=operation.diagnosis_key,
        supplies=supplies(lines, operation.author.clinic, rulebooks),
        refers=operation.refers.hex if operation.refers else "",
        offline=claim.offline is not None,
    )


def _decide_claim(operation: Operation, claim: Claim, facts: Facts, rulebooks: Rulebooks) -> Answer:
    if not facts.now - BEHIND <= operation.at <= facts.now + AHEAD:
        return Refused(Refusal.EVENT_TIME_OUT_OF_RANGE)
    back, refusal = _back_for_replacement(operation, claim, facts)
    refusal = refusal or _standing(operation, claim, facts)
    assessed = None if refusal else assess_claim(operation, claim, facts, rulebooks, back)
    verdict, refusal = (Verdict.DECLINED, refusal) if assessed is None else _verdict(claim, assessed)

    shortfall = _shortfall(operation, claim, facts, assessed.assessment.aid if assessed and not refusal else 0, refusal)
    if shortfall is not None and shortfall.owner == OFFLINE_EXCESS:
        assessed = _borne_by_fund(operation, claim, facts, rulebooks, shortfall, back)
        verdict, refusal = Verdict.APPROVED, None
    if assessed is None or refusal is not None:
        return _declined(operation, claim, facts, verdict, refusal or Refusal.NOT_ENTITLED, assessed, shortfall)

    # From here on nothing refuses.
    assessment = assessed.assessment
    given_back = back.shares if back else ()
    taken = tuple(Prior(prior.payer, prior.settlement, True) for prior in claim.prior if prior.settlement)
    return Decision(
        verdict=Verdict.APPROVED,
        reason=None,
        outcome=_outcome(facts, assessed, back, shortfall),
        service_day=claim.visit.day,
        total=claim.total,
        aid=assessment.aid - _aid(given_back),
        visit=claim.visit.id,
        bill=claim.visit.bill or None,
        invoice=claim.visit.invoice or None,
        postings=fund_postings(given_back, -1) + fund_postings(assessment.shares),
        uses=net_uses(assessment.movements, back.movements if back else ()),
        alerts=assessed.screening.hits,
        priors=(_released(facts.referred) if back else ()) + taken,
        trace=assessed.trace,
        effects=_shortfall_effects(shortfall),
    )


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
    if assessed.assessment.no_aid:
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
    trace = None
    if assessed is not None:
        by_counter = reason in (Refusal.COUNTER_REFUSED, Refusal.CHECK_IDENTITY)
        trace = msgspec.structs.replace(assessed.trace, decision=verdict.value, by_counter=by_counter, aid=0)
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
        trace=trace or _bare_trace(operation, claim, facts, verdict),
        effects=_shortfall_effects(shortfall),
    )


def _bare_trace(operation: Operation, claim: Claim, facts: Facts, verdict: Verdict) -> Activity:
    """The trace of a claim that was refused before the rules were asked: it counts among the declines."""
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


# Offline promises


def _shortfall(operation: Operation, claim: Claim, facts: Facts, aid: int, reason: Refusal | None) -> Shortfall | None:
    """What was promised at the counter beyond what aid pays, and who bears it. Without signed terms that is the clinic."""
    if claim.offline is None or claim.offline.provisional <= aid:
        return None
    by_fund = facts.shortfall_owner == "fund" and claim.offline.terms
    owner = OFFLINE_EXCESS if by_fund else f"clinic:{operation.author.clinic}"
    return Shortfall(claim.offline.provisional, aid, owner, reason or "")


def _shortfall_effects(shortfall: Shortfall | None) -> tuple[dict[str, object], ...]:
    if shortfall is None:
        return ()
    return (
        {
            "effect": "shortfall",
            "owner": shortfall.owner,
            "promised": shortfall.promised,
            "exact": shortfall.exact,
        },
    )


def _borne_by_fund(
    operation: Operation, claim: Claim, facts: Facts, rulebooks: Rulebooks, shortfall: Shortfall, back: Back | None
) -> Assessed:
    """The claim with what was promised paid: the exact aid by its funds, the rest by suspense, as an exception.

    The excess is taken from what the resident would have paid, line by line, so that it can be given back like any share.
    """
    entitled = facts if shortfall.exact else msgspec.structs.replace(facts, entitlements=())
    assessed = assess_claim(operation, claim, entitled, rulebooks, back)
    assessment = assessed.assessment
    *others, cash = assessment.shares
    left = min(shortfall.promised - shortfall.exact, cash.amount)
    excess = []
    for amount in cash.lines:
        excess.append(min(amount, left))
        left -= excess[-1]
    lines, total = tuple(excess), sum(excess)
    share = Share(OFFLINE_EXCESS, OFFLINE_EXCESS, total, lines)
    rest = Share(
        cash.payer, cash.fund, cash.amount - total, tuple(a - b for a, b in zip(cash.lines, lines, strict=True))
    )
    return msgspec.structs.replace(
        assessed,
        assessment=msgspec.structs.replace(
            assessment,
            aid=assessment.aid + total,
            shares=(*others, share, rest),
            movements=(*assessment.movements, Movement(OFFLINE_EXCESS, total, 0, lines)),
            no_aid="",
        ),
        trace=msgspec.structs.replace(assessed.trace, decision="approved", aid=assessment.aid + total),
    )


# Taking back


def _decide_reversal(operation: Operation, reversal: Reversal, facts: Facts) -> Answer:
    if not facts.now - BEHIND <= operation.at <= facts.now + AHEAD:
        return Refused(Refusal.EVENT_TIME_OUT_OF_RANGE)
    referred = facts.referred
    if referred is None:
        return _spend_id(operation)
    back = _back(operation, reversal.lines, facts)
    if isinstance(back, Refusal):
        trace = _reversal_trace(operation, facts, Verdict.DECLINED)
        return Decision(Verdict.DECLINED, back, ReversalOutcome(), trace=trace)

    # From here on nothing refuses.
    return Decision(
        verdict=Verdict.APPROVED,
        reason=None,
        outcome=ReversalOutcome(back),
        aid=-_aid(back.shares),
        total=-sum(share.amount for share in back.shares),
        postings=fund_postings(back.shares, -1),
        uses=net_uses((), back.movements),
        priors=_released(referred) if back.whole else (),
        trace=_reversal_trace(operation, facts, Verdict.APPROVED, back),
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
    if referred.account != operation.account:
        return Refusal.REFERS_TO_OTHER_ACCOUNT
    if referred.kind is Kind.TOMBSTONE:
        return Refusal.ALREADY_REVERSED
    if operation.author.terminal and referred.clinic != operation.author.clinic:
        return Refusal.NOT_THE_CLINICS
    outcome = referred.record.outcome
    if referred.verdict is not Verdict.APPROVED or not isinstance(outcome, ClaimOutcome) or outcome.assessment is None:
        return Refusal.NOTHING_TO_REVERSE
    line_ids = [line.id for line in claim_of(referred).lines]
    if not set(names) <= set(line_ids):
        return Refusal.LINE_UNKNOWN
    gone = {place for record in facts.back for place in _lines_back_of(record.outcome)}
    places = sorted({line_ids.index(name) for name in names} or set(range(len(line_ids))) - gone)
    if not places or gone & set(places):
        return Refusal.ALREADY_REVERSED
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


def _back_for_replacement(operation: Operation, claim: Claim, facts: Facts) -> tuple[Back | None, Refusal | None]:
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


def _released(referred: Referred | None) -> tuple[Prior, ...]:
    """The prior settlements that a claim taken back wholly lets go."""
    if referred is None:
        return ()
    return tuple(Prior(prior.payer, prior.settlement, False) for prior in claim_of(referred).prior if prior.settlement)


def _aid(shares: tuple[Share, ...]) -> int:
    return sum(share.amount for share in shares if share.fund)


def _reversal_trace(operation: Operation, facts: Facts, verdict: Verdict, back: Back | None = None) -> Activity:
    return Activity(
        id=operation.id.hex,
        kind=Kind.REVERSAL.value,
        at=int(operation.at.timestamp()),
        decision=verdict.value,
        clinic=operation.author.clinic,
        terminal=operation.author.terminal,
        lat=facts.lat,
        lon=facts.lon,
        aid=-_aid(back.shares) if back else 0,
        refers=operation.refers.hex if operation.refers else "",
        whole=back.whole if back else True,
    )


# Everything else


def _plain(effect: dict[str, object]) -> Decision:
    return Decision(Verdict.APPROVED, None, PlainOutcome(), effects=(effect,))


def _freeze(content: Freeze | Unfreeze) -> Decision:
    until = (content.until.isoformat() if content.until else FOREVER) if isinstance(content, Freeze) else None
    if content.subject == "card":
        return _plain(
            {"effect": "freeze_card", "until": until, "reason": content.reason, "card_key": content.card_key.hex()}
        )
    return _plain({"effect": "freeze_account", "until": until, "reason": content.reason})


def _entitle(new: Entitle) -> Decision:
    return _plain(
        {
            "effect": "entitle",
            "category": new.category,
            "district": new.district,
            "starts": new.starts.isoformat(),
            "ends": new.ends.isoformat() if new.ends else None,
            "confirmed_by": new.confirmed_by,
        }
    )


def _stop(stop: Stop, facts: Facts) -> Decision:
    if stop.entitlement not in facts.entitlement_ids:
        return Decision(Verdict.DECLINED, Refusal.ENTITLEMENT_UNKNOWN, PlainOutcome())
    return _plain(
        {
            "effect": "stop",
            "entitlement": str(stop.entitlement),
            "last_day": stop.last_day.isoformat(),
            "reason": stop.reason,
        }
    )


def _decide_stay(operation: Operation, report: StayReport, facts: Facts) -> Decision:
    mine = [stay for stay in facts.stays if (stay.clinic, stay.stay) == (operation.author.clinic, operation.stay)]
    effect = {"clinic": operation.author.clinic, "stay": operation.stay}
    if report.admitted is not None and not mine:
        return _plain({"effect": "admit", **effect})
    if report.discharged is not None and mine and mine[0].discharged is None:
        return _plain({"effect": "discharge", **effect})
    return Decision(Verdict.DECLINED, Refusal.STAY_UNKNOWN, PlainOutcome())

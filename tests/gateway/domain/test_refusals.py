"""Every refusal that `decide` can give, each by a test that is named after it and fails without it."""

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from gateway.domain import decision
from gateway.domain.claim import Claim, IdentityCheck, StayReport
from gateway.domain.decision import AHEAD, BEHIND
from gateway.domain.effects import Decision, Refused, Replay
from gateway.domain.facts import AccountStay, Facts, Referred
from gateway.domain.operation import Author, Entitle, Freeze, Kind, Stop, Unfreeze, Verdict
from gateway.domain.outcome import ClaimOutcome, PlainOutcome, Record
from gateway.domain.refusal import Refusal
from tests.gateway.domain.scenes import (
    BOOKS,
    CARD,
    CLAIM,
    LATER,
    MANY_DECLINES,
    NOW,
    OTHER_ACCOUNT,
    SOME_DECLINES,
    TODAY,
    TOMORROW,
    answer,
    claim,
    decide,
    entitled,
    facts,
    keep,
    operation,
    outcome,
    prior,
    reason,
    referred,
    replacement,
    reversal,
    uid,
)

SECOND = timedelta(seconds=1)


def test_nothing_amiss() -> None:
    """What every other scene of this file departs from in one thing is approved."""
    assert reason(operation(claim()), facts()) is None
    assert reason(reversal(), facts(referred=referred())) is None
    assert reason(replacement(claim(9_000)), facts(referred=referred())) is None


# The request against the clock and against what is stored


def test_event_time_out_of_range() -> None:
    for at, expected in (
        (NOW - BEHIND, None),
        (NOW - BEHIND - SECOND, Refusal.EVENT_TIME_OUT_OF_RANGE),
        (NOW + AHEAD, None),
        (NOW + AHEAD + SECOND, Refusal.EVENT_TIME_OUT_OF_RANGE),
    ):
        assert reason(operation(claim(at=at)), facts()) is expected
        assert reason(reversal(at=at), facts(referred=referred())) is expected
    late = answer(operation(claim(at=NOW - BEHIND - SECOND)), facts())
    assert late == Refused(Refusal.EVENT_TIME_OUT_OF_RANGE), "nothing is stored: the clock can be put right"


def test_event_time_out_of_range_leaves_a_reversal_of_the_unknown_undecided() -> None:
    assert reason(reversal(at=NOW + AHEAD + SECOND), facts()) is Refusal.EVENT_TIME_OUT_OF_RANGE


def test_id_reused() -> None:
    first = operation(claim())
    stored = keep(first, decide(first, facts()))
    other_terminal = operation(claim(), author=Author("T2", "C1"))
    other_claim = operation(claim(9_999))
    other_kind = operation(reversal().content, refers=CLAIM, id=CLAIM)
    other_account = operation(msgspec.structs.replace(claim(), card=msgspec.structs.replace(CARD, number="X2")))
    other_account = msgspec.structs.replace(other_account, account=OTHER_ACCOUNT)
    for again, fields in (
        (other_terminal, ("terminal",)),
        (other_claim, ("total", "lines")),
        (other_kind, ("kind", "refers")),
        (other_account, ("card",)),
    ):
        assert answer(again, facts(stored=stored)) == Refused(Refusal.ID_REUSED, fields, security=True)


def test_reversed_before_arrival() -> None:
    """The claim's id was spent by a reversal: whatever comes under it is answered with what is stored."""
    spent = keep(operation(claim()), Decision(Verdict.DECLINED, Refusal.REVERSED_BEFORE_ARRIVAL, PlainOutcome()))
    spent = msgspec.structs.replace(spent, kind=Kind.TOMBSTONE, fingerprint=b"", record=Record(b"", PlainOutcome()))
    late = operation(claim(4_711))
    assert answer(late, facts(stored=spent)) == Replay(CLAIM)
    assert answer(msgspec.structs.replace(late, kind=Kind.REPLACEMENT), facts(stored=spent)) == Replay(CLAIM)
    of_another = msgspec.structs.replace(late, account=OTHER_ACCOUNT)
    assert reason(of_another, facts(stored=spent)) is Refusal.ID_REUSED
    not_a_claim = operation(reversal().content, refers=LATER, id=CLAIM)
    assert reason(not_a_claim, facts(stored=spent)) is Refusal.ID_REUSED


# What a reversal, a replacement or a superseding claim refers to


def elsewhere(one: Referred) -> Referred:
    return msgspec.structs.replace(one, clinic="C2")


def of_another(one: Referred) -> Referred:
    return msgspec.structs.replace(one, account=OTHER_ACCOUNT)


def test_not_the_clinics() -> None:
    made = facts(referred=elsewhere(referred()))
    assert reason(reversal(), made) is Refusal.NOT_THE_CLINICS
    assert reason(replacement(claim(9_000)), made) is Refusal.NOT_THE_CLINICS
    assert reason(reversal(author=Author("T9", "C2")), made) is None, "any terminal of the clinic will do"
    assert reason(reversal(author=Author(staff="finance")), made) is None, "the bureau can take any claim back"


def test_refers_to_other_account() -> None:
    made = facts(referred=of_another(referred()))
    assert reason(reversal(), made) is Refusal.REFERS_TO_OTHER_ACCOUNT
    assert reason(replacement(claim(9_000)), made) is Refusal.REFERS_TO_OTHER_ACCOUNT


def test_nothing_to_reverse() -> None:
    declined = referred(facts_then=facts(entitlements=()))
    assert reason(reversal(), facts(referred=declined)) is Refusal.NOTHING_TO_REVERSE
    assert reason(replacement(claim()), facts(referred=declined)) is Refusal.NOTHING_TO_REVERSE
    assert reason(replacement(claim()), facts()) is Refusal.NOTHING_TO_REVERSE, "a replacement spends no id"
    frozen = referred(facts_then=facts(frozen_until=TOMORROW))
    assert reason(reversal(), facts(referred=frozen)) is Refusal.NOTHING_TO_REVERSE
    staff_act = operation(Freeze("account", "lost"))
    no_claim = msgspec.structs.replace(
        referred(), kind=Kind.FREEZE, record=Record(staff_act.raw, decide(staff_act, facts()).outcome)
    )
    assert reason(reversal(), facts(referred=no_claim)) is Refusal.NOTHING_TO_REVERSE


def back_of(original: Referred, *lines: str) -> Record:
    """The record of a reversal of these lines that was approved earlier."""
    earlier = reversal(*lines)
    return Record(earlier.raw, decide(earlier, facts(referred=original)).outcome)


def test_already_reversed() -> None:
    whole = referred()
    assert reason(reversal(), facts(referred=whole, back=(back_of(whole),))) is Refusal.ALREADY_REVERSED
    again = replacement(claim(9_000))
    assert reason(again, facts(referred=whole, back=(back_of(whole),))) is Refusal.ALREADY_REVERSED
    three = referred(claim(3_000, 4_000, 5_000))
    gone = facts(referred=three, back=(back_of(three, "2"),))
    assert reason(reversal("2"), gone) is Refusal.ALREADY_REVERSED
    assert reason(reversal("1", "2"), gone) is Refusal.ALREADY_REVERSED
    assert reason(reversal("1", "3"), gone) is None
    assert reason(reversal(), gone) is None, "all that is left"


def test_already_reversed_by_a_replacement() -> None:
    original = referred()
    replacing = replacement(claim(9_000))
    by = Record(replacing.raw, decide(replacing, facts(referred=original)).outcome)
    assert reason(reversal(), facts(referred=original, back=(by,))) is Refusal.ALREADY_REVERSED


def test_already_reversed_before_it_arrived() -> None:
    tombstone = msgspec.structs.replace(
        referred(), kind=Kind.TOMBSTONE, verdict=Verdict.DECLINED, record=Record(b"", PlainOutcome())
    )
    assert reason(reversal(), facts(referred=tombstone)) is Refusal.ALREADY_REVERSED
    assert reason(replacement(claim()), facts(referred=tombstone)) is Refusal.ALREADY_REVERSED


def test_line_unknown() -> None:
    two = facts(referred=referred(claim(3_000, 4_000)))
    assert reason(reversal("3"), two) is Refusal.LINE_UNKNOWN
    assert reason(reversal("1", "3"), two) is Refusal.LINE_UNKNOWN


def challenged() -> Referred:
    first = referred(facts_then=facts(activity=SOME_DECLINES))
    assert first.verdict is Verdict.CHALLENGED
    return first


CHECKED = IdentityCheck("id_card", "0042", NOW)
SUPERSEDING = operation(claim(supersedes=CLAIM, identity_check=CHECKED))


def superseding(made: Referred | None, followed_by: tuple[UUID, ...] = ()) -> Refusal | None:
    return reason(SUPERSEDING, facts(referred=made, followed_by=followed_by))


def test_supersedes_nothing() -> None:
    assert superseding(challenged()) is None
    assert superseding(challenged(), (LATER,)) is None, "this very claim"
    assert superseding(None) is Refusal.SUPERSEDES_NOTHING
    assert superseding(of_another(challenged())) is Refusal.SUPERSEDES_NOTHING
    assert superseding(elsewhere(challenged())) is Refusal.SUPERSEDES_NOTHING
    assert superseding(referred()) is Refusal.SUPERSEDES_NOTHING, "an approved claim is no open question"
    assert superseding(referred(facts_then=facts(entitlements=()))) is Refusal.SUPERSEDES_NOTHING
    assert superseding(challenged(), (uid(3),)) is Refusal.SUPERSEDES_NOTHING, "only once"


def test_supersedes_a_changed_quote() -> None:
    changed = referred(claim(quote="0" * 64))
    assert changed.reason == Refusal.QUOTE_CHANGED
    assert superseding(changed) is None


def test_other_day_of_service() -> None:
    made = facts(referred=referred())
    assert reason(replacement(claim(day=TODAY - timedelta(days=1))), made) is Refusal.OTHER_DAY_OF_SERVICE


# Standing


@pytest.mark.parametrize("kind", ["clinic", "terminal", "card", "account"])
def test_freezes_end_with_their_day(kind: str) -> None:
    name = "frozen_until" if kind == "account" else f"{kind}_frozen_until"
    assert reason(operation(claim()), facts(**{name: TODAY})) is None
    assert reason(operation(claim()), facts(**{name: TOMORROW})) is Refusal(f"{kind.upper()}_FROZEN")


def test_clinic_frozen() -> None:
    assert reason(operation(claim()), facts(clinic_frozen_until=TOMORROW)) is Refusal.CLINIC_FROZEN
    assert reason(operation(claim()), facts(clinic_frozen_until=TODAY)) is None
    made = facts(referred=referred(), clinic_frozen_until=TOMORROW)
    assert reason(replacement(claim(9_000)), made) is Refusal.CLINIC_FROZEN
    assert reason(reversal(), made) is None, "money can always be given back"


def test_terminal_frozen() -> None:
    assert reason(operation(claim()), facts(terminal_frozen_until=TOMORROW)) is Refusal.TERMINAL_FROZEN


def test_card_unknown() -> None:
    assert reason(operation(claim()), facts(subject="stub")) is Refusal.CARD_UNKNOWN
    assert reason(operation(claim()), facts(subject="stub", entitlements=())) is Refusal.CARD_UNKNOWN


def test_card_frozen() -> None:
    assert reason(operation(claim()), facts(card_frozen_until=TOMORROW)) is Refusal.CARD_FROZEN


def test_account_frozen() -> None:
    assert reason(operation(claim()), facts(frozen_until=TOMORROW)) is Refusal.ACCOUNT_FROZEN


def test_a_freeze_ends_by_shanghais_midnight() -> None:
    before, after = NOW.replace(hour=15, minute=59), NOW.replace(hour=16)
    for now, expected in ((before, Refusal.CARD_FROZEN), (after, None)):
        made = facts(now=now, card_frozen_until=TOMORROW)
        assert reason(operation(claim(at=now)), made) is expected


def test_prior_settlement_used() -> None:
    settled = claim(prior=prior(3_000))
    assert reason(operation(settled), facts(settlement_holders=(uid(9),))) is Refusal.PRIOR_SETTLEMENT_USED
    made = facts(referred=referred(settled), settlement_holders=(CLAIM,))
    assert reason(replacement(settled), made) is None, "the claim it replaces lets go of it"


def test_stay_unknown() -> None:
    def report(stays: tuple[AccountStay, ...], stay: str = "H1", **when: datetime) -> Refusal | None:
        return reason(operation(StayReport(CARD, CLAIM, NOW, **when), stay=stay), facts(stays=stays))

    open_stay = AccountStay("C1", "H1", NOW - timedelta(days=3), None)
    closed = msgspec.structs.replace(open_stay, discharged=NOW - timedelta(days=1))
    assert report((), admitted=NOW) is None
    assert report((open_stay,), discharged=NOW) is None
    assert report((), discharged=NOW) is Refusal.STAY_UNKNOWN
    assert report((closed,), discharged=NOW) is Refusal.STAY_UNKNOWN
    assert report((open_stay,), admitted=NOW) is Refusal.STAY_UNKNOWN
    assert report((msgspec.structs.replace(open_stay, clinic="C2"),), discharged=NOW) is Refusal.STAY_UNKNOWN
    assert report((open_stay,), stay="H2", discharged=NOW) is Refusal.STAY_UNKNOWN


def test_entitlement_unknown() -> None:
    stop = operation(Stop(uid(7), TODAY, "moved away"), author=Author(staff="town"))
    assert reason(stop, facts(entitlement_ids=(uid(8),))) is Refusal.ENTITLEMENT_UNKNOWN
    assert reason(stop, facts(entitlement_ids=(uid(7),))) is None
    for act in (Entitle("DIBAO", TODAY, "town"), Freeze("account", "lost"), Unfreeze("account", "found")):
        assert reason(operation(act, author=Author(staff="town")), facts(entitlement_ids=())) is None


# What the counters say, and the rulebooks


def test_counter_refused() -> None:
    assert reason(operation(claim()), facts(activity=MANY_DECLINES)) is Refusal.COUNTER_REFUSED
    checked = operation(claim(supersedes=CLAIM, identity_check=CHECKED))
    made = facts(referred=challenged(), activity=MANY_DECLINES)
    assert reason(checked, made) is Refusal.COUNTER_REFUSED, "an identity card answers no refusal"


def test_no_rulebook() -> None:
    assert reason(operation(claim(day=date(1990, 1, 1))), facts()) is Refusal.NO_RULEBOOK


def test_not_entitled() -> None:
    assert reason(operation(claim()), facts(entitlements=())) is Refusal.NOT_ENTITLED
    ended = tuple(msgspec.structs.replace(one, ends=TODAY - timedelta(days=1)) for one in entitled("DIBAO"))
    assert reason(operation(claim()), facts(entitlements=ended)) is Refusal.NOT_ENTITLED
    last_day = tuple(msgspec.structs.replace(one, ends=TODAY) for one in entitled("DIBAO"))
    assert reason(operation(claim()), facts(entitlements=last_day)) is None
    yesterday = claim(day=TODAY - timedelta(days=1))
    assert reason(operation(yesterday), facts(entitlements=ended)) is None, "the day of service counts"


def test_visit_type_not_covered() -> None:
    assert reason(operation(claim()), facts(entitlements=entitled("EXPEND"))) is Refusal.VISIT_TYPE_NOT_COVERED


def test_already_aided() -> None:
    assert reason(operation(claim(prior=prior(100, "medical_aid"))), facts()) is Refusal.ALREADY_AIDED


def test_nothing_in_scope() -> None:
    assert reason(operation(claim(item="ZZ0023")), facts()) is Refusal.NOTHING_IN_SCOPE


def test_prior_paid_all() -> None:
    assert reason(operation(claim(prior=prior(10_000))), facts()) is Refusal.PRIOR_PAID_ALL


def test_below_deductible() -> None:
    made = facts(entitlements=entitled("LOWINC"))
    decided = answer(operation(claim(10_000)), made)
    assert isinstance(decided, Decision)
    assert (decided.verdict, decided.reason, decided.aid) == (Verdict.APPROVED, None, 0)
    assert isinstance(decided.outcome, ClaimOutcome)
    assert decided.outcome.assessment is not None
    assert decided.outcome.assessment.no_aid == Refusal.BELOW_DEDUCTIBLE
    assert decided.uses, "the cost counts towards the deductible"
    assert decided.trace is not None
    assert decided.trace.decision == "approved"
    assert reason(operation(claim(40_000)), made) is None


def all_used(content: Claim) -> Facts:
    return facts(used=dict.fromkeys(decision.accumulators_of(operation(content), BOOKS), 10**9))


def test_ceiling_reached() -> None:
    assert reason(operation(claim()), all_used(claim())) is Refusal.CEILING_REACHED


def test_quote_changed() -> None:
    first = operation(claim())
    quote = outcome(decide(first, facts())).quote
    assert reason(operation(claim(quote=quote)), facts()) is None
    assert reason(operation(claim(quote="0" * 64)), facts()) is Refusal.QUOTE_CHANGED
    assert reason(operation(claim(quote=quote)), facts(used={"other": 5})) is None, "counters are not part of it"
    assert reason(operation(claim(quote=quote)), facts(entitlements=entitled("LOWINC", "DIBAO"))) is None
    assert reason(operation(claim(10_001, quote=quote)), facts()) is Refusal.QUOTE_CHANGED


def test_check_identity() -> None:
    made = decide(operation(claim()), facts(activity=SOME_DECLINES))
    assert (made.verdict, made.reason) == (Verdict.CHALLENGED, Refusal.CHECK_IDENTITY)
    again = facts(referred=challenged(), activity=SOME_DECLINES)
    assert reason(SUPERSEDING, again) is None, "answered"
    stay = (AccountStay("C2", "H1", NOW - timedelta(days=2), None),)
    assert reason(operation(claim()), facts(stays=stay)) is Refusal.CHECK_IDENTITY

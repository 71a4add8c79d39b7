"""What a decision writes: entries, use of ceilings, what is given back, what an offline promise costs whom."""

from datetime import date, timedelta

import msgspec
import pytest

from gateway.domain import decision
from gateway.domain.claim import Claim, IdentityCheck, StayReport
from gateway.domain.effects import Prior, Refused, Replay, Use
from gateway.domain.facts import AccountStay, Facts
from gateway.domain.operation import Author, Content, Entitle, Freeze, Kind, Stop, Unfreeze, Verdict
from gateway.domain.operation import Use as UseElsewhere
from gateway.domain.outcome import Record
from gateway.domain.refusal import Refusal
from tests.gateway.domain.scenes import (
    AID,
    BOOKS,
    CARD,
    CARD_KEY,
    CEILING,
    CLAIM,
    LATER,
    MANY_DECLINES,
    NOW,
    SOME_DECLINES,
    TODAY,
    amounts,
    answer,
    claim,
    decide,
    facts,
    keep,
    operation,
    outcome,
    prior,
    refer,
    referred,
    replacement,
    reversal,
    uid,
)

STAFF = Author(staff="town")


def test_an_approved_claim_posts_its_aid() -> None:
    made = decide(operation(claim()), facts())
    assert (made.verdict, made.reason, made.aid, made.total) == (Verdict.APPROVED, None, AID, 10_000)
    assert amounts(made) == {"fund:municipal": AID // 2, "fund:district:310101": AID // 2}
    assert made.uses == (Use(CEILING, AID, 600_000),)
    assert made.trace is not None
    assert (made.trace.decision, made.trace.aid) == ("approved", AID)
    assert made.service_day == TODAY


def test_what_was_used_counts() -> None:
    made = decide(operation(claim()), facts(used={CEILING: 599_000}))
    assert made.aid == 1_000
    assert outcome(made).used == {CEILING: 599_000}


def test_a_quote_is_what_is_charged() -> None:
    content = claim(3_333, 6_667)
    asked = operation(content)
    assessed = decision.assess_claim(asked, content, facts(), BOOKS)
    made = outcome(decide(asked, facts()))
    assert made.assessment is not None
    assert made.assessment.shares == assessed.assessment.shares
    assert made.quote == assessed.quote


def test_a_claim_is_found_by_its_numbers() -> None:
    content = claim()
    numbered = msgspec.structs.replace(content, visit=msgspec.structs.replace(content.visit, invoice="I1"))
    bare = msgspec.structs.replace(content, visit=msgspec.structs.replace(content.visit, bill=""))
    for against in (facts(), facts(entitlements=())):
        made = decide(operation(numbered), against)
        assert (made.visit, made.bill, made.invoice) == ("V1", "B1", "I1")
        made = decide(operation(bare), against)
        assert (made.visit, made.bill, made.invoice) == ("V1", None, None)


def test_a_claim_refused_for_the_sandbox() -> None:
    """Whatever its facts say."""
    for why in (Refusal.CARD_FROZEN, Refusal.CHECK_IDENTITY):
        made = decision.declined_for(operation(claim()), claim(), facts(), BOOKS, why)
        challenge = why is Refusal.CHECK_IDENTITY
        assert made.verdict is (Verdict.CHALLENGED if challenge else Verdict.DECLINED)
        assert (made.reason, made.aid, made.postings) == (why, 0, ())


# The same id again


@pytest.mark.parametrize("against", [{}, {"entitlements": ()}, {"activity": SOME_DECLINES}, {"frozen_until": date.max}])
def test_a_repeat_is_answered_with_what_is_stored(against: dict[str, object]) -> None:
    """Also when everything has changed since: a stored no never turns into a charge, nor a stored yes into a no."""
    first = operation(claim())
    stored = keep(first, decide(first, facts(**against)))
    for now in (facts(), facts(entitlements=()), facts(now=NOW + timedelta(days=300)), facts(subject="stub")):
        assert answer(first, msgspec.structs.replace(now, stored=stored)) == Replay(CLAIM)


def test_a_repeat_by_another_way_of_opening_the_account() -> None:
    """A stub's card was registered between the two: the account is another, the request is the same."""
    first = operation(claim())
    stored = keep(first, decide(first, facts(subject="stub")))
    assert answer(msgspec.structs.replace(first, account=4_098), facts(stored=stored)) == Replay(CLAIM)


def test_a_stored_content_that_is_of_older_shape_still_differs() -> None:
    first = operation(claim())
    stored = keep(first, decide(first, facts()))
    strange = msgspec.structs.replace(stored, record=Record(b'{"old": 1}', stored.record.outcome), fingerprint=b"")
    assert answer(first, facts(stored=strange)) == Refused(Refusal.ID_REUSED, ("content",), security=True)


# Declines


def test_a_decline_writes_nothing_but_itself() -> None:
    made = decide(operation(claim(prior=prior(3_000))), facts(entitlements=()))
    assert (made.verdict, made.reason, made.aid, made.total) == (Verdict.DECLINED, Refusal.NOT_ENTITLED, 0, 10_000)
    assert (made.postings, made.uses, made.priors, made.effects) == ((), (), (), ())
    assert made.trace is not None
    assert (made.trace.decision, made.trace.by_counter, made.trace.aid) == ("declined", False, 0)


@pytest.mark.parametrize("before", [MANY_DECLINES, SOME_DECLINES])
def test_what_a_counter_declines_does_not_feed_counters(before: tuple[object, ...]) -> None:
    made = decide(operation(claim()), facts(activity=before))
    assert made.trace is not None
    assert made.trace.by_counter
    assert (made.aid, made.postings, made.uses) == (0, (), ())
    assert made.alerts, "somebody has to look at it"


def test_a_refusal_of_standing_counts_as_a_decline() -> None:
    made = decide(operation(claim()), facts(card_frozen_until=date.max))
    assert made.trace is not None
    assert (made.trace.decision, made.trace.by_counter, made.trace.card) == ("declined", False, CARD_KEY[:6].hex())
    assert outcome(made).assessment is None


def test_an_answered_challenge_is_approved_with_its_alert() -> None:
    checked = claim(supersedes=CLAIM, identity_check=IdentityCheck("id_card", "0042", NOW))
    challenged = referred(facts_then=facts(activity=SOME_DECLINES))
    made = decide(operation(checked), facts(referred=challenged, activity=SOME_DECLINES))
    assert (made.verdict, made.aid) == (Verdict.APPROVED, AID)
    assert {hit.action for hit in made.alerts} == {"flag"}


# Prior settlements


def test_prior_settlements_are_taken_and_let_go() -> None:
    settled = claim(prior=prior(3_000))
    made = decide(operation(settled), facts())
    assert made.priors == (Prior("basic_pool", "S1", True),)
    back = decide(reversal(), facts(referred=refer(operation(settled), made)))
    assert back.priors == (Prior("basic_pool", "S1", False),)
    again = decide(replacement(settled), facts(referred=refer(operation(settled), made), settlement_holders=(CLAIM,)))
    assert again.priors == (Prior("basic_pool", "S1", False), Prior("basic_pool", "S1", True))


def test_a_prior_payer_without_a_settlement_takes_none() -> None:
    assert decide(operation(claim(prior=prior(3_000, settlement=""))), facts()).priors == ()


def test_part_of_a_claim_keeps_its_settlement() -> None:
    settled = claim(4_000, 6_000, prior=prior(3_000))
    original = referred(settled)
    first = decide(reversal("1"), facts(referred=original))
    assert first.priors == ()
    rest = decide(reversal("2"), facts(referred=original, back=(keep(reversal("1"), first).record,)))
    assert rest.priors == (Prior("basic_pool", "S1", False),), "nothing of the claim is left"


# Staff and stays


def effect(content: Content, made: Facts | None = None) -> dict[str, object]:
    decided = decide(operation(content, author=STAFF), made or facts())
    assert decided.verdict is Verdict.APPROVED
    assert len(decided.effects) == 1
    return decided.effects[0]


def test_freezes() -> None:
    assert effect(Freeze("account", "lost", TODAY)) == {
        "effect": "freeze_account", "until": "2026-03-10", "reason": "lost",
    }  # fmt: skip
    assert effect(Freeze("card", "lost", None, CARD_KEY)) == {
        "effect": "freeze_card", "until": "9999-12-31", "reason": "lost", "card_key": CARD_KEY.hex(),
    }  # fmt: skip
    assert effect(Unfreeze("terminal", "found")) == {"effect": "freeze_account", "until": None, "reason": "found"}
    assert effect(Unfreeze("card", "found", CARD_KEY))["until"] is None


def test_entitlements() -> None:
    given = effect(Entitle("DIBAO", TODAY, "town", None, "310101"))
    assert (given["effect"], given["starts"], given["ends"]) == ("entitle", "2026-03-10", None)
    stopped = effect(Stop(uid(7), TODAY, "moved"), facts(entitlement_ids=(uid(6), uid(7))))
    assert (stopped["effect"], stopped["entitlement"], stopped["last_day"]) == ("stop", str(uid(7)), "2026-03-10")


def test_use_that_happened_elsewhere() -> None:
    made = decide(operation(UseElsewhere(CEILING, -500, "paper", "file 7"), author=STAFF), facts())
    assert (made.verdict, made.uses, made.postings) == (Verdict.APPROVED, (Use(CEILING, -500),), ())


def test_stays_are_known_by_clinic_and_id() -> None:
    admitted = decide(operation(StayReport(CARD, CLAIM, NOW, admitted=NOW), stay="H1"), facts())
    assert admitted.effects == ({"effect": "admit", "clinic": "C1", "stay": "H1"},)
    stays = (AccountStay("C2", "H1", NOW, NOW), AccountStay("C1", "H1", NOW, None))
    left = decide(operation(StayReport(CARD, CLAIM, NOW, discharged=NOW), stay="H1"), facts(stays=stays))
    assert left.effects == ({"effect": "discharge", "clinic": "C1", "stay": "H1"},)


# What has to be read


def test_only_claims_need_accumulators_and_history() -> None:
    asked = operation(claim())
    assert CEILING in decision.accumulators_of(asked, BOOKS)
    assert decision.history_since(asked, BOOKS) == NOW - timedelta(days=90)
    for other in (reversal(), operation(Freeze("account", "lost"))):
        assert decision.accumulators_of(other, BOOKS) == ()
        assert decision.history_since(other, BOOKS) is None


def test_an_excess_accumulator_is_the_claims_year() -> None:
    """A December claim sent in January uses December's year."""
    december: Claim = claim(day=date(2025, 12, 31))
    assert "shanghai_medical_aid.aid_outpatient.2025" in decision.accumulators_of(operation(december), BOOKS)
    assert decide(operation(december), facts()).uses[0].accumulator == "shanghai_medical_aid.aid_outpatient.2025"


def test_kinds_are_told_apart_by_id_too() -> None:
    """A replacement sent again as a claim is another thing under the same id."""
    first = replacement(claim(4_000))
    made = decide(first, facts(referred=referred()))
    as_claim = operation(claim(4_000), id=LATER)
    assert answer(as_claim, facts(stored=keep(first, made))) == Refused(
        Refusal.ID_REUSED, ("kind", "refers"), security=True
    )
    assert as_claim.kind is Kind.CLAIM

"""Promises made without a connection: what is kept, and who bears what was promised too much."""

from datetime import date

import pytest

from gateway.domain.effects import Decision
from gateway.domain.offline import OFFLINE_EXCESS
from gateway.domain.operation import Verdict
from gateway.domain.outcome import Shortfall
from gateway.domain.refusal import Refusal
from tests.gateway.domain.scenes import (
    AID,
    MANY_DECLINES,
    SOME_DECLINES,
    amounts,
    claim,
    decide,
    facts,
    offline,
    operation,
    outcome,
    prior,
    refer,
    reversal,
    uid,
)


def promised(amount: int, terms: str = "", **against: object) -> Decision:
    return decide(operation(claim(offline=offline(amount, terms))), facts(**against))


@pytest.mark.parametrize("amount", [0, AID])
def test_a_promise_that_was_kept_has_no_shortfall(amount: int) -> None:
    made = promised(amount)
    assert (made.aid, made.effects, outcome(made).shortfall) == (AID, (), None)


def test_the_clinic_bears_what_it_promised_too_much() -> None:
    made = promised(9_000)
    assert (made.verdict, made.aid) == (Verdict.APPROVED, AID)
    assert made.effects == ({"effect": "shortfall", "owner": "clinic:C1", "promised": 9_000, "exact": AID},)
    assert outcome(made).shortfall == Shortfall(9_000, AID, "clinic:C1", "")
    declined = promised(9_000, entitlements=())
    assert (declined.verdict, declined.reason, declined.aid) == (Verdict.DECLINED, Refusal.NOT_ENTITLED, 0)
    assert declined.effects == ({"effect": "shortfall", "owner": "clinic:C1", "promised": 9_000, "exact": 0},)
    assert outcome(declined).shortfall == Shortfall(9_000, 0, "clinic:C1", "NOT_ENTITLED")


def test_a_fund_bears_nothing_without_signed_terms() -> None:
    made = promised(9_000, shortfall_owner="fund")
    assert made.aid == AID
    assert made.effects[0]["owner"] == "clinic:C1"
    assert promised(9_000, "signed", shortfall_owner="clinic").effects[0]["owner"] == "clinic:C1"


@pytest.mark.parametrize(
    ("against", "exact"),
    [({}, AID), ({"entitlements": ()}, 0), ({"card_frozen_until": date.max}, 0), ({"activity": MANY_DECLINES}, 0)],
)
def test_a_fund_bears_what_was_promised_on_terms(against: dict[str, object], exact: int) -> None:
    made = promised(9_000, "signed", shortfall_owner="fund", **against)
    assert (made.verdict, made.reason, made.aid) == (Verdict.APPROVED, None, 9_000)
    assert amounts(made)[OFFLINE_EXCESS] == 9_000 - exact
    assert sum(amounts(made).values()) == 9_000
    assert made.effects == ({"effect": "shortfall", "owner": OFFLINE_EXCESS, "promised": 9_000, "exact": exact},)
    excess = [use for use in made.uses if use.accumulator == OFFLINE_EXCESS]
    assert [(use.delta, use.is_exception) for use in excess] == [(9_000 - exact, True)]
    assert not [use for use in made.uses if use.accumulator != OFFLINE_EXCESS and use.is_exception]
    assessment = outcome(made).assessment
    assert assessment is not None
    assert sum(share.amount for share in assessment.shares) == 10_000
    assert all(share.amount >= 0 for share in assessment.shares)


def test_a_kept_promise_can_be_taken_back() -> None:
    content = claim(3_333, 6_667, offline=offline(9_000, "signed"))
    made = decide(operation(content), facts(shortfall_owner="fund"))
    back = decide(reversal(), facts(referred=refer(operation(content), made)))
    assert amounts(back) == {ledger: -amount for ledger, amount in amounts(made).items()}
    assert {use.accumulator: -use.delta for use in back.uses} == {use.accumulator: use.delta for use in made.uses}


def test_a_promise_does_not_take_a_settlement_that_another_claim_holds() -> None:
    content = claim(prior=prior(1_000), offline=offline(9_000, "signed"))
    made = decide(operation(content), facts(shortfall_owner="fund", settlement_holders=(uid(9),)))
    assert made.verdict is Verdict.APPROVED
    assert made.priors == ()


def test_counters_know_what_was_offline() -> None:
    for against in (facts(), facts(card_frozen_until=date.max)):
        traces = [decide(operation(one), against).trace for one in (claim(offline=offline(AID)), claim())]
        assert [trace and trace.offline for trace in traces] == [True, False]


def test_offline_neither_quote_nor_challenge_is_asked_for() -> None:
    """Nobody can confirm a split or show an identity card after the fact."""
    made = promised(AID, activity=SOME_DECLINES)
    assert made.verdict is Verdict.APPROVED
    assert {hit.action for hit in made.alerts} == {"flag"}
    quoted = decide(operation(claim(quote="0" * 64, offline=offline(AID))), facts())
    assert quoted.verdict is Verdict.APPROVED

"""What a reversal gives back, and what a replacement books: to the fen, and only once."""

import pytest

from gateway.domain.effects import Use
from gateway.domain.operation import Verdict
from gateway.domain.outcome import Record, ReversalOutcome
from tests.gateway.domain.scenes import (
    AID,
    CEILING,
    CLAIM,
    amounts,
    claim,
    decide,
    facts,
    keep,
    offline,
    operation,
    outcome,
    prior,
    refer,
    referred,
    replacement,
    reversal,
    uid,
)


def test_a_whole_reversal_gives_everything_back() -> None:
    made = decide(operation(claim()), facts())
    back = decide(reversal(), facts(referred=refer(operation(claim()), made)))
    assert (back.aid, back.total) == (-made.aid, -made.total)
    assert amounts(back) == {ledger: -amount for ledger, amount in amounts(made).items()}
    assert back.uses == (Use(CEILING, -AID),)
    assert back.trace is not None
    assert back.trace.whole


def test_all_lines_named_are_the_whole_claim() -> None:
    made = decide(reversal("2", "1"), facts(referred=referred(claim(4_000, 6_000))))
    assert isinstance(made.outcome, ReversalOutcome)
    assert made.outcome.back is not None
    assert (made.outcome.back.line_ids, made.outcome.back.whole, made.total) == (("1", "2"), True, -10_000)


@pytest.mark.parametrize("order", [("1", "2", "3"), ("3", "1", "2"), ("2", "3", "1")])
def test_lines_taken_back_one_by_one_give_back_what_was_given(order: tuple[str, ...]) -> None:
    """Odd amounts, so that every share was rounded; to the fen, in any order, and never a fen more."""
    content = claim(3_333, 3_334, 4_447, prior=prior(1_117))
    made = decide(operation(content), facts())
    original = refer(operation(content), made)
    records: list[Record] = []
    given: dict[str, int] = {}
    used = 0
    for number, line in enumerate(order):
        one = reversal(line, id=uid(10 + number))
        back = decide(one, facts(referred=original, back=tuple(records)))
        records.append(keep(one, back).record)
        for ledger, amount in amounts(back).items():
            assert amount < 0
            given[ledger] = given.get(ledger, 0) - amount
        used -= sum(use.delta for use in back.uses)
        assert isinstance(back.outcome, ReversalOutcome)
        assert back.outcome.back is not None
        assert back.outcome.back.line_ids == (line,)
        assert back.outcome.back.whole is (number == 2)
        assert back.trace is not None
        assert back.trace.whole is (number == 2)
    assert given == amounts(made)
    assert used == made.aid


def test_a_reversal_of_what_is_left() -> None:
    content = claim(3_333, 3_334, 4_447)
    made = decide(operation(content), facts())
    original = refer(operation(content), made)
    part = decide(reversal("2"), facts(referred=original))
    rest = decide(reversal(), facts(referred=original, back=(keep(reversal("2"), part).record,)))
    assert isinstance(rest.outcome, ReversalOutcome)
    assert rest.outcome.back is not None
    assert rest.outcome.back.line_ids == ("1", "3")
    assert rest.outcome.back.whole
    assert part.aid + rest.aid == -made.aid


def test_a_reversal_of_the_unknown_spends_its_id() -> None:
    made = decide(reversal(), facts())
    assert made.verdict is Verdict.APPROVED
    assert made.outcome == ReversalOutcome(tombstone=CLAIM)
    assert made.effects == ({"effect": "tombstone"},)
    assert (made.aid, made.total, made.postings, made.uses) == (0, 0, (), ())


# Replacing


def test_a_replacement_books_the_difference() -> None:
    original = refer(operation(claim()), decide(operation(claim()), facts()))
    made = decide(replacement(claim(4_000)), facts(referred=original, used={CEILING: AID}))
    assert made.aid == 2_800 - AID
    assert amounts(made) == {"fund:municipal": -2_100, "fund:district:310101": -2_100}
    assert made.uses == (Use(CEILING, 2_800 - AID, 600_000),)
    assert outcome(made).replaced is not None


def test_a_replacement_has_back_what_it_replaces() -> None:
    """The year is used up, by the very claim that is replaced."""
    original = refer(operation(claim()), decide(operation(claim()), facts()))
    made = decide(replacement(claim(20_000)), facts(referred=original, used={CEILING: 600_000}))
    assert made.verdict is Verdict.APPROVED
    assert made.aid == 0
    assessment = outcome(made).assessment
    assert assessment is not None
    assert assessment.aid == AID
    assert made.uses == ()


def test_a_replacement_answers_no_challenge() -> None:
    """It refers to what it replaces, whatever its claim once superseded."""
    made = decide(replacement(claim(4_000, supersedes=uid(9))), facts(referred=referred()))
    assert made.verdict is Verdict.APPROVED


def test_a_replacement_promises_nothing() -> None:
    made = decide(
        replacement(claim(offline=offline(9_000, "signed"))), facts(referred=referred(), shortfall_owner="fund")
    )
    assert (made.aid, made.effects, outcome(made).shortfall) == (0, (), None)


def test_a_replacement_that_is_declined_leaves_the_original() -> None:
    original = refer(operation(claim()), decide(operation(claim()), facts()))
    made = decide(replacement(claim(4_000)), facts(referred=original, entitlements=()))
    assert (made.verdict, made.aid) == (Verdict.DECLINED, 0)
    assert (made.postings, made.uses, made.priors) == ((), (), ())
    assert outcome(made).replaced is None

"""What holds for every claim, whatever the books say."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from rules import money
from rules.day_books import CASH
from rules.recompute import RecomputeError, recompute
from tests.rules import reading

SETS: dict[str, dict[str, Any]] = {
    "shipped": {
        "days": [
            *(date(1998, 3, 1), date(2012, 12, 31), date(2014, 2, 1)),
            *(date(2018, 6, 30), date(2020, 2, 29), date(2026, 9, 1)),
        ],
        "items": [
            *("ZZ0001", "ZZ0002", "ZZ0009", "ZZ0104", "ZZ0107", "ZZ0110"),
            *("ZZ0103", "ZZ0302", "Y100", "nobody knows"),
        ],
        "payers": ["basic_pool", "610100", "personal_account", "commercial", "some charity"],
        "categories": ["TEKUN", "DIBAO", "LOWINC", "EXPEND", "LOCAL", "QUOTA"],
    },
    "mechanisms": {
        "days": [date(2020, 8, 1), date(2021, 8, 1), date(2022, 6, 30), date(2023, 7, 1), date(2024, 7, 1)],
        "items": ["A1", "B1", "C1", "N1", "nobody knows"],
        "payers": ["personal_account", "pool", "medical_aid", "some charity"],
        "categories": ["ONE", "TWO", "NURSED"],
    },
}
VISIT_TYPES = ["outpatient", "emergency", "inpatient"]


@st.composite
def situations(draw: st.DrawFn, name: str) -> rules.Situation:
    known = SETS[name]
    day = draw(st.sampled_from(known["days"]))
    amounts = st.one_of(st.integers(1, 20), st.integers(1, 50_000), st.integers(1, 40_000_000))
    lines = tuple(
        rules.Line(f"L{index}", item, amount, quantity)
        for index, (item, amount, quantity) in enumerate(
            draw(
                st.lists(
                    st.tuples(st.sampled_from(known["items"]), amounts, st.sampled_from([1, 333, 1_000, 2_500])),
                    min_size=1,
                    max_size=7,
                )
            )
        )
    )
    left = sum(line.amount for line in lines)
    prior = []
    for payer in draw(st.lists(st.sampled_from(known["payers"]), max_size=4)):
        paid = draw(st.integers(0, left))
        prior.append(rules.Prior(payer, paid))
        left -= paid
    visit_type = draw(st.sampled_from(VISIT_TYPES))
    keys = rules.accumulators(reading.books(name), day=day, visit="V1", visit_type=visit_type)
    used = {key: draw(st.one_of(st.just(0), st.integers(0, 20_000_000))) for key in keys}
    held = draw(st.lists(st.tuples(st.sampled_from(known["categories"]), st.sampled_from(["", "310104"])), max_size=3))
    return rules.Situation(
        day=day,
        visit_type=visit_type,
        visit="V1",
        clinic="XH01",
        lines=lines,
        prior=tuple(prior),
        entitlements=tuple(
            rules.Entitlement(category, day - timedelta(days=9), None, where) for category, where in held
        ),
        used=used,
    )


CLAIMS = st.sampled_from(sorted(SETS)).flatmap(lambda name: st.tuples(st.just(name), situations(name)))


@settings(max_examples=200)
@given(CLAIMS)
def test_shares_sum_to_the_total_and_to_every_line(claim: tuple[str, rules.Situation]) -> None:
    name, situation = claim
    found = rules.assess(situation, reading.books(name))
    assert found.total == sum(line.amount for line in situation.lines)
    assert sum(share.amount for share in found.shares) == found.total
    assert found.shares[-1].payer == CASH
    for share in found.shares:
        assert share.amount == sum(share.lines)
        assert min(share.lines) >= 0
    by_line = [sum(pieces) for pieces in zip(*(share.lines for share in found.shares), strict=True)]
    assert by_line == [line.amount for line in situation.lines]
    assert found.aid == sum(share.amount for share in found.shares if share.fund)
    assert bool(found.aid) != bool(found.no_aid)
    keys = [(share.payer, share.fund) for share in found.shares]
    assert len(keys) == len(set(keys))


@settings(max_examples=200)
@given(CLAIMS)
def test_no_ceiling_is_passed(claim: tuple[str, rules.Situation]) -> None:
    name, situation = claim
    found = rules.assess(situation, reading.books(name))
    readable = rules.accumulators(reading.books(name), day=situation.day, visit="V1", visit_type=situation.visit_type)
    for move in found.movements:
        assert move.accumulator in readable
        assert move.amount == sum(move.lines) > 0
        assert min(move.lines) >= 0
        if move.ceiling is not None:
            assert situation.used.get(move.accumulator, 0) + move.amount <= move.ceiling


@settings(max_examples=150)
@given(CLAIMS, st.integers(1, 5_000_000))
def test_more_aid_used_never_raises_aid(claim: tuple[str, rules.Situation], more: int) -> None:
    name, situation = claim
    # Only what aid itself used: a deductible that is used up, or a higher band reached, does raise it.
    used = {key: value + (more if ".aid" in key else 0) for key, value in situation.used.items()}
    poorer = rules.assess(msgspec.structs.replace(situation, used=used), reading.books(name))
    assert poorer.aid <= rules.assess(situation, reading.books(name)).aid


@settings(max_examples=150)
@given(CLAIMS)
def test_the_steps_lead_to_the_result(claim: tuple[str, rules.Situation]) -> None:
    name, situation = claim
    found = rules.assess(situation, reading.books(name))
    assert recompute(found) == found.aid


@settings(max_examples=150)
@given(CLAIMS, st.data())
def test_a_falsified_step_is_found(claim: tuple[str, rules.Situation], data: st.DataObject) -> None:
    name, situation = claim
    found = rules.assess(situation, reading.books(name))
    steps = list(found.steps)
    amounts = [index for index, step in enumerate(steps) if not step.rule.endswith(".entitlement")]
    index = data.draw(st.sampled_from(amounts))
    steps[index] = msgspec.structs.replace(steps[index], result=steps[index].result + 1)
    with pytest.raises(RecomputeError):
        recompute(msgspec.structs.replace(found, steps=tuple(steps)))


@settings(max_examples=150)
@given(CLAIMS, st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter(claim: tuple[str, rules.Situation], random: Any) -> None:
    name, situation = claim
    lines, prior, held = list(situation.lines), list(situation.prior), list(situation.entitlements)
    for each in (lines, prior, held):
        random.shuffle(each)
    shuffled = msgspec.structs.replace(situation, lines=tuple(lines), prior=tuple(prior), entitlements=tuple(held))
    one, other = (rules.assess(each, reading.books(name)) for each in (situation, shuffled))
    assert _by_line_id(one, situation.lines) == _by_line_id(other, shuffled.lines)
    assert (one.aid, one.category, one.no_aid) == (other.aid, other.category, other.no_aid)
    assert rules.assess(situation, reading.books(name)) == one


def _by_line_id(found: rules.Assessment, lines: Sequence[rules.Line]) -> Any:
    ids = [line.id for line in lines]
    return (
        [(share.payer, share.fund, dict(zip(ids, share.lines, strict=True))) for share in found.shares],
        [(move.accumulator, move.ceiling, dict(zip(ids, move.lines, strict=True))) for move in found.movements],
    )


@settings(max_examples=150)
@given(CLAIMS, st.data())
def test_any_sequence_of_partial_reversals_gives_back_exactly_what_was_given(
    claim: tuple[str, rules.Situation], data: st.DataObject
) -> None:
    name, situation = claim
    found = rules.assess(situation, reading.books(name))
    order = data.draw(st.permutations(range(len(situation.lines))))
    paid: dict[tuple[str, str], int] = {}
    used: dict[str, int] = {}
    while order:
        count = data.draw(st.integers(1, len(order)))
        now, order = order[:count], order[count:]
        shares, movements = rules.lines_back(found.shares, found.movements, now)
        assert sum(share.amount for share in shares) == sum(situation.lines[index].amount for index in now)
        for share in shares:
            paid[share.payer, share.fund] = paid.get((share.payer, share.fund), 0) + share.amount
        for move in movements:
            used[move.accumulator] = used.get(move.accumulator, 0) + move.amount
    assert paid == {(share.payer, share.fund): share.amount for share in found.shares if share.amount}
    assert used == {move.accumulator: move.amount for move in found.movements}


@settings(max_examples=200)
@given(situations("shipped"))
def test_provisional_terms_never_promise_more_than_the_exact_decision(situation: rules.Situation) -> None:
    """An agent that applies rate and cap to what is in scope and unpaid grants at most what the gateway then
    decides.
    """
    books = reading.books("shipped")
    terms = rules.provisional_terms(situation.entitlements, situation.day, books, situation.used)
    if terms is None:
        return
    free = msgspec.structs.replace(
        situation, prior=(), lines=(rules.Line("L1", "ZZ0104", sum(line.amount for line in situation.lines)),)
    )
    for term in terms.terms:
        exact = rules.assess(msgspec.structs.replace(free, visit_type=term.visit_type), books)
        assert min(money.part(exact.total, term.ppm, money.DOWN), term.cap) <= exact.aid


@settings(max_examples=150)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=9), st.data())
def test_largest_remainder_is_exact_and_fair(weights: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(weights)))
    found = money.largest_remainder(amount, weights)
    assert sum(found) == amount
    whole = sum(weights)
    for piece, weight in zip(found, weights, strict=True):
        assert 0 <= piece <= weight
        assert not whole or abs(piece * whole - amount * weight) < whole


@settings(max_examples=150)
@given(st.integers(0, 10**12), st.lists(st.integers(0, money.PPM), max_size=6), st.sampled_from(money.ROUNDINGS))
def test_split_is_exact_and_never_negative(amount: int, rates: list[int], rounding: str) -> None:
    whole = max(1, sum(rates))
    rates = [rate * money.PPM // whole for rate in rates] if whole > money.PPM else rates
    pieces = money.split(amount, rates, rounding)
    assert sum(pieces) == amount
    assert min(pieces) >= 0

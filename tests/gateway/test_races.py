"""Two gateways on one database: whoever is first, there is one outcome per id, and ceilings hold to the fen."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.books import Books
from gateway.domain.operation import Verdict
from gateway.domain.outcome import ClaimOutcome
from gateway.domain.refusal import Refusal
from gateway.lanes import Done
from rules import Rulebooks, load_rulebooks, shipped
from tests.books import (
    KEY,
    Desk,
    Holder,
    new_card,
    new_id,
    open_desk,
    register,
    with_prior,
)
from tests.gateway.racing import Outcome, beside, outcome, outcomes, reasons, watching
from tests.servers import on_every_server

pytestmark = on_every_server


@pytest.fixture
async def second(books: Books) -> AsyncIterator[Books]:
    """Another gateway on the same database."""
    opened = await Books.open(books.database.dsn, "aidgate", KEY, name="second")
    yield opened
    await opened.close()


async def test_two_gateways_on_one_account(books: Books, second: Books, desk: Desk, holder: Holder) -> None:
    """The year's ceiling of 6,000 yuan is given to the fen, whoever is first."""
    desks = [desk, beside(await open_desk(books), second)]
    claims = [(desks[place % 2], desks[place % 2].claim(holder.card, 400_000 + place)) for place in range(8)]
    answers = await outcomes(*(at.deduct(claim) for at, claim in claims))
    while Refusal.IN_FLIGHT in answers:
        again = [place for place, answer in enumerate(answers) if answer is Refusal.IN_FLIGHT]
        for place in again:
            at, claim = claims[place]
            answers[place] = await outcome(at.deduct(claim))
    made = [answer.stored for answer in answers if isinstance(answer, Done)]
    assert len({stored.version for stored in made}) == 8
    assert [stored.reason for stored in made].count(Refusal.CEILING_REACHED) == 5
    async with watching(books) as connection:
        given = await connection.fetch("SELECT delta, used_after FROM movement WHERE account_id = $1", holder.account)
    assert sum(row["delta"] for row in given) == max(row["used_after"] for row in given) == 600_000


@pytest.mark.parametrize("where", ["one gateway", "two gateways"])
async def test_the_same_id_twice_at_once(books: Books, second: Books, desk: Desk, holder: Holder, where: str) -> None:
    other = beside(desk, second) if where == "two gateways" else desk
    for _ in range(5):
        claim, id_ = desk.claim(holder.card, 1_000, 2_000), new_id()
        first, again = await outcomes(desk.deduct(claim, id_), other.deduct(claim, id_))
        assert isinstance(first, Done)
        assert isinstance(again, Done)
        assert first.stored == again.stored
        assert {first.replayed, again.replayed} == {True, False}


async def test_the_same_id_with_two_cards_at_once(books: Books, second: Books, desk: Desk) -> None:
    """One is made; the other is told that the id is taken. Nothing of it is left on the other's account."""
    other_desk = beside(desk, second)
    for _ in range(5):
        holders = [await register(books), await register(books)]
        id_ = new_id()
        answers = await outcomes(
            desk.deduct(desk.claim(holders[0].card), id_), other_desk.deduct(desk.claim(holders[1].card), id_)
        )
        assert sorted(reasons(answers)) == [Refusal.ID_REUSED, "made"]


async def test_one_settlement_behind_two_claims_at_once(books: Books, second: Books, desk: Desk) -> None:
    """Of two residents, so that no account's lock keeps them apart; in one round and in two gateways."""
    for other in (desk, beside(desk, second)):
        for _ in range(3):
            holders = [await register(books), await register(books)]
            settlement = f"S{new_id()}"
            answers = await outcomes(
                desk.deduct(with_prior(desk.claim(holders[0].card), 1_000, settlement)),
                other.deduct(with_prior(desk.claim(holders[1].card), 1_000, settlement)),
            )
            assert sorted(reasons(answers)) == [Refusal.PRIOR_SETTLEMENT_USED, "made"]


async def test_a_claim_and_its_reversal_at_once(books: Books, second: Books, desk: Desk) -> None:
    """Whichever comes first: in the end aid has paid nothing."""
    other = beside(desk, second)
    for place in range(6):
        holder = await register(books)
        claim, id_ = desk.claim(holder.card), new_id()
        pair = (desk.deduct(claim, id_), other.reverse(id_, card=holder.card))
        answers = await outcomes(*(pair if place % 2 else reversed(pair)))
        made = {answer.stored.id == id_: answer.stored for answer in answers if isinstance(answer, Done)}
        assert made[False].verdict is Verdict.APPROVED
        assert made[True].reason in ("", Refusal.REVERSED_BEFORE_ARRIVAL)
        async with watching(books) as connection:
            aid = await connection.fetchval("SELECT sum(aid) FROM operation WHERE account_id = $1", holder.account)
        assert aid == 0


async def test_a_tombstone_on_another_account_at_once(books: Books, second: Books, desk: Desk) -> None:
    """The reversal names the wrong card: claim and reversal want the same id for two accounts."""
    for _ in range(6):
        holder, wrong = await register(books), await register(books)
        id_ = new_id()
        answers = await outcomes(
            desk.deduct(desk.claim(holder.card), id_), beside(desk, second).reverse(id_, card=wrong.card)
        )
        assert sorted(reasons(answers)) in (
            [Refusal.REFERS_TO_OTHER_ACCOUNT, "made"],
            [Refusal.ID_REUSED, "made"],
        )


async def test_an_unknown_card_at_two_gateways_at_once(books: Books, second: Books, desk: Desk) -> None:
    card = new_card()
    answers = await outcomes(desk.deduct(desk.claim(card)), beside(desk, second).deduct(desk.claim(card)))
    assert reasons(answers) == [Refusal.CARD_UNKNOWN] * 2
    accounts = {answer.stored.account for answer in answers if isinstance(answer, Done)}
    assert len(accounts) == 1


# Rulebooks change while claims are made


def dearer(percent: int) -> Rulebooks:
    """The shipped set with another rate for outpatients on minimum subsistence."""
    name = "shanghai_medical_aid/rates.toml"
    text = shipped().files[name].decode()
    assert text.count("value = 70\n") > 0
    return load_rulebooks({**shipped().files, name: text.replace("value = 70\n", f"value = {percent}\n").encode()})


async def test_each_claim_uses_one_version_of_the_rulebooks(own_books: Books) -> None:
    sets = {one.digest: (one, percent) for percent, one in ((70, shipped()), (71, dearer(71)), (72, dearer(72)))}
    second = await Books.open(own_books.database.dsn, "aidgate", KEY)
    try:
        desk = await open_desk(own_books)
        other = beside(desk, second)
        holders = [await register(own_books) for _ in range(20)]
        working = True

        async def change() -> None:
            while working:
                for one, _ in sets.values():
                    await own_books.activate(one, by="tests")
                    await asyncio.sleep(0.005)

        changing = asyncio.create_task(change())
        answers: list[Outcome] = []
        for turn in range(4):
            answers += await outcomes(
                *(
                    (desk, other)[place % 2].deduct(desk.claim(one.card, 10_000 + turn))
                    for place, one in enumerate(holders)
                )
            )
        working = False
        await changing
    finally:
        await second.close()
    used: set[str] = set()
    async with watching(own_books) as connection:
        rows = await connection.fetch("SELECT operation_id, rulebooks, aid FROM operation WHERE kind = 'claim'")
    by_id = {row["operation_id"]: row for row in rows}
    for answer in answers:
        assert isinstance(answer, Done)
        outcome = answer.stored.record.outcome
        assert isinstance(outcome, ClaimOutcome)
        assessment = outcome.assessment
        assert assessment is not None
        row = by_id[answer.stored.id]
        percent = sets[row["rulebooks"]][1]
        assert assessment.rulebooks == row["rulebooks"]
        if answer.stored.verdict is Verdict.APPROVED:
            assert row["aid"] == assessment.aid == (assessment.total * percent + 50) // 100
        used.add(row["rulebooks"])
    assert len(used) > 1, "no set came into force meanwhile"

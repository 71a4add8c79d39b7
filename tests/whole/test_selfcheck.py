"""Every check of the selfcheck finds what it is there for: a superuser corrupts sound books, and undoes it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from uuid import UUID

import asyncpg
import msgspec
import pytest

from gateway.books import Books
from gateway.domain.claim import IdentityCheck, Offline
from gateway.domain.operation import Entitle, Stop, Use
from gateway.domain.outcome import ClaimOutcome, Record, pack
from gateway.lanes import Done
from gateway.selfcheck import RECORDS, TITLES, selfcheck, selfcheck_records, wrong
from gateway.staff_acts import act
from gateway.store.embedded import Server
from rules import Share, load_rulebooks, shipped
from tests.books import Desk, Holder, new_id, open_books, open_desk, register, today, with_prior
from tests.servers import EMBEDDED, Servers

SCRIPT: dict[str, str] = {
    "entries_sum_to_zero": "UPDATE posting SET amount = amount + 1 WHERE operation_id = '{claim}' AND line = 1",
    "book_sums_to_zero": "DELETE FROM posting WHERE operation_id = '{claim}' AND line = 1",
    "ledgers_are_known": "UPDATE posting SET ledger = 'fund:nowhere' WHERE operation_id = '{claim}' AND line = 1",
    "postings_have_their_operation": "UPDATE posting SET account_id = 1 WHERE operation_id = '{claim}'",
    "postings_equal_aid": "UPDATE operation SET aid = aid + 1 WHERE operation_id = '{claim}'",
    "reversals_give_back_at_most": "UPDATE posting SET amount = amount * 9 WHERE operation_id = '{reversal}'",
    "claims_are_taken_back_once": "UPDATE operation SET total = total * 9 WHERE operation_id = '{reversal}'",
    "references_hold": "UPDATE operation SET refers = '{declined}' WHERE operation_id = '{reversal}'",
    "claims_are_followed_once": "UPDATE operation SET refers = '{challenged}' WHERE operation_id = '{claim}'",
    "tombstones_have_their_reversal": "UPDATE operation SET version = version + 1 WHERE operation_id = '{tombstone}'",
    "settlements_stand_once": """
        DROP INDEX one_standing_claim_per_settlement;
        INSERT INTO prior_settlement SELECT * FROM prior_settlement WHERE standing
    """,
    "settlements_stand_with_their_claim": "UPDATE prior_settlement SET standing = false",
    "versions_are_contiguous": "UPDATE account SET version = version + 1 WHERE account_id = {account}",
    "movements_form_a_chain": "UPDATE movement SET used_after = used_after + 1 WHERE operation_id = '{claim}'",
    "ceilings_hold": """
        ALTER TABLE movement DROP CONSTRAINT ceiling_holds;
        UPDATE movement SET ceiling = 1 WHERE operation_id = '{claim}'
    """,
    "use_is_not_given_back_twice": "UPDATE movement SET delta = delta * 9 WHERE operation_id = '{reversal}'",
    "movements_have_their_operation": "UPDATE movement SET operation_id = '{declined}' WHERE operation_id = '{claim}'",
    "activity_is_complete": "DELETE FROM activity WHERE operation_id = '{declined}'",
    "alerts_have_their_claim": "UPDATE alert SET operation_id = '{reversal}'",
    "shortfalls_have_their_claim": "UPDATE shortfall SET operation_id = '{reversal}'",
    "entitlements_have_their_operation": "UPDATE entitlement SET stopped_by = '{claim}'",
    "business_days_follow_the_clock": "UPDATE operation SET business_day = '2026-01-01' WHERE operation_id = '{claim}'",
    "rulebooks_are_kept": "UPDATE operation SET rulebooks = 'lost' WHERE operation_id = '{claim}'",
}
"""Check -> the least that makes it find something."""

MORE = {
    "posting of a declined claim": (
        "postings_have_their_operation",
        "UPDATE posting SET operation_id = '{declined}' WHERE operation_id = '{claim}'",
    ),
    "a missing number": ("versions_are_contiguous", "UPDATE operation SET version = version + 50 WHERE version > 3"),
    "a number used twice": ("versions_are_contiguous", "UPDATE operation SET version = 2 WHERE version = 3"),
    "a trace of nothing": (
        "activity_is_complete",
        "INSERT INTO activity SELECT account_id, now(), '{tombstone}', true, trace FROM activity LIMIT 1",
    ),
    "a day ahead of the clock": (
        "business_days_follow_the_clock",
        "UPDATE operation SET business_day = business_day + 1 WHERE operation_id = '{claim}'",
    ),
    "taken back after it was replaced": (
        "claims_are_taken_back_once",
        "UPDATE operation SET refers = '{replaced}', version = 99 WHERE operation_id = '{reversal}'",
    ),
}

RECORD_SCRIPT = {
    "record_opens": "UPDATE operation SET terminal = 'T-other' WHERE operation_id = '{claim}'",
    "trace_recomputes": "UPDATE activity SET trace = (SELECT trace FROM activity WHERE operation_id = '{declined}')"
    " WHERE operation_id = '{claim}'",
}


@dataclass
class Story:
    """A book in which everything happened once, and the ids of what happened."""

    server: Server
    books: Books
    ids: dict[str, str]


async def tell(books: Books) -> dict[str, str]:
    """Everything an account can live through."""
    desk, holder = await open_desk(books), await register(books)
    await act(books, "tests", holder.account, new_id(), Use(f"xuhui_top_up.aid.{today().year}", -5, "paper", "tests"))
    claim = await desk.deduct(with_prior(desk.claim(holder.card, 1_000, 2_000), 500, "S1"))
    reversal = await desk.reverse(claim.stored.id, lines=("1",))
    replaced = await desk.deduct(desk.claim(holder.card, 5_000))
    await desk.replace(replaced.stored.id, desk.claim(holder.card, 4_000))
    spent = new_id()
    await desk.reverse(spent, card=holder.card)
    await desk.deduct(desk.claim(holder.card), spent)
    declined = await desk.deduct(desk.claim((await register(books, "")).card))
    challenged = await _challenged(desk, holder)
    await _promised_too_much(desk)
    entitlement = new_id()
    await act(books, "tests", holder.account, entitlement, Entitle("LOWINC", date(2025, 1, 1), "tests"))
    await act(books, "tests", holder.account, new_id(), Stop(entitlement, today(), "tests"))
    found = {"claim": claim, "reversal": reversal, "replaced": replaced, "declined": declined, "challenged": challenged}
    return {name: str(done.stored.id) for name, done in found.items()} | {
        "tombstone": str(spent),
        "account": str(holder.account),
    }


async def _challenged(desk: Desk, holder: Holder) -> Done:
    """The same visit claimed again and again, until somebody asks who is sitting there; then with the answer."""
    claim = desk.claim(holder.card, 700)
    at = datetime.now(UTC)
    for minutes in range(60, 0, -15):
        claim = msgspec.structs.replace(claim, at=at - timedelta(minutes=minutes))
        done = await desk.deduct(claim)
        if done.stored.reason == "CHECK_IDENTITY":
            check = IdentityCheck("id_card", "a cashier", at)
            again = msgspec.structs.replace(claim, at=at, supersedes=done.stored.id, identity_check=check)
            assert (await desk.deduct(again)).stored.verdict == "approved"
            return done
    raise AssertionError("nobody asked")


async def _promised_too_much(desk: Desk) -> None:
    claim = desk.claim((await register(desk.books)).card, 1_000)
    done = await desk.deduct(msgspec.structs.replace(claim, offline=Offline(1_000)))
    assert done.stored.record.outcome.shortfall is not None


@pytest.fixture(scope="module")
async def story(servers: Servers) -> AsyncIterator[Story]:
    """Told once, for all tests of this module."""
    server = await servers.migrated(EMBEDDED)
    books = await open_books(server)
    ids = await tell(books)
    yield Story(server, books, ids)
    await books.close()
    await servers.drop(EMBEDDED, server)


@pytest.fixture
async def undone(story: Story) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection whose changes nobody else ever sees."""
    connection = await asyncpg.connect(story.server.dsn(), server_settings={"search_path": "aidgate"})
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await connection.execute("SET LOCAL session_replication_role = replica")
    yield connection
    await transaction.rollback()
    await connection.close()


async def violated(connection: asyncpg.Connection) -> set[str]:
    return {finding.id.partition(".")[2] for finding in wrong(await selfcheck(connection))}


async def test_sound_books_are_clean(story: Story, undone: asyncpg.Connection) -> None:
    findings = await selfcheck(undone)
    assert not wrong(findings)
    assert [finding.id for finding in findings] == [f"{invariant}.{name}" for name, (invariant, _) in TITLES.items()]
    assert all(finding.checked for finding in findings), "a check that looks at nothing finds nothing"


@pytest.mark.parametrize("check", TITLES)
async def test_every_check_finds_its_corruption(story: Story, undone: asyncpg.Connection, check: str) -> None:
    await undone.execute(SCRIPT[check].format(**story.ids))
    assert check in await violated(undone)


@pytest.mark.parametrize("what", MORE)
async def test_other_ways_to_corrupt(story: Story, undone: asyncpg.Connection, what: str) -> None:
    check, statement = MORE[what]
    await undone.execute(statement.format(**story.ids))
    assert check in await violated(undone)


async def test_examples_name_the_row(story: Story, undone: asyncpg.Connection) -> None:
    await undone.execute(SCRIPT["postings_equal_aid"].format(**story.ids))
    (finding,) = wrong(await selfcheck(undone))
    assert (finding.violations, finding.examples) == (1, (story.ids["claim"],))


async def test_records_recompute(story: Story) -> None:
    findings = await selfcheck_records(story.books)
    assert not wrong(findings)
    assert [finding.id.partition(".")[2] for finding in findings] == list(RECORDS)
    assert all(finding.checked for finding in findings)


@pytest.mark.parametrize("check", RECORD_SCRIPT)
async def test_a_changed_row_shows(servers: Servers, check: str) -> None:
    assert check in await _records_violated(servers, RECORD_SCRIPT[check])


async def test_a_share_that_does_not_add_up_shows(servers: Servers) -> None:
    """As if somebody had the key, too: a fen less for the resident, sealed again."""

    async def reseal(books: Books, owner: asyncpg.Connection, ids: dict[str, str]) -> None:
        id_ = UUID(ids["claim"])
        sealed = await owner.fetchval("SELECT record FROM operation WHERE operation_id = $1", id_)
        record = books.lanes.rounds.open_record(sealed, id_)
        outcome = record.outcome
        assert isinstance(outcome, ClaimOutcome)
        assert outcome.assessment is not None
        *others, cash = outcome.assessment.shares
        less = Share(cash.payer, cash.fund, cash.amount - 1, cash.lines)
        assessment = msgspec.structs.replace(outcome.assessment, shares=(*others, less))
        forged = Record(record.raw, msgspec.structs.replace(outcome, assessment=assessment))
        sealed = books.sealer.seal(pack(forged), table="operation", column="record", row=id_.bytes)
        await owner.execute("UPDATE operation SET record = $2 WHERE operation_id = $1", id_, sealed)

    assert await _records_violated(servers, reseal) == {"shares_add_up", "claim_recomputes"}


async def test_an_answer_that_is_never_the_same_shows(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = count()
    monkeypatch.setattr("gateway.selfcheck.render", lambda stored: b"%d" % next(numbers))
    found = wrong(await selfcheck_records(story.books))
    assert [finding.id for finding in found] == ["I07.answer_is_the_same"]


async def test_records_of_another_operation_show(servers: Servers) -> None:
    """A sealed record opens in its own row only."""
    swap = "UPDATE operation SET record = (SELECT record FROM operation WHERE operation_id = '{declined}')"
    assert await _records_violated(servers, swap + " WHERE operation_id = '{claim}'") == {"record_opens"}


async def test_other_rulebooks_would_show(servers: Servers) -> None:
    """The digest of a claim changed to that of a set in which the rates are others."""
    statement = "UPDATE operation SET rulebooks = '{other}' WHERE operation_id = '{claim}'"
    assert await _records_violated(servers, statement) == {"claim_recomputes", "trace_recomputes"}


Forge = Callable[[Books, asyncpg.Connection, dict[str, str]], Awaitable[None]]


async def _records_violated(servers: Servers, forge: str | Forge) -> set[str]:
    """What is found in a small book of its own once a superuser has been through it."""
    server = await servers.migrated(EMBEDDED)
    books = await open_books(server)
    try:
        files = dict(shipped().files)
        path = "shanghai_medical_aid/rates.toml"
        files[path] = files[path].replace(b"value = 70", b"value = 71")
        other = load_rulebooks(files)
        await books.activate(other, by="tests")
        await books.activate(shipped(), by="tests")
        ids = {**await tell(books), "other": other.digest}
        owner = await asyncpg.connect(server.dsn(), server_settings={"search_path": "aidgate"})
        if isinstance(forge, str):
            await owner.execute(forge.format(**ids))
        else:
            await forge(books, owner, ids)
        await owner.close()
        return {finding.id.partition(".")[2] for finding in wrong(await selfcheck_records(books))}
    finally:
        await books.close()
        await servers.drop(EMBEDDED, server)

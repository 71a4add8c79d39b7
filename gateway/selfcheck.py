"""Selfcheck: what must always be true of the books, looked at row by row; and stored claims, worked out again.

`selfcheck` asks PostgreSQL and needs nothing else: run it every minute. `selfcheck_records` opens every stored
operation and recomputes it: run it every night.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from gateway.api.answers import render
from gateway.books import Books
from gateway.domain.claim import Claim
from gateway.domain.facts import Facts, Stored
from gateway.domain.operation import Author, Kind, Operation, fingerprint
from gateway.domain.outcome import ClaimOutcome, pack, unpack
from gateway.domain.recompute import content_of, reassess, retrace
from gateway.rulebooks import NoRulebooks
from gateway.store.checks import EXAMPLES, Row, Tally, stored_operations, tallies
from gateway.store.line import Connection
from gateway.trust.sealing import Unsealable
from rules import Activity, Assessment, Rulebooks

TITLES = {
    "entries_sum_to_zero": ("I01", "every entry sums to zero"),
    "book_sums_to_zero": ("I02", "the book sums to zero"),
    "ledgers_are_known": ("I02", "postings are on known ledger accounts only"),
    "postings_have_their_operation": ("I05", "only approved operations are posted"),
    "postings_equal_aid": ("I05", "postings equal the aid that was decided"),
    "reversals_give_back_at_most": ("I08", "no fund gets back more than it gave"),
    "claims_are_taken_back_once": ("I05", "a claim is taken back wholly at most once"),
    "references_hold": ("I09", "operations refer to what they may refer to"),
    "claims_are_followed_once": ("I09", "a claim is superseded at most once"),
    "tombstones_have_their_reversal": ("I09", "every spent id has the reversal that spent it"),
    "settlements_stand_once": ("I05", "a prior settlement stands behind one claim at most"),
    "settlements_stand_with_their_claim": ("I09", "a prior settlement stands as long as its claim"),
    "versions_are_contiguous": ("I09", "an account's operations are numbered without gaps"),
    "movements_form_a_chain": ("I10", "balances of accumulators follow from their movements"),
    "ceilings_hold": ("I10", "no ceiling is passed but by an exception"),
    "use_is_not_given_back_twice": ("I08", "no claim gives back more use than was taken"),
    "movements_have_their_operation": ("I10", "only approved operations move accumulators"),
    "activity_is_complete": ("I15", "every attempt is in the activity that counters read"),
    "alerts_have_their_claim": ("I16", "every alert has the claim that raised it"),
    "shortfalls_have_their_claim": ("I13", "every shortfall has its claim"),
    "entitlements_have_their_operation": ("I09", "every entitlement was given, and ended, by an operation"),
    "business_days_follow_the_clock": ("I12", "business days follow the clock"),
    "rulebooks_are_kept": ("I14", "every set of rulebooks that was applied is kept"),
}
"""Statement of selfcheck.sql -> (invariant, what it promises)."""
RECORDS = {
    "record_opens": ("I14", "every stored record opens and is what was asked"),
    "shares_add_up": ("I03", "the shares of a claim add up to its total, line by line"),
    "claim_recomputes": ("I14", "every claim comes to the same split when it is worked out again"),
    "trace_recomputes": ("I15", "every trace that counters read is the one its operation leaves"),
    "answer_is_the_same": ("I07", "every answer is the same however often it is given"),
}
"""Check of one stored operation -> (invariant, what it promises)."""


class Finding(Struct, frozen=True):
    """One check's result; clean when there are no violations."""

    id: str
    """`I01.entries_sum_to_zero`: the invariant, and the statement that looked."""
    title: str
    checked: int
    """Rows looked at."""
    violations: int
    examples: tuple[str, ...] = ()
    """Which, to begin with: operation ids, account ids, ledger accounts; nothing that says who a person is."""


async def selfcheck(connection: Connection) -> list[Finding]:
    """Looks at the whole book on one snapshot, while it is in use. A connection as `Database.connect` makes them, in
    no transaction.

    One finding per check, in the order of the checks, also of those that found nothing wrong.
    """
    return [_finding(*TITLES[tally.name], tally) for tally in await tallies(connection)]


async def selfcheck_records(books: Books) -> list[Finding]:
    """Opens every stored operation and works it out again, one after another, while the books are in use."""
    tallied = {name: _Count() for name in RECORDS}
    connection = await books.database.connect()
    shelf = await books.database.connect()  # the first one is busy with its cursor
    try:
        async for row in stored_operations(connection):
            for name, holds in await _checked(books, shelf, row):
                tallied[name].note(str(row["operation_id"]), holds)
    finally:
        await shelf.close()
        await connection.close()
    return [_finding(*RECORDS[name], count.tally(name)) for name, count in tallied.items()]


def wrong(findings: list[Finding]) -> list[Finding]:
    """Those that found something."""
    return [finding for finding in findings if finding.violations]


class _Count:
    """How often a check was made, and where it failed."""

    def __init__(self) -> None:
        self._checked = 0
        self._violations = 0
        self._examples: list[str] = []

    def note(self, example: str, holds: bool) -> None:
        self._checked += 1
        if not holds:
            self._violations += 1
            if len(self._examples) < EXAMPLES:
                self._examples.append(example)

    def tally(self, name: str) -> Tally:
        return Tally(name, self._checked, self._violations, tuple(self._examples))


async def _checked(books: Books, connection: Connection, row: Row) -> list[tuple[str, bool]]:
    """The checks that apply to one operation, and whether they hold."""
    if row["kind"] == Kind.TOMBSTONE:
        return []
    try:
        stored = books.lanes.rounds.stored_in(row)
        operation = _operation(books, row, stored)
        rulebooks = await books.shelf.get(connection, row["rulebooks"])
    except (Unsealable, msgspec.MsgspecError, NoRulebooks):
        return [("record_opens", False)]
    return [
        ("record_opens", operation.fingerprint == row["fingerprint"]),
        *_recomputed(row, stored, operation, rulebooks),
    ]


def _recomputed(row: Row, stored: Stored, operation: Operation, rulebooks: Rulebooks) -> Iterator[tuple[str, bool]]:
    outcome = stored.record.outcome
    found = msgspec.msgpack.decode(row["trace"], type=Activity) if row["trace"] else None
    facts = Facts(
        now=stored.posted_at,
        rulebooks=row["rulebooks"],
        version=stored.version - 1,
        subject="",
        lat=found.lat if found else 0.0,  # where the clinic stood then
        lon=found.lon if found else 0.0,
    )
    assessed = None
    if isinstance(outcome, ClaimOutcome) and outcome.assessment is not None:
        assessed = reassess(operation, facts, outcome, rulebooks)
        yield "shares_add_up", _adds_up(operation, outcome.assessment)
        yield (
            "claim_recomputes",
            assessed is not None
            and (
                msgspec.structs.replace(assessed.assessment, steps=()) == outcome.assessment
                and assessed.quote == outcome.quote
            ),
        )
    yield "trace_recomputes", found == retrace(operation, facts, stored.verdict, stored.reason, outcome, assessed)
    again = msgspec.structs.replace(stored, record=unpack(pack(stored.record)))
    yield "answer_is_the_same", render(stored) == render(again)


def _adds_up(operation: Operation, assessment: Assessment) -> bool:
    claim = operation.content
    assert isinstance(claim, Claim)
    shares = assessment.shares
    return (
        sum(share.amount for share in shares) == claim.total
        and all(share.amount == sum(share.lines) and min(share.lines) >= 0 for share in shares)
        and [sum(parts) for parts in zip(*(share.lines for share in shares), strict=True)]
        == [line.amount for line in claim.lines]
        and sum(share.amount for share in shares if share.fund) == assessment.aid
    )


def _operation(books: Books, row: Row, stored: Stored) -> Operation:
    """The operation as it was handed to the decision, from its stored body; its fingerprint worked out anew."""
    author = Author(stored.terminal, stored.clinic, row["staff"])
    content = content_of(stored.kind, stored.record.raw)
    card_key, diagnosis_key = b"", ""
    stay = row["visit"] if stored.kind is Kind.STAY else ""
    if isinstance(content, Claim):
        card_key = books.directory.card_key(content.card)
        diagnosis_key = books.directory.diagnosis_key(content.visit.diagnosis, stored.account)
    return Operation(
        id=stored.id,
        kind=stored.kind,
        account=stored.account,
        content=content,
        author=author,
        at=row["event_at"],
        fingerprint=fingerprint(stored.kind, author, stored.refers, content, stay),
        card_key=card_key,
        refers=stored.refers,
        diagnosis_key=diagnosis_key,
        stay=stay,
    )


def _finding(invariant: str, title: str, tally: Tally) -> Finding:
    return Finding(f"{invariant}.{tally.name}", title, tally.checked, tally.violations, tally.examples)

"""Explain: work a stored operation out again from its record and its rulebooks, and compare. Changes nothing."""

from uuid import UUID

from msgspec import Struct

from gateway.api.answers import OperationAnswer, Split, answer, split_of
from gateway.books import Books
from gateway.domain.claim import Claim, Reversal
from gateway.domain.decision import decide
from gateway.domain.effects import Decision
from gateway.domain.facts import Facts, Referred, Stored
from gateway.domain.operation import Author, Kind, Operation, Verdict
from gateway.domain.outcome import Back, ClaimOutcome, Record, ReversalOutcome
from gateway.domain.recompute import content_of, reassess
from gateway.find import find_operation
from gateway.store.line import Row
from gateway.store.statements import load
from rules import Rulebooks

_SQL = load("explain")


class Explanation(Struct, frozen=True, omit_defaults=True):
    """A stored operation, worked out again."""

    answer: OperationAnswer
    """What was answered, then and now."""
    split: Split | None = None
    """Of a claim or replacement, as worked out now; None where the rules were never asked."""
    differences: tuple[str, ...] = ()
    """Names of what came out otherwise than stored. Empty is what it has to be."""


async def explain(books: Books, id_: UUID) -> Explanation | None:
    """Why a stored operation came out as it did; None when there is none. NoRulebooks when its set is not kept."""
    stored = await find_operation(books, id_)
    if stored is None:
        return None
    async with books.pool.acquire() as connection:
        decided = await connection.fetchrow(_SQL["decided_on"].sql, id_)
        assert decided is not None
        rulebooks = await books.shelf.get(connection, decided["rulebooks"])
        referred = await connection.fetchrow(_SQL["claim_of"].sql, stored.refers) if stored.refers else None
        before = await connection.fetch(
            _SQL["taken_back_before"].sql,
            *_SQL["taken_back_before"].bind(operation_id=stored.refers, version=stored.version),
        )
    open_record = books.lanes.rounds.open_record
    facts = Facts(
        now=stored.posted_at,
        rulebooks=rulebooks.digest,
        version=stored.version - 1,
        subject="",
        referred=_referred(referred, open_record(referred["record"], referred["operation_id"])) if referred else None,
        back=tuple(open_record(row["record"], row["operation_id"]) for row in before),
    )
    match stored.record.outcome:
        case ClaimOutcome() as outcome:
            return _explain_claim(stored, outcome, decided, facts, rulebooks)
        case ReversalOutcome(back=Back() as taken):
            content = content_of(Kind.REVERSAL, stored.record.raw)
            assert isinstance(content, Reversal)
            differences = _taken_back_differently(stored, taken, content.lines, facts, rulebooks)
            return Explanation(answer(stored), differences=differences)
    return Explanation(answer(stored))


def _explain_claim(
    stored: Stored, outcome: ClaimOutcome, decided: Row, facts: Facts, rulebooks: Rulebooks
) -> Explanation:
    claim = content_of(stored.kind, stored.record.raw)
    assert isinstance(claim, Claim)
    operation = Operation(
        id=stored.id,
        kind=stored.kind,
        account=stored.account,
        content=claim,
        author=Author(stored.terminal, stored.clinic, decided["staff"]),
        at=decided["event_at"],
        fingerprint=stored.fingerprint,
        refers=stored.refers,
    )
    assessed = reassess(operation, facts, outcome, rulebooks)
    if assessed is None or outcome.assessment is None:
        return Explanation(answer(stored))
    differences = tuple(
        name
        for name in ("rulebooks", "total", "aid", "shares", "movements", "category", "no_aid", "unmapped")
        if getattr(outcome.assessment, name) != getattr(assessed.assessment, name)
    )
    if assessed.quote != outcome.quote:
        differences += ("quote",)
    if outcome.replaced is not None:
        differences += _taken_back_differently(stored, outcome.replaced, (), facts, rulebooks)
    return Explanation(answer(stored), split_of(assessed.assessment, assessed.quote, claim), differences)


def _taken_back_differently(
    stored: Stored, taken: Back, lines: tuple[str, ...], facts: Facts, rulebooks: Rulebooks
) -> tuple[str, ...]:
    """Decides again what was taken back, on the claim and what had been taken back of it before.

    `lines` empty: all that was left, which is also what a replacement takes.
    """
    operation = Operation(
        id=stored.id,
        kind=Kind.REVERSAL,
        account=stored.account,
        content=Reversal(reason="error", at=stored.posted_at, lines=lines),
        author=Author(stored.terminal, stored.clinic),
        at=stored.posted_at,
        fingerprint=stored.fingerprint,
        refers=stored.refers,
    )
    decision = decide(operation, facts, rulebooks)
    outcome = decision.outcome if isinstance(decision, Decision) else None
    return () if isinstance(outcome, ReversalOutcome) and outcome.back == taken else ("taken_back",)


def _referred(row: Row, record: Record) -> Referred:
    return Referred(
        id=row["operation_id"],
        account=row["account_id"],
        kind=Kind(row["kind"]),
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        clinic=row["clinic"],
        business_day=row["business_day"],
        record=record,
    )

"""Rounds on PostgreSQL: many operations' facts in one statement, many decisions posted in another.

Arrays of scalars in, flat rows out: a round of fifty costs little more than a round of one.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import starmap
from uuid import UUID

import asyncpg
import msgspec
import orjson
from msgspec import Struct

from gateway.domain.effects import Decision
from gateway.domain.facts import AccountStay, Facts, Referred, Stored
from gateway.domain.operation import Kind, Operation, Verdict
from gateway.domain.outcome import PlainOutcome, Record, pack, unpack
from gateway.store.line import Connection
from gateway.store.statements import load
from gateway.trust.sealing import Sealer, Unsealable
from rules import Activity, Entitlement

_ROUND = load("round")
_FACTS, _REFERENCES, _POST, _LOCK, _LOCK_FREE, _OPEN = (
    _ROUND[name] for name in ("facts", "references", "post", "lock_accounts", "lock_free_accounts", "open_ledgers")
)
_activity = msgspec.msgpack.Decoder(Activity)
_trace = msgspec.msgpack.Encoder()
_KIND = {kind.value: kind for kind in Kind}
_VERDICT = {verdict.value: verdict for verdict in Verdict}


class Question(Struct, frozen=True):
    """An operation, and what its decision needs to know beside the account itself."""

    operation: Operation
    accumulators: tuple[str, ...]
    since: datetime | None
    settlements: tuple[tuple[str, str], ...] = ()
    """(payer, settlement id) of the prior payers."""


class Unreadable(Struct, frozen=True):
    """Why the facts of one operation could not be read: damage, or another key. Names nobody."""

    why: str


class Decided(Struct, frozen=True):
    """One decided operation on its way to be posted."""

    operation: Operation
    version: int
    """The account's, as the facts had it."""
    rulebooks: str
    decision: Decision


class Posted(Struct, frozen=True):
    """What one posting call did."""

    places: frozenset[int]
    """Which of the decided operations were posted, from 0."""
    posted_at: datetime
    business_day: date


class Rounds:
    """The posting path of one schema."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._ledgers: set[str] = set()

    async def facts(
        self, connection: Connection, questions: Sequence[Question]
    ) -> tuple[str, list[Facts | Unreadable]]:
        """Digest of the rulebooks in force, and each operation's facts in the order of the questions: one snapshot.

        What is stored with one operation may be unreadable; the others do not suffer for it.
        """
        operations = [question.operation for question in questions]
        arguments = _FACTS.bind(
            account_id=[operation.account for operation in operations],
            operation_id=[operation.id for operation in operations],
            card_key=[operation.card_key for operation in operations],
            terminal=[operation.author.terminal for operation in operations],
            clinic=[operation.author.clinic for operation in operations],
            accumulators=["\n".join(question.accumulators) for question in questions],
            since=[question.since for question in questions],
            payers=["\n".join(payer for payer, _ in question.settlements) for question in questions],
            settlements=["\n".join(settlement for _, settlement in question.settlements) for question in questions],
        )
        rows = await connection.fetch(_FACTS.sql, *arguments)
        by_place = {row["n"]: row for row in rows}
        digest = rows[0]["digest"] or "" if rows else ""
        references = await self._references(connection, operations)
        return digest, [
            self._facts_or_why(question, by_place.get(n), references.get(n)) for n, question in enumerate(questions, 1)
        ]

    async def _references(self, connection: Connection, operations: Sequence[Operation]) -> dict[int, asyncpg.Record]:
        """What operations of the round refer to, by their place from 1. Few do, and a round of none asks nothing."""
        refer = [(n, operation) for n, operation in enumerate(operations, 1) if operation.refers is not None]
        if not refer:
            return {}
        arguments = _REFERENCES.bind(
            n=[n for n, _ in refer],
            account_id=[operation.account for _, operation in refer],
            refers=[operation.refers for _, operation in refer],
        )
        return {row["n"]: row for row in await connection.fetch(_REFERENCES.sql, *arguments)}

    async def post(self, connection: Connection, decided: Sequence[Decided]) -> Posted:
        """Posts what is still true in one call that commits by itself. Raises what PostgreSQL raises."""
        await self._open_ledgers(connection, decided)
        row = await connection.fetchrow(_POST.sql, *self._post_arguments(decided))
        assert row is not None
        return Posted(frozenset(n - 1 for n in row["posted"]), row["posted_at"], row["business_day"])

    async def _open_ledgers(self, connection: Connection, decided: Sequence[Decided]) -> None:
        """Funds are named by rulebooks: the first posting on one opens its ledger account."""
        unopened = {ledger for item in decided for ledger, _ in item.decision.postings} - self._ledgers
        if unopened:
            await connection.execute(_OPEN.sql, *_OPEN.bind(ledgers=sorted(unopened)))
            self._ledgers |= unopened

    async def lock(self, connection: Connection, accounts: Iterable[int]) -> None:
        """Waits until these accounts can be locked: what was read of them before is then as durable as a commit."""
        await connection.fetch(_LOCK.sql, *_LOCK.bind(account_ids=sorted(set(accounts))))

    async def lock_free(self, connection: Connection, accounts: Iterable[int]) -> set[int]:
        """As `lock`, without waiting: those of the accounts that nobody else holds."""
        rows = await connection.fetch(_LOCK_FREE.sql, *_LOCK_FREE.bind(account_ids=sorted(set(accounts))))
        return {row["account_id"] for row in rows}

    def open_record(self, sealed: bytes, operation: UUID) -> Record:
        """A stored operation's record; a tombstone has none."""
        if not sealed:
            return Record(b"", PlainOutcome())
        return unpack(self._sealer.open(sealed, table="operation", column="record", row=operation.bytes))

    def stored_in(self, row: asyncpg.Record) -> Stored:
        """The operation in a row that has the columns of the table, its record opened. Raises Unsealable."""
        return Stored(
            id=row["operation_id"],
            account=row["account_id"],
            kind=_KIND[row["kind"]],
            verdict=_VERDICT[row["verdict"]],
            reason=row["reason"],
            fingerprint=row["fingerprint"],
            refers=row["refers"],
            terminal=row["terminal"],
            clinic=row["clinic"],
            version=row["version"],
            posted_at=row["posted_at"],
            business_day=row["business_day"],
            record=self.open_record(row["record"], row["operation_id"]),
        )

    def _facts_or_why(
        self, question: Question, row: asyncpg.Record | None, reference: asyncpg.Record | None
    ) -> Facts | Unreadable:
        if row is None:
            return Unreadable(f"account {question.operation.account} is not there")
        try:
            return self._facts(question, row, reference)
        except (Unsealable, msgspec.MsgspecError, KeyError) as error:
            return Unreadable(f"{type(error).__name__}: {error}")

    def _facts(self, question: Question, row: asyncpg.Record, reference: asyncpg.Record | None) -> Facts:
        operation = question.operation
        used = row["used"]
        traces = row["traces"]
        if row["trace_before"] is not None:
            traces = [row["trace_before"], *traces]
        categories = row["categories"]
        return Facts(
            now=row["now"],
            rulebooks=row["digest"] or "",
            version=row["version"],
            subject=row["subject"],
            shortfall_owner=row["shortfall_owner"],
            frozen_until=row["frozen_until"],
            card_frozen_until=row["card_frozen_until"],
            terminal_frozen_until=row["terminal_frozen_until"],
            clinic_frozen_until=row["clinic_frozen_until"],
            lat=row["lat"] or 0.0,
            lon=row["lon"] or 0.0,
            stored=None if row["stored_account"] is None else self._stored(operation.id, row),
            referred=self._referred(operation, reference) if reference else None,
            back=self._back(reference) if reference else (),
            followed_by=tuple(reference["followed_by"]) if reference else (),
            entitlements=()
            if categories is None
            else tuple(
                starmap(Entitlement, zip(categories, row["starts"], row["ends"], row["districts"], strict=True))
            ),
            entitlement_ids=() if categories is None else tuple(row["entitlement_ids"]),
            used={}
            if used is None
            else {key: amount for key, amount in zip(question.accumulators, used, strict=True) if amount},
            activity=() if not traces else tuple(map(_activity.decode, traces)),
            stays=()
            if row["stays"] is None
            else tuple(
                starmap(
                    AccountStay,
                    zip(row["stay_clinics"], row["stays"], row["admitted"], row["discharged"], strict=True),
                )
            ),
            settlement_holders=tuple(row["settlement_holders"] or ()),
        )

    def _stored(self, id_: UUID, row: asyncpg.Record) -> Stored:
        return Stored(
            id=id_,
            account=row["stored_account"],
            kind=_KIND[row["stored_kind"]],
            verdict=_VERDICT[row["stored_verdict"]],
            reason=row["stored_reason"],
            fingerprint=row["stored_fingerprint"],
            refers=row["stored_refers"],
            terminal=row["stored_terminal"],
            clinic=row["stored_clinic"],
            version=row["stored_version"],
            posted_at=row["stored_posted_at"],
            business_day=row["stored_business_day"],
            record=self.open_record(row["stored_record"], id_),
        )

    def _referred(self, operation: Operation, row: asyncpg.Record) -> Referred:
        assert operation.refers is not None
        return Referred(
            id=operation.refers,
            account=row["referred_account"],
            kind=_KIND[row["referred_kind"]],
            verdict=_VERDICT[row["referred_verdict"]],
            reason=row["referred_reason"],
            clinic=row["referred_clinic"],
            business_day=row["referred_business_day"],
            record=self.open_record(row["referred_record"], operation.refers),
        )

    def _back(self, row: asyncpg.Record) -> tuple[Record, ...]:
        if not row["back_records"]:
            return ()
        pairs = zip(row["back_ids"], row["back_records"], strict=True)
        return tuple(self.open_record(sealed, id_) for id_, sealed in pairs)

    def _post_arguments(self, decided: Sequence[Decided]) -> tuple[object, ...]:
        operations = [item.operation for item in decided]
        decisions = [item.decision for item in decided]
        numbered = list(enumerate(decisions, 1))
        postings = [(n, ledger, amount) for n, decision in numbered for ledger, amount in decision.postings]
        uses = [(n, use) for n, decision in numbered for use in decision.uses]
        alerts = [(n, hit) for n, decision in numbered for hit in decision.alerts]
        priors = [(n, prior) for n, decision in numbered for prior in decision.priors]
        effects = [(n, orjson.dumps(effect).decode()) for n, decision in numbered for effect in decision.effects]
        return _POST.bind(
            account_id=[operation.account for operation in operations],
            version=[item.version for item in decided],
            operation_id=[operation.id for operation in operations],
            kind=[operation.kind.value for operation in operations],
            verdict=[decision.verdict.value for decision in decisions],
            reason=[decision.reason.value if decision.reason else "" for decision in decisions],
            fingerprint=[operation.fingerprint for operation in operations],
            refers=[operation.refers for operation in operations],
            terminal=[operation.author.terminal for operation in operations],
            clinic=[operation.author.clinic for operation in operations],
            staff=[operation.author.staff for operation in operations],
            cashier=[getattr(operation.content, "cashier", "") for operation in operations],
            event_at=[operation.at for operation in operations],
            service_day=[decision.service_day for decision in decisions],
            total=[decision.total for decision in decisions],
            aid=[decision.aid for decision in decisions],
            visit=[decision.visit for decision in decisions],
            bill=[decision.bill for decision in decisions],
            invoice=[decision.invoice for decision in decisions],
            rulebooks=[item.rulebooks for item in decided],
            record=[self._seal(item) for item in decided],
            signature=[operation.signature for operation in operations],
            trace=[decision.trace and _trace.encode(decision.trace) for decision in decisions],
            posting_of=[n for n, _, _ in postings],
            posting_ledger=[ledger for _, ledger, _ in postings],
            posting_amount=[amount for _, _, amount in postings],
            movement_of=[n for n, _ in uses],
            movement_accumulator=[use.accumulator for _, use in uses],
            movement_delta=[use.delta for _, use in uses],
            movement_ceiling=[use.ceiling for _, use in uses],
            movement_exception=[use.is_exception for _, use in uses],
            alert_of=[n for n, _ in alerts],
            alert_counter=[hit.counter for _, hit in alerts],
            alert_subject=[hit.subject for _, hit in alerts],
            alert_since=[datetime.fromtimestamp(hit.since, UTC) for _, hit in alerts],
            alert_period=[hit.window for _, hit in alerts],
            alert_value=[hit.value for _, hit in alerts],
            alert_threshold=[hit.threshold for _, hit in alerts],
            alert_action=[hit.action for _, hit in alerts],
            prior_of=[n for n, _ in priors],
            prior_payer=[prior.payer for _, prior in priors],
            prior_settlement=[prior.settlement for _, prior in priors],
            prior_taken=[prior.taken for _, prior in priors],
            effect_of=[n for n, _ in effects],
            effect=[effect for _, effect in effects],
        )

    def _seal(self, item: Decided) -> bytes:
        record = pack(Record(item.operation.raw, item.decision.outcome))
        return self._sealer.seal(record, table="operation", column="record", row=item.operation.id.bytes)

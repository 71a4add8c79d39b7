"""The model: recomputes every outcome of a run in the order of the ledger, from facts that it keeps itself.

It reads what was asked (contents, authors, order) and nothing of what was decided; decides each operation again on its
own books, and compares everything the gateway wrote. Within an account the order is the account's version. What an
operation can see of other accounts (frozen clinics, settlements, foreign claims) depends on when it was decided; the
model allows what real time allows: what was answered before this was asked must have been seen, what was asked after
this was answered cannot have been.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import product
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain.claim import Claim, Reversal, StayReport
from gateway.domain.decision import accumulators_of, decide, history_since
from gateway.domain.effects import Decision, Refused, Replay
from gateway.domain.facts import Facts, Referred
from gateway.domain.operation import (
    Author,
    Content,
    Entitle,
    Freeze,
    Kind,
    Operation,
    Stop,
    Unfreeze,
    Use,
    Verdict,
    fingerprint,
)
from gateway.domain.outcome import Record
from gateway.domain.refusal import Refusal
from rules import Rulebooks
from tests.whole.model_books import FOREVER, Account, Foreign, Mismatch, Span, Written, comparable, seen, settlements_of

_CONTENTS: dict[Kind, Any] = {
    Kind.CLAIM: Claim,
    Kind.REPLACEMENT: Claim,
    Kind.REVERSAL: Reversal,
    Kind.STAY: StayReport,
}


class Model:
    """Replays a run. `card_key` and `diagnosis_key` are the directory's hashes, which are no part of the decision."""

    def __init__(
        self,
        written: list[Written],
        subjects: Mapping[int, str],
        rulebooks: Mapping[str, Rulebooks],
        places: Mapping[str, tuple[int, float, float]],
        shortfall_owner: str,
        directory: Any,
    ) -> None:
        self.accounts = {account: Account(subject) for account, subject in subjects.items()}
        self.written = {one.row["operation_id"]: one for one in written}
        self.decided: dict[UUID, Decision] = {}
        self.raised: set[tuple[int, str, str, int]] = set()
        self._rulebooks = rulebooks
        self._places = places
        self._owner = shortfall_owner
        self._directory = directory
        self._referring: dict[UUID, list[Written]] = defaultdict(list)
        self._freezes: dict[int, list[Written]] = defaultdict(list)
        self._holding: dict[tuple[str, str], list[Written]] = defaultdict(list)
        for one in sorted(written, key=lambda one: one.row["version"]):
            if one.row["refers"] is not None:
                self._referring[one.row["refers"]].append(one)
            if one.kind in (Kind.FREEZE, Kind.UNFREEZE):
                self._freezes[one.row["account_id"]].append(one)
            for settlement in one.settlements:
                self._holding[settlement].append(one)

    def replay(self) -> None:
        """Every account, from its first operation to its last. Raises Mismatch."""
        for one in sorted(self.written.values(), key=lambda one: (one.row["account_id"], one.row["version"])):
            if one.kind is not Kind.TOMBSTONE:
                self._replay_one(one)

    def _replay_one(self, one: Written) -> None:
        account = self.accounts[one.row["account_id"]]
        operation = self._operation(one)
        if one.row["version"] != account.version + 1:
            raise Mismatch(f"{operation.id}: version {one.row['version']} after {account.version}")
        rulebooks = self._rulebooks[one.row["rulebooks"]]
        wrong: list[str] = []
        for foreign in self._foreign(one, operation):
            answer = decide(operation, self._facts(one, operation, account, rulebooks, foreign), rulebooks)
            differences = self._differences(one, operation, account, answer)
            if not differences:
                assert isinstance(answer, Decision)
                self._keep(one, operation, account, answer)
                return
            wrong.append(f"{foreign}: " + "; ".join(differences))
        raise Mismatch(f"{operation.kind} {operation.id} of account {operation.account}: " + " | ".join(wrong))

    def _operation(self, one: Written) -> Operation:
        """The operation as it was handed to the gateway."""
        row = one.row
        author = Author(row["terminal"], row["clinic"], row["staff"])
        content: Content = msgspec.json.decode(
            one.record.raw, type=_CONTENTS.get(one.kind, Freeze | Unfreeze | Entitle | Stop | Use)
        )
        card = getattr(content, "card", None)
        card_key = self._directory.card_key(card) if card else getattr(content, "card_key", b"")
        diagnosis = content.visit.diagnosis if isinstance(content, Claim) else ""
        if fingerprint(one.kind, author, row["refers"], content, one.stay) != row["fingerprint"]:
            raise Mismatch(f"{row['operation_id']}: the fingerprint is not that of the stored content")
        return Operation(
            id=row["operation_id"],
            kind=one.kind,
            account=row["account_id"],
            content=content,
            author=author,
            at=row["event_at"],
            fingerprint=row["fingerprint"],
            card_key=card_key,
            refers=row["refers"],
            raw=one.record.raw,
            stay=one.stay,
            diagnosis_key=self._directory.diagnosis_key(diagnosis, row["account_id"]),
        )

    # Facts

    def _facts(
        self, one: Written, operation: Operation, account: Account, rulebooks: Rulebooks, foreign: Foreign
    ) -> Facts:
        keys = accumulators_of(operation, rulebooks)
        _, lat, lon = self._places.get(operation.author.clinic, (0, 0.0, 0.0))
        holders = tuple(account.settlements[key] for key in settlements_of(operation) if key in account.settlements)
        return Facts(
            now=one.row["posted_at"],
            rulebooks=one.row["rulebooks"],
            version=account.version,
            subject=account.subject,
            shortfall_owner=self._owner,
            frozen_until=account.frozen,
            card_frozen_until=account.cards.get(operation.card_key),
            terminal_frozen_until=foreign.terminal,
            clinic_frozen_until=foreign.clinic,
            lat=lat,
            lon=lon,
            referred=self._referred(operation, one, foreign),
            back=self._back(operation),
            followed_by=self._followers(operation),
            entitlements=tuple(account.entitlements.values()),
            entitlement_ids=tuple(account.entitlements),
            used={key: account.used[key] for key in keys if account.used.get(key)},
            activity=account.recent(history_since(operation, rulebooks)),
            stays=tuple(account.stays.values()),
            settlement_holders=(*holders, *((UUID(int=1),) if foreign.holder else ())),
        )

    def _referred(self, operation: Operation, one: Written, foreign: Foreign) -> Referred | None:
        """What it refers to, if that was there: decided before it in this account, or visible in another."""
        other = self.written.get(operation.refers) if operation.refers else None
        if other is None:
            return None
        row = other.row
        if row["account_id"] != operation.account:
            if not foreign.referred:
                return None
        elif row["version"] >= one.row["version"]:
            return None
        return Referred(
            id=row["operation_id"],
            account=row["account_id"],
            kind=other.kind,
            verdict=Verdict(row["verdict"]),
            reason=row["reason"],
            clinic=row["clinic"],
            business_day=row["business_day"],
            record=other.record,
        )

    def _back(self, operation: Operation) -> tuple[Record, ...]:
        """What took parts of the same claim back before: as the model decided them."""
        found = []
        for other in self._referring.get(operation.refers, ()) if operation.refers else ():
            decision = self.decided.get(other.row["operation_id"])
            if (
                decision is not None
                and decision.verdict is Verdict.APPROVED
                and other.kind in (Kind.REVERSAL, Kind.REPLACEMENT)
            ):
                found.append(Record(other.record.raw, decision.outcome))
        return tuple(found)

    def _followers(self, operation: Operation) -> tuple[UUID, ...]:
        if operation.refers is None:
            return ()
        followers = []
        for other in self._referring[operation.refers]:
            decision = self.decided.get(other.row["operation_id"])
            if decision is None or other.row["account_id"] != operation.account:
                continue
            if decision.reason is Refusal.SUPERSEDES_NOTHING:
                continue
            if other.kind is Kind.CLAIM or (other.kind is Kind.REPLACEMENT and decision.verdict is Verdict.APPROVED):
                followers.append(other.row["operation_id"])
        return tuple(followers)

    # What may have been seen of other accounts

    def _foreign(self, one: Written, operation: Operation) -> Iterator[Foreign]:
        if not isinstance(operation.content, Claim | Reversal):
            yield Foreign(None, None, holder=False, referred=False)
            return
        for clinic, terminal, holder, referred in product(
            self._freezes_seen(operation.author.clinic, one.span),
            self._freezes_seen(operation.author.terminal, one.span),
            self._holders_seen(one, operation),
            self._referred_seen(one, operation),
        ):
            yield Foreign(clinic, terminal, holder, referred)

    def _freezes_seen(self, place: str, span: Span) -> list[date | None]:
        """Every state the place's account may have been in, the newest first."""
        acts = self._freezes.get(self._places[place][0], [])
        sure = sum(1 for act in acts if act.span.surely_before(span))
        maybe = sum(1 for act in acts if act.span.maybe_before(span))
        states: list[date | None] = []
        for count in range(maybe, sure - 1, -1):
            content = self._operation(acts[count - 1]).content if count else None
            state = (content.until or FOREVER) if isinstance(content, Freeze) else None
            if state not in states:
                states.append(state)
        return states

    def _holders_seen(self, one: Written, operation: Operation) -> list[bool]:
        """May another account have held one of its settlements; and may none?"""
        sure = maybe = False
        for settlement in settlements_of(operation):
            for taker in self._holding.get(settlement, ()):
                if taker.row["account_id"] == operation.account:
                    continue
                release = self._release(taker)
                released = release.span.surely_before(one.span) if release else False
                may_be_released = release.span.maybe_before(one.span) if release else False
                maybe |= taker.span.maybe_before(one.span) and not released
                sure |= taker.span.surely_before(one.span) and not may_be_released
        return [True] if sure else [False, True] if maybe else [False]

    def _release(self, taker: Written) -> Written | None:
        """What took a claim back wholly."""
        left = taker.row["total"]
        for other in self._referring.get(taker.row["operation_id"], ()):
            if other.row["verdict"] != "approved" or other.kind not in (Kind.REVERSAL, Kind.REPLACEMENT):
                continue
            left += other.row["total"]
            if other.kind is Kind.REPLACEMENT or left == 0:
                return other
        return None

    def _referred_seen(self, one: Written, operation: Operation) -> list[bool]:
        other = self.written.get(operation.refers) if operation.refers else None
        if other is None or other.row["account_id"] == operation.account:
            return [False]
        return seen([other], one.span)

    # Comparing

    def _differences(self, one: Written, operation: Operation, account: Account, answer: object) -> list[str]:
        """What the gateway decided or wrote differently."""
        if isinstance(answer, Refused | Replay):
            return [f"the model stores nothing: {answer}"]
        assert isinstance(answer, Decision)
        postings = self._postings(operation, answer)
        used = {use.accumulator: account.used.get(use.accumulator, 0) + use.delta for use in answer.uses}
        movements = {
            use.accumulator: (use.delta, used[use.accumulator], use.ceiling, use.is_exception) for use in answer.uses
        }
        alerts = frozenset(
            (hit.counter, hit.subject, hit.since, hit.window, hit.value, hit.threshold, hit.action)
            for hit in answer.alerts
            if (operation.account, hit.counter, hit.subject, hit.since) not in self.raised
        )
        shortfalls = [effect for effect in answer.effects if effect["effect"] == "shortfall"]
        shortfall = (shortfalls[0]["owner"], shortfalls[0]["promised"], shortfalls[0]["exact"]) if shortfalls else None
        taken = frozenset((prior.payer, prior.settlement) for prior in answer.priors if prior.taken)
        pairs = {
            "verdict": (one.row["verdict"], answer.verdict.value),
            "reason": (one.row["reason"], answer.reason.value if answer.reason else ""),
            "aid": (one.row["aid"], answer.aid),
            "total": (one.row["total"], answer.total),
            "service day": (one.row["service_day"], answer.service_day),
            "outcome": (comparable(one.record.outcome), comparable(answer.outcome)),
            "postings": (one.postings, postings),
            "movements": (one.movements, movements),
            "trace": (one.trace, answer.trace),
            "alerts": (one.alerts, alerts),
            "settlements": (one.settlements, taken),
            "shortfall": (one.shortfall, shortfall),
        }
        return [f"{name}: stored {found}, model {own}" for name, (found, own) in pairs.items() if found != own]

    @staticmethod
    def _postings(operation: Operation, decision: Decision) -> tuple[tuple[str, int], ...]:
        clinic = -sum(amount for _, amount in decision.postings)
        side = ((f"clinic:{operation.author.clinic}:payable", clinic),) if clinic else ()
        return tuple(sorted((*decision.postings, *side)))

    # Keeping

    def _keep(self, one: Written, operation: Operation, account: Account, decision: Decision) -> None:
        """The model's own bookkeeping of what it decided."""
        self.decided[operation.id] = decision
        account.version += 1
        for use in decision.uses:
            account.used[use.accumulator] = account.used.get(use.accumulator, 0) + use.delta
            if (
                use.delta > 0
                and use.ceiling is not None
                and not use.is_exception
                and account.used[use.accumulator] > use.ceiling
            ):
                raise Mismatch(f"{operation.id} passes the ceiling of {use.accumulator}")
        if decision.trace is not None:
            account.activity.append((operation.at, operation.id, decision.trace))
        self.raised |= {(operation.account, hit.counter, hit.subject, hit.since) for hit in decision.alerts}
        for prior in decision.priors:
            if prior.taken:
                account.settlements[prior.payer, prior.settlement] = operation.id
            else:
                account.settlements.pop((prior.payer, prior.settlement), None)
        if decision.verdict is Verdict.APPROVED:
            account.apply(operation)

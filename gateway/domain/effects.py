"""What a decision writes: flat records that one posting call takes in. Amounts are integer fen."""

from datetime import date
from uuid import UUID

from msgspec import Struct

from gateway.domain.operation import Verdict
from gateway.domain.outcome import Outcome
from gateway.domain.refusal import Refusal
from rules import Activity, Hit, Movement, Share


class Use(Struct, frozen=True, array_like=True):
    """A movement of an accumulator; the balance after it is the database's to compute."""

    accumulator: str
    delta: int
    ceiling: int | None = None
    is_exception: bool = False


class Prior(Struct, frozen=True, array_like=True):
    """A prior payer's settlement, taken by this claim or let go."""

    payer: str
    settlement: str
    taken: bool


class Decision(Struct, frozen=True):
    """An operation, decided: what becomes of it and everything it writes. Nothing after this can refuse it."""

    verdict: Verdict
    reason: Refusal | None
    outcome: Outcome
    service_day: date | None = None
    total: int = 0
    aid: int = 0
    visit: str | None = None
    bill: str | None = None
    invoice: str | None = None
    postings: tuple[tuple[str, int], ...] = ()
    """(ledger account of a fund, fen; debits positive). The clinic's side is what they leave."""
    uses: tuple[Use, ...] = ()
    alerts: tuple[Hit, ...] = ()
    priors: tuple[Prior, ...] = ()
    trace: Activity | None = None
    effects: tuple[dict[str, object], ...] = ()


class Refused(Struct, frozen=True):
    """No decision: nothing is stored, and the refusal says what to do."""

    refusal: Refusal
    fields: tuple[str, ...] = ()
    """Names of fields that do not fit; never their values."""
    security: bool = False
    """Keep a security event."""


class Replay(Struct, frozen=True):
    """The operation is there already; its stored answer stands."""

    operation: UUID


def fund_postings(shares: tuple[Share, ...], sign: int = 1) -> tuple[tuple[str, int], ...]:
    """What the funds' shares debit (or, with -1, give back)."""
    return tuple((share.fund, sign * share.amount) for share in shares if share.fund and share.amount)


def net_uses(
    taken: tuple[Movement, ...], given_back: tuple[Movement, ...] = (), exceptions: frozenset[str] = frozenset()
) -> tuple[Use, ...]:
    """One movement per accumulator: what is used less what is given back; ceilings are those of what is used.

    `exceptions` are the accumulators that may pass their ceiling, openly.
    """
    amounts: dict[str, int] = {}
    ceilings: dict[str, int | None] = {}
    for movement in taken:
        amounts[movement.accumulator] = amounts.get(movement.accumulator, 0) + movement.amount
        ceilings[movement.accumulator] = movement.ceiling
    for movement in given_back:
        amounts[movement.accumulator] = amounts.get(movement.accumulator, 0) - movement.amount
    return tuple(Use(key, amount, ceilings.get(key), key in exceptions) for key, amount in amounts.items() if amount)

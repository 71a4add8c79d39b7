"""What an agent promised while it was cut off, and who bears it when the exact decision gives less. Amounts are fen."""

import msgspec

from gateway.domain.claim import Claim
from gateway.domain.facts import Facts
from gateway.domain.operation import Kind, Operation
from gateway.domain.outcome import Shortfall
from gateway.domain.refusal import Refusal
from rules import Assessment, Movement, Share

OFFLINE_EXCESS = "suspense:offline"
"""Ledger account, payer and accumulator of what a fund bears of offline promises: a ceiling of zero, every use an
exception."""


def shortfall_of(
    operation: Operation, claim: Claim, facts: Facts, aid: int, reason: Refusal | None
) -> Shortfall | None:
    """What was promised at the counter beyond what aid pays, and who bears it. Without signed terms that is the
    clinic."""
    if claim.offline is None or operation.kind is Kind.REPLACEMENT or claim.offline.provisional <= aid:
        return None  # A replacement is made online: nothing was promised for it.
    by_fund = facts.shortfall_owner == "fund" and claim.offline.terms
    owner = OFFLINE_EXCESS if by_fund else f"clinic:{operation.author.clinic}"
    return Shortfall(claim.offline.provisional, aid, owner, reason or "")


def shortfall_effects(shortfall: Shortfall | None) -> tuple[dict[str, object], ...]:
    if shortfall is None:
        return ()
    return (
        {
            "effect": "shortfall",
            "owner": shortfall.owner,
            "promised": shortfall.promised,
            "exact": shortfall.exact,
        },
    )


def borne_by_fund(assessment: Assessment, shortfall: Shortfall) -> Assessment:
    """The assessment with what was promised paid: the exact aid by its funds, the rest by suspense, as an exception.

    The excess is taken from what the resident would have paid, line by line, so that it can be given back like any
    share.
    """
    *others, cash = assessment.shares
    left = min(shortfall.promised - shortfall.exact, cash.amount)
    excess = []
    for amount in cash.lines:
        excess.append(min(amount, left))
        left -= excess[-1]
    lines, total = tuple(excess), sum(excess)
    share = Share(OFFLINE_EXCESS, OFFLINE_EXCESS, total, lines)
    rest = Share(
        cash.payer, cash.fund, cash.amount - total, tuple(a - b for a, b in zip(cash.lines, lines, strict=True))
    )
    return msgspec.structs.replace(
        assessment,
        aid=assessment.aid + total,
        shares=(*others, share, rest),
        movements=(*assessment.movements, Movement(OFFLINE_EXCESS, total, 0, lines)),
        no_aid="",
    )

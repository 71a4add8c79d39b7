"""Works a stored operation out again: from its content, what it was decided on, and its rulebooks. Pure.

To explain a claim years later, and to prove that nothing of it was changed.
"""

from typing import Any

import msgspec

from gateway.domain.claim import Claim, Reversal, StayReport
from gateway.domain.decision import Assessed, assess_claim, keep_promise, refused_trace
from gateway.domain.facts import Facts
from gateway.domain.offline import OFFLINE_EXCESS
from gateway.domain.operation import Content, Entitle, Freeze, Kind, Operation, Stop, Unfreeze, Use, Verdict
from gateway.domain.outcome import ClaimOutcome, Outcome, ReversalOutcome
from gateway.domain.refusal import Refusal
from gateway.domain.taking_back import reversal_trace
from rules import Activity, Rulebooks

_CONTENTS: dict[Kind, Any] = {
    Kind.CLAIM: Claim,
    Kind.REPLACEMENT: Claim,
    Kind.REVERSAL: Reversal,
    Kind.STAY: StayReport,
}
_ACT = Freeze | Unfreeze | Entitle | Stop | Use


def content_of(kind: Kind, raw: bytes) -> Content:
    """What was asked, from the stored body. A tombstone has none: a ValueError."""
    if kind is Kind.TOMBSTONE:
        raise ValueError("a tombstone stands for a claim that never arrived; it has no content")
    content: Content = msgspec.json.decode(raw, type=_CONTENTS.get(kind, _ACT))
    return content


def reassess(operation: Operation, facts: Facts, outcome: ClaimOutcome, rulebooks: Rulebooks) -> Assessed | None:
    """The assessment of a stored claim with all its steps; None when the rules were never asked.

    Of the facts, only where the clinic stands is needed; entitlements and use are those stored with the outcome. The
    screening is not that of the day: it depends on activity that is not looked at here.
    """
    if outcome.assessment is None or not isinstance(operation.content, Claim):
        return None
    known = msgspec.structs.replace(facts, entitlements=outcome.entitlements, used=outcome.used)
    if outcome.shortfall is not None and outcome.shortfall.owner == OFFLINE_EXCESS:
        return keep_promise(operation, operation.content, known, rulebooks, outcome.shortfall, outcome.replaced)
    return assess_claim(operation, operation.content, known, rulebooks, outcome.replaced)


def retrace(
    operation: Operation, facts: Facts, verdict: Verdict, reason: str, outcome: Outcome, assessed: Assessed | None
) -> Activity | None:
    """What the operation must have left for the counters; None when it leaves nothing."""
    match outcome:
        case ReversalOutcome(tombstone=None):
            return reversal_trace(operation, facts, verdict, outcome.back)
        case ClaimOutcome() if isinstance(operation.content, Claim):
            if verdict is Verdict.APPROVED:
                return assessed.trace if assessed else None
            return refused_trace(operation, operation.content, facts, verdict, Refusal(reason), assessed)
    return None

"""What becomes of acts of staff, and of reports that a resident was admitted or discharged."""

import msgspec

from gateway.domain.claim import StayReport
from gateway.domain.effects import Decision
from gateway.domain.facts import Facts
from gateway.domain.operation import Entitle, Freeze, Operation, Stop, Unfreeze, Verdict
from gateway.domain.outcome import PlainOutcome
from gateway.domain.refusal import Refusal

FOREVER = "9999-12-31"


def _plain(effect: dict[str, object]) -> Decision:
    return Decision(Verdict.APPROVED, None, PlainOutcome(), effects=(effect,))


def decide_freeze(content: Freeze | Unfreeze) -> Decision:
    """Freezes or unfreezes a card, or the account the operation is on: a resident's, a terminal's, a clinic's."""
    until = (content.until.isoformat() if content.until else FOREVER) if isinstance(content, Freeze) else None
    if content.subject == "card":
        return _plain(
            {"effect": "freeze_card", "until": until, "reason": content.reason, "card_key": content.card_key.hex()}
        )
    return _plain({"effect": "freeze_account", "until": until, "reason": content.reason})


def decide_entitle(new: Entitle) -> Decision:
    """Gives a category from a day on."""
    return _plain(
        {
            "effect": "entitle",
            "category": new.category,
            "district": new.district,
            "starts": new.starts.isoformat(),
            "ends": new.ends.isoformat() if new.ends else None,
            "confirmed_by": new.confirmed_by,
        }
    )


def decide_stop(stop: Stop, facts: Facts) -> Decision:
    """Gives an entitlement of the account its last day."""
    if stop.entitlement not in facts.entitlement_ids:
        return Decision(Verdict.DECLINED, Refusal.ENTITLEMENT_UNKNOWN, PlainOutcome())
    return _plain(
        {
            "effect": "stop",
            "entitlement": str(stop.entitlement),
            "last_day": stop.last_day.isoformat(),
            "reason": stop.reason,
        }
    )


def decide_stay(operation: Operation, report: StayReport, facts: Facts) -> Decision:
    """Opens a stay that is not known, or closes one that is open. The stay's id is kept as the visit's."""
    return msgspec.structs.replace(_opened_or_closed(operation, report, facts), visit=operation.stay)


def _opened_or_closed(operation: Operation, report: StayReport, facts: Facts) -> Decision:
    mine = [stay for stay in facts.stays if (stay.clinic, stay.stay) == (operation.author.clinic, operation.stay)]
    effect = {"clinic": operation.author.clinic, "stay": operation.stay}
    if report.admitted is not None and not mine:
        return _plain({"effect": "admit", **effect})
    if report.discharged is not None and mine and mine[0].discharged is None:
        return _plain({"effect": "discharge", **effect})
    return Decision(Verdict.DECLINED, Refusal.STAY_UNKNOWN, PlainOutcome())

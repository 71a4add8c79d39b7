"""Bodies as an agent writes them: plain JSON values, every one of a claim that would be approved."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.books import ITEM, today

_numbers = count(1)


def now() -> str:
    return datetime.now(UTC).isoformat()


def claim(card: str, *amounts: int, **changes: Any) -> dict[str, Any]:
    """An outpatient claim of today: one line of the consultation per amount (fen)."""
    amounts = amounts or (10_000,)
    number = next(_numbers)
    body = {
        "card": {"number": card},
        "visit": {
            "id": f"V{number}",
            "type": "outpatient",
            "day": today().isoformat(),
            "bill": f"B{number}",
            "invoice": f"I{number}",
        },
        "at": now(),
        "total": sum(amounts),
        "lines": [{"id": str(place), "item": ITEM, "amount": amount} for place, amount in enumerate(amounts, 1)],
    }
    return {**body, **changes}


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with one field changed: `visit.day`, `lines.0.amount`."""
    copy = {**body}
    here: Any = copy
    *steps, last = path.split(".")
    for step in steps:
        place: Any = int(step) if step.isdigit() else step
        here[place] = list(here[place]) if isinstance(here[place], list) else {**here[place]}
        here = here[place]
    here[last] = value
    return copy


def reversal(**changes: Any) -> dict[str, Any]:
    return {"reason": "void", "at": now(), **changes}

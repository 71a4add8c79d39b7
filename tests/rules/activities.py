"""Activity around one attempt, for the tests of the counters."""

from datetime import UTC, datetime
from typing import Any

import rules
from tests.rules import reading

BOOKS = reading.books("shipped")
AT = int(datetime(2026, 5, 20, 2, 0, tzinfo=UTC).timestamp())
"""10:00 in Shanghai."""
MINUTE, HOUR, DAY = 60, 3600, 86_400


def entry(identity: str, ago: int = 0, **given: Any) -> rules.Activity:
    """An approved claim `ago` seconds before the attempt, unlike all others unless told."""
    usual: dict[str, Any] = {
        "kind": "claim",
        "at": AT - ago,
        "decision": "approved",
        "card": "card",
        "clinic": "XH01",
        "terminal": "T1",
        "total": 10_000 + 700 * sum(identity.encode()),
        "aid": 5_000,
        "items": f"items of {identity}",
    }
    return rules.Activity(id=identity, **(usual | given))


ATTEMPT = entry("attempt")


def look(*activity: rules.Activity, attempt: rules.Activity = ATTEMPT, **given: Any) -> rules.Screening:
    return rules.screen(activity, attempt, BOOKS, **given)


def value(found: rules.Screening, counter: str, window: str) -> int:
    return {(key, name): number for key, name, number in found.values}.get((counter, window), 0)


def hit(found: rules.Screening, counter: str) -> rules.Hit | None:
    return next((each for each in found.hits if each.counter == counter), None)


def action(found: rules.Screening, counter: str) -> str:
    each = hit(found, counter)
    return each.action if each else "allow"


def fill(identity: str, days_ago: int, days: int, **given: Any) -> rules.Activity:
    return entry(identity, days_ago * DAY, supplies=(rules.Supply("metformin", days),), **given)


XUHUI, SUZHOU = {"lat": 31.19, "lon": 121.44}, {"lat": 31.30, "lon": 120.59}
"""About 82 km apart."""

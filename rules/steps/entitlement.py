"""Which categories count on the day of service."""

from collections.abc import Iterable
from datetime import date

from rules.day_books import SchemeDay
from rules.situation import Entitlement


def categories(entitlements: Iterable[Entitlement], day: date, scheme: SchemeDay) -> list[tuple[str, str]]:
    """Category and granting district of every entitlement that covers the day and that the scheme knows.

    Both the first and the last day of an entitlement count. A scheme of one district only knows what that district
    granted.
    """
    found: dict[tuple[str, str], None] = {}
    for entitlement in entitlements:
        if entitlement.starts > day or (entitlement.ends is not None and entitlement.ends < day):
            continue
        if scheme.district and entitlement.district != scheme.district:
            continue
        if entitlement.category in scheme.categories:
            found[entitlement.category, entitlement.district] = None
    return list(found)

"""What a resident's categories are called on a day and what is left of their yearly ceilings: what a counter shows
first.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from rules.rulebook import Rulebooks
from rules.situation import Entitlement
from rules.steps import entitlement


class Held(msgspec.Struct, frozen=True):
    """A category that holds on the day."""

    category: str
    name_zh: str
    name_en: str
    starts: date
    ends: date | None


class Left(msgspec.Struct, frozen=True):
    """A yearly ceiling of one scheme for the best category held. Fen."""

    accumulator: str
    visit_type: str
    ceiling: int
    used: int


class Outlook(msgspec.Struct, frozen=True):
    """Categories and what is left."""

    held: tuple[Held, ...]
    left: tuple[Left, ...]


def holds(given: Entitlement, day: date) -> bool:
    """Does the entitlement hold on the day?"""
    return given.starts <= day and (given.ends is None or day <= given.ends)


def outlook(entitlements: Sequence[Entitlement], day: date, rulebooks: Rulebooks, used: Mapping[str, int]) -> Outlook:
    """What holds on the day. `used` as for `assess`; an accumulator that is not in it counts as unused."""
    held: dict[str, Held] = {}
    left: dict[tuple[str, str], Left] = {}
    for scheme in rulebooks.on(day).schemes:
        year = scheme.year_of(day, None, None)
        for category, _ in entitlement.categories(entitlements, day, scheme):
            names = scheme.names.get(category, (category, category))
            own = [given for given in entitlements if given.category == category and holds(given, day)]
            if category not in held and own:
                held[category] = Held(category, *names, own[-1].starts, own[-1].ends)
            for (tariff_category, visit_type), tariff in scheme.tariffs.items():
                if tariff_category != category:
                    continue
                for limit in tariff.ceilings:
                    if limit.fen is None or limit.per_visit:
                        continue
                    key = limit.key(year, "")
                    known = left.get((key, visit_type))
                    if known is None or known.ceiling < limit.fen:
                        left[(key, visit_type)] = Left(key, visit_type, limit.fen, max(0, used.get(key, 0)))
    return Outlook(tuple(held.values()), tuple(left.values()))

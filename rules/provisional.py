"""What an agent may grant while it cannot ask: never more than the exact decision would, as far as can be known
beforehand.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from rules.day_books import SchemeDay, Tariff
from rules.money import percent
from rules.rulebook import Rulebooks
from rules.situation import Entitlement
from rules.steps import entitlement


class ProvisionalTerm(msgspec.Struct, frozen=True, array_like=True):
    """For one visit type."""

    visit_type: str
    rate: str
    """Exact, such as `80%`."""
    ppm: int
    """The same in parts per million."""
    cap: int
    """Fen that may be granted in all, over all visit types that name the same `shared`."""
    shared: str
    """The yearly accumulator the cap was read from."""
    counts: str
    """What the rate applies to, such as `in_scope`: in-catalogue co-pay after all prior payers."""


class ProvisionalTerms(msgspec.Struct, frozen=True):
    """What may be granted provisionally on a day."""

    rulebooks: str
    scheme: str
    category: str
    terms: tuple[ProvisionalTerm, ...]


def provisional_terms(
    entitlements: Sequence[Entitlement], day: date, rulebooks: Rulebooks, used: Mapping[str, int]
) -> ProvisionalTerms | None:
    """Terms for an offline agent, or None when nothing may be granted.

    Conservative: only the first scheme that gives something, without top-ups; the lowest band's rate, what is left of
    the yearly ceiling and at most the ceiling of a visit. A visit type whose deductible is not yet used up is left out.
    `used` is as for `assess`.
    """
    for scheme in rulebooks.on(day).schemes:
        held = entitlement.categories(entitlements, day, scheme)
        offers = [(category, terms) for category, _ in held if (terms := _terms(scheme, category, day, used))]
        if offers:
            category, terms = min(
                offers, key=lambda offer: (-max(term.ppm for term in offer[1]), scheme.categories[offer[0]])
            )
            return ProvisionalTerms(rulebooks.digest, scheme.code, category, terms)
    return None


def _terms(scheme: SchemeDay, category: str, day: date, used: Mapping[str, int]) -> tuple[ProvisionalTerm, ...]:
    year = scheme.year_of(day, None, None)
    terms = []
    for (held, visit_type), tariff in scheme.tariffs.items():
        if held == category and _deductibles_used_up(tariff, year, used):
            term = _term(tariff, visit_type, year, used)
            if term.ppm and term.cap:
                terms.append(term)
    return tuple(terms)


def _deductibles_used_up(tariff: Tariff, year: int, used: Mapping[str, int]) -> bool:
    return all(
        limit.fen == 0 or (not limit.per_visit and used.get(limit.key(year, ""), 0) >= (limit.fen or 0))
        for limit in tariff.deductibles
    )


UNLIMITED = 10**15
"""Fen; stands for a ceiling of `none`. The agent's own limits always lie below it."""


def _term(tariff: Tariff, visit_type: str, year: int, used: Mapping[str, int]) -> ProvisionalTerm:
    cap, shared = UNLIMITED, ""
    for limit in tariff.ceilings:
        if limit.fen is not None:
            # A new visit: nothing of its own ceiling is used yet.
            key = limit.key(year, "")
            left = limit.fen if limit.per_visit else max(0, limit.fen - max(0, used.get(key, 0)))
            cap = min(cap, left)
            shared = shared or ("" if limit.per_visit else key)
    ppm = min(band.ppm for band in tariff.bands)
    return ProvisionalTerm(visit_type, percent(ppm), ppm, cap, shared, tariff.counts_text)

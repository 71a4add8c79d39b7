"""What a claim's lines are for the counters: a digest of the items, and the days of supply they hand out."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from rules.activity import Supply
from rules.assessment import Assessment
from rules.money import MILLI
from rules.rulebook import Rulebooks
from rules.situation import Line


def items_digest(lines: Iterable[Line]) -> str:
    """16 hex digits over the claim's item codes and quantities; the order of the lines and their ids do not count."""
    pairs = sorted([(line.item, line.quantity) for line in lines])
    return hashlib.sha256(msgspec.json.encode(pairs)).hexdigest()[:16]


def quote_digest(assessment: Assessment) -> str:
    """SHA-256 (hex) over an assessment's shares and rulebooks: two quotes with the same digest cost everyone the same.

    Accumulators and counters are left out: they move without changing what was shown.
    """
    return hashlib.sha256(msgspec.json.encode((assessment.rulebooks, assessment.shares))).hexdigest()


def supplies(lines: Sequence[Line], clinic: str, rulebooks: Rulebooks, *, day: date = date.max) -> tuple[Supply, ...]:
    """Days of supply per ingredient, ordered by ingredient; `day` is the day of service (by default the newest books).

    A line's own days count before what the catalogue says for the quantity.
    """
    books = rulebooks.on(day)
    own_codes = books.clinics.get(clinic, {})
    days: dict[str, int] = {}
    for line in lines:
        item = own_codes.get(line.item) or books.items.get(line.item)
        if item is not None and item.ingredient:
            dispensed = line.days or item.days_per_unit * line.quantity // MILLI
            if dispensed:
                days[item.ingredient] = days.get(item.ingredient, 0) + dispensed
    return tuple([Supply(ingredient, days[ingredient]) for ingredient in sorted(days)])


def unmapped(items: Iterable[str], clinic: str, rulebooks: Rulebooks, *, day: date) -> tuple[str, ...]:
    """Which of a clinic's item codes neither its mapping nor the catalogue knows, in order and each once."""
    books = rulebooks.on(day)
    own_codes = books.clinics.get(clinic, {})
    return tuple(sorted({item for item in items if item not in own_codes and item not in books.items}))

"""What the rulebooks say on one day, worked out once: plain records with integers that the hot path reads."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from rules.catalogue import Item
from rules.measures.scene import CounterDay

PARTS = ("in_scope", "own_share", "nursing", "over_limit", "out_of_catalogue")
"""The parts of a bill, in the order in which payers' money is taken to go to them."""
IN_SCOPE, OWN_SHARE, NURSING, OVER_LIMIT, OUT_OF_CATALOGUE = range(5)


AID = "aid"
UNKNOWN = "unknown"
CASH = "cash"
"""Words that no payer may be called: places in the order of payers, and the resident's own share."""
DISTRICT = "{district}"
"""In a fund's name: the district that granted the entitlement."""


def accumulator_key(name: str, *, per_visit: bool, year: int, visit: str) -> str:
    """The key of an accumulator for a claim: by benefit year, or by visit."""
    return f"{name}.visit.{visit}" if per_visit else f"{name}.{year}"


class Ground(NamedTuple):
    """Where a number comes from."""

    source: str
    status: str


class Limit(NamedTuple):
    """A deductible or ceiling. `accumulator` lacks its last piece: the benefit year or the visit."""

    accumulator: str
    per_visit: bool
    fen: int | None
    ground: Ground

    def key(self, year: int, visit: str) -> str:
        """The accumulator's key for a claim."""
        return accumulator_key(self.accumulator, per_visit=self.per_visit, year=year, visit=visit)


class Band(NamedTuple):
    """The rate of what lies above `above` fen."""

    above: int
    ppm: int
    percent: str


class Tariff(NamedTuple):
    """All numbers of a scheme for one category and visit type."""

    category: str
    counts: tuple[int, ...]
    """Indexes into PARTS: what the scheme pays of."""
    counts_text: str
    base_ground: Ground
    entitlement_ground: Ground
    deductibles: tuple[Limit, ...]
    """Per visit first, then per year."""
    bands: tuple[Band, ...]
    marginal: bool
    year_base: str
    """Accumulator (without the year) of the base that bands go by; empty when they go by the claim."""
    rate_ground: Ground
    ceilings: tuple[Limit, ...]


class SchemeDay(NamedTuple):
    """A scheme on a day."""

    code: str
    district: str
    rounding: str
    year_begins: tuple[int, int]
    stay: str
    already_aided: str
    already_ground: Ground
    tariffs: Mapping[tuple[str, str], Tariff]
    """By category and visit type."""
    categories: Mapping[str, int]
    """Every category the scheme knows, with its rank between equal benefits."""
    names: Mapping[str, tuple[str, str]]
    """Chinese and English names."""
    funds: tuple[tuple[str, int, str], ...]
    """Fund, ppm and the same as text, all but the last."""
    last_fund: str
    funding_ground: Ground
    accumulators: Mapping[str, tuple[tuple[str, bool], ...]]
    """By visit type: every accumulator (without its last piece), and whether it is per visit."""

    def year_of(self, day: date, admitted: date | None, discharged: date | None) -> int:
        """The benefit year a claim belongs to, named by the calendar year in which it begins."""
        if self.stay == "discharge":
            day = discharged or day
        elif self.stay == "admission":
            day = admitted or day
        return day.year if (day.month, day.day) >= self.year_begins else day.year - 1


class PayersDay(NamedTuple):
    """Who pays before and after medical aid."""

    places: Mapping[str, int]
    """By payer code or alias: place in the row; medical aid itself is at 0, so whoever pays before it is negative."""
    unknown: int
    medical_aid: frozenset[str]
    """Codes of the insurer's own settlement of medical aid."""
    ground: Ground


class DayBooks(NamedTuple):
    """Everything that holds on a day."""

    schemes: tuple[SchemeDay, ...]
    payers: PayersDay
    items: Mapping[str, Item]
    clinics: Mapping[str, Mapping[str, Item]]
    """By clinic: its own item codes."""
    counters: tuple[CounterDay, ...]

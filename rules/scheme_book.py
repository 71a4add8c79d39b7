"""One scheme's folder: its dated tables, checked, and what they say on a day."""

import re
from collections.abc import Callable, Hashable, Iterable
from datetime import date
from itertools import pairwise
from typing import Any, TypeVar, cast

from rules import money
from rules.day_books import CASH, DISTRICT, PARTS, Band, Ground, Limit, SchemeDay, Tariff
from rules.documents import Table, Timeline, entry_of, timeline
from rules.entries import (
    AlreadyAided,
    Base,
    BenefitYear,
    Category,
    Ceiling,
    Dated,
    Deductible,
    Funding,
    Number,
    Rate,
    Rounding,
    Scheme,
)
from rules.errors import RulebookError

Entry = TypeVar("Entry", bound=Dated)
Key = TypeVar("Key", bound=Hashable)

_KINDS: dict[str, type[Dated]] = {
    "rounding": Rounding,
    "benefit_year": BenefitYear,
    "already_aided": AlreadyAided,
    "category": Category,
    "base": Base,
    "deductible": Deductible,
    "rate": Rate,
    "ceiling": Ceiling,
    "funding": Funding,
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DISTRICT = re.compile(r"[0-9]{6}")
_FUND = re.compile(r"fund(:[a-z0-9_]+)+")
_DAY_OF_YEAR = re.compile(r"[0-9]{2}-[0-9]{2}")
_STEPS_OF_OTHERS = ("prior", "after", "catalogue", CASH)
"""Steps are named after their scheme: no scheme may be called like the steps that belong to none."""


class SchemeBook:
    """A scheme's numbers by date."""

    def __init__(self, code: str, tables: Iterable[Table], known_on: date | None) -> None:
        if not _NAME.fullmatch(code) or code in _STEPS_OF_OTHERS:
            raise RulebookError(
                f"{code}/scheme.toml", 0, f"a scheme's folder has small letters, digits and _, and is not {code}"
            )
        self.code = code
        self._tables: dict[int, Table] = {}
        heads = []
        read: list[tuple[Table, Dated]] = []
        entries: dict[str, list[Dated]] = {name: [] for name in _KINDS}
        for table in tables:
            if table.name == "scheme":
                heads.append((table, entry_of(table, Scheme)))
                continue
            if table.name not in _KINDS:
                raise table.error(f"is no subject of a scheme: use one of {', '.join(('scheme', *_KINDS))}")
            entry = entry_of(table, _KINDS[table.name])
            read.append((table, entry))
            if known_on is None or (entry.published or entry.starts) <= known_on:
                self._tables[id(entry)] = table
                entries[table.name].append(entry)
        if len(heads) != 1:
            raise RulebookError(f"{code}/scheme.toml", 0, f"needs exactly one [scheme], the folder has {len(heads)}")
        head, self.scheme = heads[0]
        if self.scheme.district and not _DISTRICT.fullmatch(self.scheme.district):
            raise head.error("a district is a code of six digits, such as 310104", "district")
        _refuse_strangers(read)
        _refuse_mixed_accumulators(read)
        self._kept = entries
        self._order = list(dict.fromkeys(cast(Category, each).code for each in entries["category"]))
        self._rounding = self._single("rounding", Rounding)
        self._year = self._single("benefit_year", BenefitYear)
        self._already = self._single("already_aided", AlreadyAided)
        self._funding = self._single("funding", Funding)
        self._names = self._keyed("category", Category, lambda entry: [entry.code])
        self._bases = self._keyed("base", Base, lambda entry: entry.categories)
        self._rates = self._keyed("rate", Rate, _pairs)
        self._deductibles = self._keyed("deductible", Deductible, _limit_keys)
        self._ceilings = self._keyed("ceiling", Ceiling, _limit_keys)

    def turns(self) -> Iterable[date]:
        """The days on which something of the scheme changes."""
        for line in (self._rounding, self._year, self._already, self._funding):
            yield from line.turns()
        keyed: tuple[dict[Any, Timeline[Any]], ...] = (
            self._names,
            self._bases,
            self._rates,
            self._deductibles,
            self._ceilings,
        )
        for lines in keyed:
            for line in lines.values():
                yield from line.turns()

    def on(self, day: date) -> SchemeDay | None:
        """The scheme on a day; None when no rate is in force. Raises RulebookError where a rate lacks what it needs."""
        rates = {key: rate for key, line in self._rates.items() if (rate := line.on(day))}
        if not rates:
            return None
        place = self._tables[id(next(iter(rates.values())))]
        rounding = self._needed(self._rounding, day, place, "rounding")
        year = self._needed(self._year, day, place, "benefit_year")
        already = self._needed(self._already, day, place, "already_aided")
        funding = self._needed(self._funding, day, place, "funding")
        tariffs = {key: self._tariff(key, rate, day) for key, rate in rates.items()}
        funds, last = self._funds(funding)
        known = {code: name for code in self._order if (name := self._names[code].on(day))}
        return SchemeDay(
            code=self.code,
            district=self.scheme.district,
            rounding=rounding.mode,
            year_begins=self._month_and_day(year),
            stay=year.stay,
            already_aided=already.means,
            already_ground=_ground(already),
            tariffs=tariffs,
            categories={code: rank for rank, code in enumerate(known)},
            names={code: (name.name_zh, name.name_en) for code, name in known.items()},
            funds=funds,
            last_fund=last,
            funding_ground=_ground(funding),
            accumulators=_accumulators(tariffs),
        )

    def _single(self, name: str, kind: type[Entry]) -> Timeline[Entry]:
        return self._keyed(name, kind, lambda _: [name]).get(name, Timeline(()))

    def _keyed(
        self, name: str, kind: type[Entry], keys: Callable[[Entry], Iterable[Key]]
    ) -> dict[Key, Timeline[Entry]]:
        found: dict[Key, list[tuple[Table, Entry]]] = {}
        for entry in self._kept[name]:
            assert isinstance(entry, kind)
            for key in keys(entry):
                found.setdefault(key, []).append((self._tables[id(entry)], entry))
        return {
            key: timeline(
                dated, f"{name} {key if isinstance(key, str) else ' '.join(map(str, cast(tuple[str, ...], key)))}"
            )
            for key, dated in found.items()
        }

    def _needed(self, line: Timeline[Entry], day: date, place: Table, name: str) -> Entry:
        entry = line.on(day)
        if entry is None:
            raise place.error(f"gap: a rate is in force on {day}, but no [[{name}]] of scheme {self.code} is")
        return entry

    def _tariff(self, key: tuple[str, str], rate: Rate, day: date) -> Tariff:
        category, visit_type = key
        place = self._tables[id(rate)]
        name = self._needed(self._names.get(category, Timeline(())), day, place, f"category {category}")
        base = self._needed(self._bases.get(category, Timeline(())), day, place, f"base for {category}")
        ceilings = self._limits(self._ceilings, key, day)
        if not ceilings:
            raise place.error(
                f"gap: {category} {visit_type} has a rate on {day} but no [[ceiling]]; where there is none, "
                'say so with value = "none"'
            )
        if bool(rate.accumulator) != (rate.measured == "year"):
            raise place.error('an accumulator belongs to measured = "year", and to nothing else', "accumulator")
        return Tariff(
            category=category,
            counts=tuple(index for index, part in enumerate(PARTS) if part in base.counts),
            counts_text=" + ".join(part for part in PARTS if part in base.counts),
            base_ground=_ground(base),
            entitlement_ground=_ground(name),
            deductibles=self._limits(self._deductibles, key, day),
            bands=self._bands(rate),
            marginal=rate.method == "marginal",
            year_base=self._accumulator(rate, rate.accumulator) if rate.accumulator else "",
            rate_ground=_ground(rate),
            ceilings=ceilings,
        )

    def _limits(
        self,
        lines: dict[tuple[str, str, str, str], Timeline[Ceiling]]
        | dict[tuple[str, str, str, str], Timeline[Deductible]],
        key: tuple[str, str],
        day: date,
    ) -> tuple[Limit, ...]:
        limits = []
        for (category, visit_type, per, accumulator), line in lines.items():
            entry = line.on(day) if (category, visit_type) == key else None
            if entry is None:
                continue
            self._unit(entry, "yuan")
            fen = None if entry.value == "none" else self._parse(entry, money.fen, entry.value)
            if fen is None and isinstance(entry, Deductible):
                raise self._tables[id(entry)].error("a deductible is an amount; leave the table out for none", "value")
            limits.append(Limit(self._accumulator(entry, accumulator), per == "visit", fen, _ground(entry)))
        return tuple(sorted(limits, key=lambda limit: not limit.per_visit))

    def _accumulator(self, entry: Dated, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise self._tables[id(entry)].error(f"accumulator “{name}”: use small letters, digits and _", "accumulator")
        return f"{self.code}.{name}"

    def _bands(self, rate: Rate) -> tuple[Band, ...]:
        self._unit(rate, "percent")
        if (rate.value is None) == (not rate.bands):
            raise self._tables[id(rate)].error("needs either a value or bands", "value")
        if rate.value is not None:
            ppm = self._parse(rate, money.ppm, rate.value)
            return (Band(0, ppm, money.percent(ppm)),)
        bands = []
        for band in rate.bands:
            ppm = self._parse(rate, money.ppm, band.value, "bands")
            bands.append(Band(self._parse(rate, money.fen, band.above, "bands"), ppm, money.percent(ppm)))
        if bands[0].above != 0 or any(low.above >= high.above for low, high in pairwise(bands)):
            raise self._tables[id(rate)].error("the first band lies above 0 and each next one higher", "bands")
        return tuple(bands)

    def _funds(self, funding: Funding) -> tuple[tuple[tuple[str, int, str], ...], str]:
        place = self._tables[id(funding)]
        self._unit(funding, "percent")
        if not funding.funds or funding.funds[-1].value is not None:
            raise place.error("the last fund takes the remainder: give it no value", "funds")
        if DISTRICT in funding.funds[-1].fund:
            raise place.error(f"the last fund takes what has no district: name it without {DISTRICT}", "funds")
        for fund in funding.funds:
            if not _FUND.fullmatch(fund.fund.replace(DISTRICT, "000000")):
                raise place.error(f"“{fund.fund}” is no fund: name it like fund:municipal", "funds")
        parts = []
        for fund in funding.funds[:-1]:
            if fund.value is None:
                raise place.error("only the last fund goes without a value", "funds")
            ppm = self._parse(funding, money.ppm, fund.value, "funds")
            parts.append((fund.fund, ppm, money.percent(ppm)))
        if sum(ppm for _, ppm, _ in parts) > money.PPM:
            raise place.error("the funds' parts sum to more than 100 %", "funds")
        if len({fund.fund for fund in funding.funds}) != len(funding.funds):
            raise place.error("a fund stands there twice", "funds")
        return tuple(parts), funding.funds[-1].fund

    def _month_and_day(self, year: BenefitYear) -> tuple[int, int]:
        try:
            if not _DAY_OF_YEAR.fullmatch(year.begins):
                raise ValueError(year.begins)
            # A year that is no leap year, so that the benefit year begins on a day that every year has.
            begins = date.fromisoformat(f"2001-{year.begins}")
        except ValueError as error:
            raise self._tables[id(year)].error("begins is a day of every year, such as 01-01", "begins") from error
        return begins.month, begins.day

    def _unit(self, entry: Number, unit: str) -> None:
        if entry.unit != unit:
            raise self._tables[id(entry)].error(f"the unit is {unit}, not {entry.unit}", "unit")

    def _parse(self, entry: Dated, parse: Callable[[str], int], value: int | str, key: str = "value") -> int:
        try:
            return parse(str(value))
        except ValueError as error:
            raise self._tables[id(entry)].error(str(error), key) from error


def _pairs(entry: Rate) -> list[tuple[str, str]]:
    return [(category, visit_type) for category in entry.categories for visit_type in entry.visit_types]


def _limit_keys(entry: Deductible | Ceiling) -> list[tuple[str, str, str, str]]:
    return [
        (category, visit_type, entry.per, entry.accumulator)
        for category in entry.categories
        for visit_type in entry.visit_types
    ]


def _refuse_strangers(read: Iterable[tuple[Table, Dated]]) -> None:
    """A mistyped category would make a limit apply to nobody, and nobody would notice."""
    known = {entry.code for _, entry in read if isinstance(entry, Category)}
    for table, entry in read:
        if isinstance(entry, (Base, Rate, Deductible, Ceiling)):
            for category in entry.categories:
                if category not in known:
                    raise table.error(f"{category} is no [[category]] of the scheme: name it, or mend it", "categories")


def _refuse_mixed_accumulators(read: Iterable[tuple[Table, Dated]]) -> None:
    """Aid, deductibles and base are different sums: each is kept apart."""
    owners: dict[str, str] = {}
    for table, entry in read:
        if isinstance(entry, (Rate, Deductible, Ceiling)) and entry.accumulator:
            owner = owners.setdefault(entry.accumulator, table.name)
            if owner != table.name:
                raise table.error(f"the accumulator {entry.accumulator} already belongs to a {owner}", "accumulator")


def _ground(entry: Dated) -> Ground:
    return Ground(entry.source, entry.status)


def _accumulators(tariffs: dict[tuple[str, str], Tariff]) -> dict[str, tuple[tuple[str, bool], ...]]:
    by_visit_type: dict[str, dict[tuple[str, bool], None]] = {}
    for (_, visit_type), tariff in tariffs.items():
        keys = by_visit_type.setdefault(visit_type, {})
        for limit in (*tariff.deductibles, *tariff.ceilings):
            keys[limit.accumulator, limit.per_visit] = None
        if tariff.year_base:
            keys[tariff.year_base, False] = None
    return {visit_type: tuple(keys) for visit_type, keys in by_visit_type.items()}

"""The folders that all schemes share: payers, counters, catalogue and the clinics' mappings."""

import re
from collections.abc import Iterable, Mapping
from datetime import date

from rules import catalogue, money
from rules.catalogue import Item, Mapped
from rules.day_books import AID, CASH, UNKNOWN, Ground, PayersDay
from rules.documents import Table, Timeline, entry_of, timeline
from rules.entries import Counter, Payer, PayerOrder
from rules.errors import RulebookError
from rules.measures import MEASURES
from rules.measures.scene import ACTIONS, CounterDay

_WINDOW = re.compile(r"([0-9]{1,9})(min|h|d)")
_SECONDS = {"min": 60, "h": 3600, "d": 86400}
_LONGEST = 3660 * 86400
_NO_WINDOW = ("current", "event")
_SCALES = {"tolerance": money.ppm, "share_above": money.ppm, "amount_above": money.fen}


class PayersBook:
    """Who else pays, and in which order."""

    def __init__(self, tables: Iterable[Table], known_on: date | None) -> None:
        self._aliases: dict[str, str] = {}
        self._medical_aid: set[str] = set()
        orders = []
        for table in tables:
            if table.name == "payer":
                self._add(table, entry_of(table, Payer))
            elif table.name == "order":
                order = entry_of(table, PayerOrder)
                if known_on is None or (order.published or order.starts) <= known_on:
                    orders.append((table, order))
            else:
                raise table.error("is no subject of the payers: use payer or order")
        for table, order in orders:
            self._check(table, order)
        self._orders = timeline(orders, "order of payers")

    def _add(self, table: Table, payer: Payer) -> None:
        for code in (payer.code, *payer.aliases):
            if code in self._aliases or code in (AID, UNKNOWN, CASH):
                raise table.error(f"the code {code} is taken", "code")
            self._aliases[code] = payer.code
            if payer.medical_aid:
                self._medical_aid.add(code)

    def _check(self, table: Table, order: PayerOrder) -> None:
        wanted = {*self._aliases.values(), AID, UNKNOWN}
        if len(set(order.payers)) != len(order.payers) or set(order.payers) != wanted:
            raise table.error(f"must name each of {', '.join(sorted(wanted))} once", "payers")
        for code in set(self._aliases.values()) & self._medical_aid:
            if order.payers.index(code) > order.payers.index(AID):
                raise table.error(f"{code} is medical aid itself: its place is before {AID}", "payers")

    def turns(self) -> Iterable[date]:
        """The days on which the order changes."""
        return self._orders.turns()

    def on(self, day: date) -> PayersDay | None:
        """The order on a day."""
        order = self._orders.on(day)
        if order is None:
            return None
        aid = order.payers.index(AID)
        places = {code: order.payers.index(payer) - aid for code, payer in self._aliases.items()}
        return PayersDay(
            places=places,
            unknown=order.payers.index(UNKNOWN) - aid,
            medical_aid=frozenset(self._medical_aid),
            ground=Ground(order.source, order.status),
        )


class CountersBook:
    """The velocity counters."""

    def __init__(self, tables: Iterable[Table], known_on: date | None) -> None:
        dated: dict[tuple[str, str], list[tuple[Table, Counter]]] = {}
        self._days: dict[int, CounterDay] = {}
        for table in tables:
            if table.name != "counter":
                raise table.error("is no subject of the counters: use counter")
            counter = entry_of(table, Counter)
            if known_on is None or (counter.published or counter.starts) <= known_on:
                self._days[id(counter)] = _counter_day(table, counter)
                dated.setdefault((counter.key, counter.window), []).append((table, counter))
        self._lines = {key: timeline(each, f"counter {key[0]} {key[1]}") for key, each in dated.items()}

    def turns(self) -> Iterable[date]:
        """The days on which a counter changes."""
        for line in self._lines.values():
            yield from line.turns()

    def on(self, day: date) -> tuple[CounterDay, ...]:
        """The counters in force, in the order of the files."""
        return tuple(self._days[id(counter)] for line in self._lines.values() if (counter := line.on(day)))

    def horizon(self) -> int:
        """Seconds of the longest window of any day."""
        return max((counter.seconds for counter in self._days.values()), default=0)


def seconds_of(window: str) -> int:
    """Seconds of a window such as 10min, 24h or 30d; 0 for `current` and `event`. ValueError otherwise."""
    if window in _NO_WINDOW:
        return 0
    match = _WINDOW.fullmatch(window)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"“{window}” is no window: write it like 10min, 24h or 30d, or {' or '.join(_NO_WINDOW)}")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST:
        raise ValueError(f"“{window}” is too long: ten years at most")
    return seconds


def _counter_day(table: Table, counter: Counter) -> CounterDay:
    measure = MEASURES.get(counter.measure)
    if measure is None:
        raise table.error(f"no such measure: use one of {', '.join(MEASURES)}", "measure")
    if counter.unit != measure.unit:
        raise table.error(f"the unit of {counter.measure} is {measure.unit}, not {counter.unit}", "unit")
    thresholds = [band.at for band in counter.bands]
    gravity = [ACTIONS.index(band.action) for band in counter.bands]
    if gravity != sorted(gravity):
        raise table.error("a higher band must not have the lighter action", "bands")
    if not thresholds or min(thresholds) < 1 or thresholds != sorted(set(thresholds)):
        raise table.error("bands are needed, from 1 up, each higher than the one before", "bands")
    numbers: dict[str, int] = {}
    for name in ("tolerance", "distance_above", "amount_above", "share_above"):
        value = getattr(counter, name)
        if (value is not None) != (name in measure.needs):
            wanted = ", ".join(measure.needs) or "none of the settings"
            raise table.error(f"{counter.measure} takes {wanted}", name)
        try:
            numbers[name] = 0 if value is None else _SCALES.get(name, _metres)(str(value))
        except ValueError as error:
            raise table.error(str(error), name) from error
    try:
        seconds, snooze = seconds_of(counter.window), seconds_of(counter.snooze)
    except ValueError as error:
        raise table.error(str(error), "window") from error
    if snooze == 0 or (seconds == 0) == measure.windowed:
        raise table.error(f"{counter.measure} needs {'a' if measure.windowed else 'no'} window, and a snooze", "window")
    return CounterDay(
        key=counter.key,
        measure=measure,
        window=counter.window,
        seconds=seconds,
        per_card=counter.per == "card",
        lowest=thresholds[0] * measure.scale,
        bands=tuple((band.at * measure.scale, str(band.action)) for band in reversed(counter.bands)),
        snooze=snooze,
        **numbers,
    )


def _metres(kilometres: str) -> int:
    return money.decimal(kilometres, 3)


class CatalogueBook:
    """The catalogue and the clinics' own item codes."""

    def __init__(self, items: Mapping[str, bytes], mappings: Mapping[str, bytes], known_on: date | None) -> None:
        self._items: dict[str, Timeline[Item]] = {}
        dated: dict[str, list[tuple[Table, Item]]] = {}
        for file, content in items.items():
            read, errors = catalogue.read_items(catalogue.csv_rows(file, content, catalogue.ITEM_COLUMNS))
            _raise_first(file, errors)
            for line, item in read:
                if known_on is None or (item.published or item.starts) <= known_on:
                    dated.setdefault(item.code, []).append((catalogue.row_table(file, line, "item"), item))
        self._items = {code: timeline(each, f"item {code}") for code, each in dated.items()}
        mapped: dict[tuple[str, str], list[tuple[Table, Mapped]]] = {}
        for file, content in mappings.items():
            rows, errors = catalogue.read_mapping(catalogue.csv_rows(file, content, catalogue.MAPPING_COLUMNS))
            _raise_first(file, errors)
            for line, row in rows:
                table = catalogue.row_table(file, line, "mapping")
                if row.code not in self._items and known_on is None:
                    raise table.error(f"maps {row.item} to {row.code}, which is not in the catalogue")
                if known_on is None or (row.published or row.starts) <= known_on:
                    mapped.setdefault((row.clinic, row.item), []).append((table, row))
        self._mapped = {key: timeline(each, f"mapping {' '.join(key)}") for key, each in mapped.items()}

    def turns(self) -> Iterable[date]:
        """The days on which a row changes."""
        for items in self._items.values():
            yield from items.turns()
        for rows in self._mapped.values():
            yield from rows.turns()

    def on(self, day: date) -> tuple[dict[str, Item], dict[str, dict[str, Item]]]:
        """The items by code, and by clinic and its own code."""
        items = {code: item for code, line in self._items.items() if (item := line.on(day))}
        clinics: dict[str, dict[str, Item]] = {}
        for (clinic, own), line in self._mapped.items():
            row = line.on(day)
            if row is not None and row.code in items:
                clinics.setdefault(clinic, {})[own] = items[row.code]
        return items, clinics


def _raise_first(file: str, errors: list[catalogue.RowError]) -> None:
    if errors:
        first = errors[0]
        more = f" ({len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise RulebookError(file, first.line, f"{first.column}: {first.sentence}{more}")

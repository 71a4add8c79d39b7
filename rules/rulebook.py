"""The set of rulebooks: loads and checks the files, gives their digest and what they say on a day."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from types import MappingProxyType

from rules.day_books import DayBooks, Ground, PayersDay, SchemeDay
from rules.documents import Table, read_tables, text_of
from rules.errors import RulebookError
from rules.scheme_book import SchemeBook
from rules.shared_books import CatalogueBook, CountersBook, PayersBook

PAYERS = "payers"
COUNTERS = "counters"
CATALOGUE = "catalogue"
MAPPINGS = "catalogue/clinics"

_NO_PAYERS = PayersDay({}, -1, frozenset(), Ground("", ""))
_DAYS_KEPT = 512
_PERIODS_KEPT = 32


class Rulebooks:
    """A checked set of rulebooks. It never changes; its caches only keep what the files say."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        digest: str,
        *,
        schemes: tuple[SchemeBook, ...],
        payers: PayersBook,
        counters: CountersBook,
        catalogue: CatalogueBook,
    ) -> None:
        self.files = MappingProxyType(dict(files))
        """Path inside the set -> content, as loaded."""
        self.digest = digest
        """SHA-256 (hex) over the paths and contents of the whole set."""
        self.horizon = counters.horizon()
        """Seconds of activity that the longest counter looks back."""
        self._schemes = schemes
        self._payers = payers
        self._counters = counters
        self._catalogue = catalogue
        turns = {*payers.turns(), *counters.turns(), *catalogue.turns()}
        self._turns = sorted(turns.union(*(scheme.turns() for scheme in schemes)))
        self._days: dict[date, DayBooks] = {}
        self._periods: dict[int, DayBooks] = {}

    def on(self, day: date) -> DayBooks:
        """What holds on a day."""
        books = self._days.get(day)
        if books is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days.clear()
            books = self._days[day] = self._period(day)
        return books

    def _period(self, day: date) -> DayBooks:
        """What holds between two turns, so that a large catalogue is not kept once per day."""
        index = bisect_right(self._turns, day)
        books = self._periods.get(index)
        if books is None:
            if len(self._periods) >= _PERIODS_KEPT:
                self._periods.clear()
            items, clinics = self._catalogue.on(day)
            books = self._periods[index] = DayBooks(
                schemes=self._schemes_on(day),
                payers=self._payers.on(day) or _NO_PAYERS,
                items=items,
                clinics=clinics,
                counters=self._counters.on(day),
            )
        return books

    def _schemes_on(self, day: date) -> tuple[SchemeDay, ...]:
        return tuple(on_day for scheme in self._schemes if (on_day := scheme.on(day)))

    def check(self) -> None:
        """Works out every period once, so that what is missing is found when the files are loaded."""
        for day in self._turns:
            schemes = self._schemes_on(day)
            if schemes and self._payers.on(day) is None:
                raise RulebookError(
                    PAYERS, 0, f"gap: {schemes[0].code} is in force on {day}, but no [[order]] of payers is"
                )


def load_rulebooks(files: Mapping[str, bytes], *, known_on: date | None = None) -> Rulebooks:
    """Checks a set of files and makes it usable. Pure: paths and contents in, Rulebooks out.

    A folder is a scheme, except `payers`, `counters` and `catalogue` (CSV; the clinics' mappings in
    `catalogue/clinics`). `known_on` leaves out what was published later: the books as they stood that day. Raises
    RulebookError.
    """
    folders: dict[str, list[Table]] = {}
    items: dict[str, bytes] = {}
    mappings: dict[str, bytes] = {}
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        if folder in (CATALOGUE, MAPPINGS) and name.endswith(".csv"):
            (items if folder == CATALOGUE else mappings)[path] = files[path]
        elif folder and "/" not in folder and folder != CATALOGUE and name.endswith(".toml"):
            folders.setdefault(folder, []).extend(read_tables(path, files[path]))
        else:
            raise RulebookError(
                path, 0, "has no place here: <scheme>/<subject>.toml, catalogue/*.csv, catalogue/clinics/*.csv"
            )
    payers = PayersBook(folders.pop(PAYERS, ()), known_on)
    counters = CountersBook(folders.pop(COUNTERS, ()), known_on)
    schemes = [SchemeBook(code, tables, known_on) for code, tables in folders.items()]
    schemes.sort(key=lambda each: (each.scheme.rank, each.code))
    for one, other in pairwise(schemes):
        if one.scheme.rank == other.scheme.rank:
            raise RulebookError(
                f"{other.code}/scheme.toml", 0, f"has the rank of {one.code}: which of them pays first?"
            )
    books = Rulebooks(
        files,
        _digest(files, known_on),
        schemes=tuple(schemes),
        payers=payers,
        counters=counters,
        catalogue=CatalogueBook(items, mappings, known_on),
    )
    books.check()
    return books


def _digest(files: Mapping[str, bytes], known_on: date | None) -> str:
    """Over sorted paths and texts, each with its length before it; line ends and byte order marks do not count."""
    digest = hashlib.sha256(known_on.isoformat().encode() if known_on else b"")
    for path in sorted(files):
        for piece in (path.encode(), text_of(path, files[path]).encode()):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return digest.hexdigest()

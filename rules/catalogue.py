"""The catalogue of drugs and services, and how a clinic's own item codes map to it. Rows are dated like all other
numbers.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, TypeVar, cast

import msgspec

from rules import money
from rules.documents import Table, text_of
from rules.entries import Dated, Status
from rules.errors import RulebookError

ITEM_COLUMNS = (
    "code", "name_zh", "name_en", "class", "own_share", "price_ceiling", "days_per_unit", "ingredient", "initials",
    "kind", "starts", "ends", "published", "source", "status",
)  # fmt: skip
MAPPING_COLUMNS = ("clinic", "item", "code", "starts", "ends", "published", "source", "status")
KINDS = ("drug", "service", "material", "nursing")

_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Read = TypeVar("Read")
Row = Mapping[str, str]


class Item(Dated, frozen=True, kw_only=True):
    """An entry of the catalogue."""

    code: str
    name_zh: str
    name_en: str
    item_class: Literal["A", "B", "C"]
    """A in scope, B in scope after the resident's own share, C out of catalogue."""
    own_share: int = 0
    """Ppm the resident bears first (先行自付)."""
    price_ceiling: int | None = None
    """Fen per unit; what is charged above it is out of scope."""
    days_per_unit: int = 0
    """Days of supply of one unit; 0 = not dispensed to last."""
    ingredient: str = ""
    initials: str = ""
    """Pinyin initials, for the search at the counter."""
    kind: Literal["drug", "service", "material", "nursing"] = "drug"


class Mapped(Dated, frozen=True, kw_only=True):
    """What a clinic's own item code means."""

    clinic: str
    item: str
    code: str


class RowError(msgspec.Struct, frozen=True):
    """What is wrong with one row: `line` counts from 1 with the header, `column` is its header."""

    line: int
    column: str
    sentence: str


def read_items(rows: Iterable[tuple[int, Row]]) -> tuple[list[tuple[int, Item]], list[RowError]]:
    """Items with their line, and every error of every row, so that all can be mended in one go."""
    return _read(rows, _item)


def read_mapping(rows: Iterable[tuple[int, Row]]) -> tuple[list[tuple[int, Mapped]], list[RowError]]:
    """Mapping rows with their line, and the errors."""
    return _read(rows, _mapped)


def csv_rows(file: str, content: bytes, columns: Sequence[str]) -> list[tuple[int, Row]]:
    """The rows of a CSV file with their line. The header must name exactly `columns`, in any order."""
    reader = csv.reader(io.StringIO(text_of(file, content), newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise RulebookError(file, reader.line_num, f"is not CSV: {error}") from error
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    check_header(file, 1, header, columns)
    rows: list[tuple[int, Row]] = []
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise RulebookError(file, number, f"has {len(cells)} cells where the header has {len(header)}")
        rows.append((number, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
    return rows


def check_header(file: str, line: int, header: Sequence[str], columns: Sequence[str]) -> None:
    """Raises RulebookError when columns are unknown, missing or repeated."""
    unknown = [name for name in header if name not in columns]
    missing = [name for name in columns if name not in header]
    if unknown or missing or len(set(header)) != len(header):
        raise RulebookError(
            file,
            line,
            f"the header must be {','.join(columns)} (unknown: {unknown or 'none'}, missing: {missing or 'none'})",
        )


def row_table(file: str, line: int, name: str) -> Table:
    """A row as a place for errors."""
    return Table(file, name, line, {}, {})


class _Cells:
    """One row under inspection: reads cells and collects what is wrong with them."""

    def __init__(self, line: int, row: Row) -> None:
        self.line = line
        self.row = row
        self.errors: list[RowError] = []

    def read(self, column: str, parse: Callable[[str], Read], default: Read) -> Read:
        text = self.row[column]
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.errors.append(RowError(self.line, column, str(error)))
            return default

    def need(self, column: str) -> str:
        text = self.row[column]
        if not text:
            self.errors.append(RowError(self.line, column, "is empty: every row needs it"))
        return text

    def one_of(self, column: str, allowed: Sequence[str]) -> str:
        text = self.row[column]
        if text not in allowed:
            self.errors.append(RowError(self.line, column, f"is “{text}”, not one of {', '.join(allowed)}"))
        return text

    def day(self, column: str) -> date | None:
        return self.read(column, _day, None)

    def starts(self) -> date:
        self.need("starts")
        return self.day("starts") or date.min

    def status(self) -> Status:
        return cast(Status, self.one_of("status", ("law", "press", "synthetic")))


def _day(text: str) -> date:
    try:
        if _ISO_DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"“{text}” is no day: write it like 2020-12-31")


def _read(
    rows: Iterable[tuple[int, Row]], build: Callable[[_Cells], Read]
) -> tuple[list[tuple[int, Read]], list[RowError]]:
    built: list[tuple[int, Read]] = []
    errors: list[RowError] = []
    for line, row in rows:
        cells = _Cells(line, row)
        record = build(cells)
        if cells.errors:
            errors += cells.errors
        else:
            built.append((line, record))
    return built, errors


def _item(cells: _Cells) -> Item:
    row = cells.row
    item_class = cells.one_of("class", ("A", "B", "C"))
    own_share = cells.read("own_share", money.ppm, 0)
    if own_share and item_class != "B":
        cells.errors.append(RowError(cells.line, "own_share", f"only class B has an own share, this is {item_class}"))
    days = cells.read("days_per_unit", lambda text: money.decimal(text, 0), 0)
    if days and not row["ingredient"]:
        cells.errors.append(RowError(cells.line, "ingredient", "is empty, but the item has days of supply: name it"))
    return Item(
        code=cells.need("code"),
        name_zh=cells.need("name_zh"),
        name_en=row["name_en"],
        item_class=cast(Literal["A", "B", "C"], item_class),
        own_share=own_share,
        price_ceiling=cells.read("price_ceiling", money.fen, None),
        days_per_unit=days,
        ingredient=row["ingredient"],
        initials=row["initials"],
        kind=cast(Literal["drug", "service", "material", "nursing"], cells.one_of("kind", KINDS)),
        starts=cells.starts(),
        ends=cells.day("ends"),
        published=cells.day("published"),
        source=cells.need("source"),
        status=cells.status(),
    )


def _mapped(cells: _Cells) -> Mapped:
    return Mapped(
        clinic=cells.need("clinic"),
        item=cells.need("item"),
        code=cells.need("code"),
        starts=cells.starts(),
        ends=cells.day("ends"),
        published=cells.day("published"),
        source=cells.need("source"),
        status=cells.status(),
    )

"""A list as people keep it, CSV or spreadsheet, as rows under known headers. Cells stay as they were written."""

import csv
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from gateway.importing.problems import Problem, RowError, UnreadableTable, row_error

MAX_BYTES = 32 * 1024**2
HEADER_WITHIN = 10
"""Rows: titles and remarks above the headers are common."""

_SHEET_CHILD = Path(__file__).with_name("sheet_child.py")
_SHEET_SECONDS = 120
_SNIFFED = 20_000
"""Characters in which the separator is looked for."""
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


Kind = Literal["text", "number", "date"]


class Cell(Struct, frozen=True, array_like=True):
    """Text as written. A `number` or `date` was one for the spreadsheet; a formula is the text of its value."""

    kind: Kind
    text: str


BLANK = Cell("text", "")


class Column(Struct, frozen=True):
    """A column of a list: the field it fills, the headers people give it, and how its cells are read."""

    field: str
    headers: tuple[str, ...]
    """The first is the one that reports name."""
    read: Callable[[Cell], object]
    """Raises CellRefused. Empty cells are only passed when the column is optional."""
    optional: bool = False


class Row(Struct, frozen=True):
    """`number` counts as Excel does; `cells` stand under `Table.headers`, and may go on beyond them."""

    number: int
    cells: tuple[Cell, ...]


class Table(Struct, frozen=True):
    """Rows under headers, blank rows left out."""

    headers: tuple[str, ...]
    """As written, without line breaks."""
    place: dict[str, int]
    """Field -> index of its column."""
    rows: tuple[Row, ...]
    errors: tuple[RowError, ...]
    """What is wrong with rows whatever the columns mean. Such rows are in `rows` too."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """Headers that mean nothing here; their columns are not read."""
        known = set(self.place.values())
        return tuple(header for index, header in enumerate(self.headers) if index not in known and header)


class _Sheet(Struct):
    """What the child process answers."""

    problem: str = ""
    rows: list[tuple[Cell, ...]] = []
    merged: list[tuple[int, int]] = []


def read_table(content: bytes, columns: Sequence[Column], *, sheet: str = "") -> Table:
    """CSV (UTF-8 or GB18030; comma, semicolon or tab), xlsx, xls or ods. `sheet` is needed where several hold data.

    Blocks while a spreadsheet is read (about 0.1 s plus 0.1 s per 10,000 rows). Raises UnreadableTable.
    """
    if not content.strip():
        raise UnreadableTable(Problem.EMPTY_FILE)
    if len(content) > MAX_BYTES:
        raise UnreadableTable(Problem.FILE_TOO_LARGE, limit=f"{MAX_BYTES // 1024**2} MB")
    found = _read_sheet(content, sheet) if content.startswith((_ZIP, _OLE)) else _read_csv(content, columns)
    at = _header_row(found.rows, columns)
    headers = tuple(" ".join(cell.text.split()) for cell in found.rows[at])
    while headers and not headers[-1]:
        headers = headers[:-1]
    rows = [
        Row(number, cells)
        for number, cells in enumerate(found.rows[at + 1 :], at + 2)
        if any(cell.text.strip() for cell in cells)
    ]
    filled = {row.number for row in rows}
    merged = [
        row_error(row + 1, headers[column] if column < len(headers) else "", Problem.MERGED)
        for row, column in found.merged
        if row + 1 in filled
    ]
    overlong = [
        row_error(row.number, "", Problem.NO_COLUMN)
        for row in rows
        if any(cell.text.strip() for cell in row.cells[len(headers) :])
    ]
    errors = sorted([*merged, *overlong], key=lambda error: error.row)
    padded = (Row(row.number, row.cells + (BLANK,) * (len(headers) - len(row.cells))) for row in rows)
    return Table(headers, _place(headers, columns), tuple(padded), tuple(errors))


def _read_sheet(content: bytes, name: str) -> _Sheet:
    if find_spec("python_calamine") is None:
        raise UnreadableTable(Problem.NO_READER)
    try:
        child = subprocess.run(  # noqa: S603  our own file, by its path
            [sys.executable, "-P", str(_SHEET_CHILD), name],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a crash report may hold what the cells hold
            timeout=_SHEET_SECONDS,
            check=True,
        )
        answer = msgspec.msgpack.decode(child.stdout, type=_Sheet)
    except (subprocess.SubprocessError, msgspec.DecodeError) as error:
        raise UnreadableTable(Problem.UNREADABLE) from error
    if answer.problem:
        raise UnreadableTable(Problem[answer.problem])
    return answer


def _read_csv(content: bytes, columns: Sequence[Column]) -> _Sheet:
    text = _decoded(content)
    if text.lstrip().startswith("<"):
        raise UnreadableTable(Problem.WEB_PAGE)
    start = text[:_SNIFFED]
    separator = max(",;\t", key=lambda separator: _most_headers(_loosely(start, separator), columns))
    rows: list[tuple[Cell, ...]] = []
    try:
        for values in csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True):
            rows.append(tuple(Cell("text", value) for value in values))  # noqa: PERF401  the error names the row
    except csv.Error as error:
        raise UnreadableTable(Problem.BROKEN_CSV, row=len(rows) + 1) from error
    return _Sheet(rows=rows)


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableTable(Problem.UNKNOWN_ENCODING)


def _loosely(text: str, separator: str) -> list[tuple[Cell, ...]]:
    return [tuple(Cell("text", part.strip('"')) for part in line.split(separator)) for line in text.splitlines()]


def _plain(header: str) -> str:
    """Headers are compared without spaces, marks of obligation, case and full width."""
    return "".join(unicodedata.normalize("NFKC", header).split()).replace("*", "").replace("_", "").lower()


def _meanings(columns: Sequence[Column]) -> dict[str, str]:
    return {_plain(header): column.field for column in columns for header in (column.field, *column.headers)}


def _most_headers(rows: Sequence[tuple[Cell, ...]], columns: Sequence[Column]) -> int:
    meanings = _meanings(columns)
    return max((len({meanings.get(_plain(cell.text)) for cell in row} - {None}) for row in rows), default=0)


def _header_row(rows: Sequence[tuple[Cell, ...]], columns: Sequence[Column]) -> int:
    """The row that names most columns, the first of several."""
    first = rows[:HEADER_WITHIN]
    known = [_most_headers([row], columns) for row in first]
    if not any(known):
        headers = "、".join(column.headers[0] for column in columns if not column.optional)
        raise UnreadableTable(Problem.NO_HEADER, limit=HEADER_WITHIN, headers=headers)
    return known.index(max(known))


def _place(headers: Sequence[str], columns: Sequence[Column]) -> dict[str, int]:
    meanings = _meanings(columns)
    places: dict[str, list[int]] = {}
    for index, header in enumerate(headers):
        field = meanings.get(_plain(header))
        if field:
            places.setdefault(field, []).append(index)
    twice = [headers[index] for indexes in places.values() if len(indexes) > 1 for index in indexes]
    if twice:
        raise UnreadableTable(Problem.HEADERS_TWICE, headers="、".join(twice))
    missing = [column.headers[0] for column in columns if column.field not in places and not column.optional]
    if missing:
        raise UnreadableTable(Problem.HEADERS_MISSING, headers="、".join(missing))
    return {field: indexes[0] for field, indexes in places.items()}

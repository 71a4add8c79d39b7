"""From a table to records: every row is read to its end, so that a list can be corrected in one go."""

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from gateway.importing.problems import CellRefused, Problem, RowError, row_error
from gateway.importing.tables import BLANK, Column, Row, Table

Record = TypeVar("Record", bound=Struct)


class Layout(Struct, Generic[Record], frozen=True):
    """What a kind of list consists of."""

    record: type[Record]
    """Has a field `row` and one for each column."""
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    """Fields that no two rows may share."""
    contradictions: Callable[[Record], Iterable[tuple[str, Problem]]] = lambda _: ()
    """What the cells of one row cannot say together: field and problem."""


def parse(table: Table, layout: Layout[Record]) -> tuple[list[Record], list[RowError]]:
    """The records of all faultless rows, and everything that is wrong with the others, by row."""
    errors = list(table.errors)
    faulty = {error.row for error in errors}
    records: list[Record] = []
    seen: dict[Hashable, int] = {}
    for row in table.rows:
        values, found = _values(row, table, layout.columns)
        if not found:
            record = msgspec.convert({**values, "row": row.number}, layout.record)
            found = [
                row_error(row.number, _header(table, field), problem)
                for field, problem in layout.contradictions(record)
            ]
            first = seen.setdefault(tuple(values[field] for field in layout.identity), row.number)
            if first != row.number:
                found.append(row_error(row.number, _header(table, layout.identity[0]), Problem.REPEATED, row=first))
            if not found and row.number not in faulty:
                records.append(record)
        errors += found
    return records, sorted(errors, key=lambda error: error.row)


def _values(row: Row, table: Table, columns: Iterable[Column]) -> tuple[Mapping[str, object], list[RowError]]:
    values: dict[str, object] = {}
    errors: list[RowError] = []
    for column in columns:
        at = table.place.get(column.field)
        cell = BLANK if at is None else row.cells[at]
        try:
            if not cell.text.strip() and not column.optional:
                raise CellRefused(Problem.EMPTY)
            if _has_control_character(cell.text):
                raise CellRefused(Problem.CONTROL_CHARACTER)
            values[column.field] = column.read(cell)
        except CellRefused as refused:
            errors.append(row_error(row.number, _header(table, column.field), refused.problem, **refused.details))
    return values, errors


def _has_control_character(text: str) -> bool:
    """Also what has no width; such characters make equal texts differ. Tabs and line breaks are only space."""
    return not text.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cf") and character not in "\t\r\n" for character in text
    )


def _header(table: Table, field: str) -> str:
    at = table.place.get(field)
    return field if at is None else table.headers[at]

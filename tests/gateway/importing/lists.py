"""Lists as people bring them. All identities are synthetic: their holders are born in 2099."""

from collections.abc import Sequence
from io import BytesIO

import xlsxwriter

from gateway.importing.cells import check_character
from gateway.importing.parse import Layout, Record, parse
from gateway.importing.problems import RowError
from gateway.importing.tables import read_table


def id_of(person: int) -> str:
    """A valid id number of somebody who cannot be alive."""
    digits = f"31010420990101{person:03d}"
    return digits + check_character(digits)


ZHANG, LI, WANG = id_of(1), id_of(2), id_of(3)


def csv_of(*lines: str) -> bytes:
    """Lines as Excel saves them as “CSV UTF-8”."""
    return "\r\n".join(lines).encode("utf-8-sig")


def xlsx_of(*rows: Sequence[object]) -> bytes:
    """A workbook of one sheet; numbers are numbers, text beginning with = is text."""
    content = BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False})
    sheet = workbook.add_worksheet()
    for at, row in enumerate(rows):
        sheet.write_row(at, 0, row)
    workbook.close()
    return content.getvalue()


def read(content: bytes, layout: Layout[Record]) -> tuple[list[Record], list[RowError]]:
    """Both steps at once."""
    return parse(read_table(content, layout.columns), layout)


def where(errors: Sequence[RowError]) -> list[tuple[int, str, str]]:
    """Row, column and name of each problem."""
    return [(error.row, error.column, error.problem) for error in errors]

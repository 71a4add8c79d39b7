"""The report of what is wrong with a list: as a workbook to correct and send again, and as JSON lines for programs."""

from collections.abc import Sequence
from io import BytesIO

import msgspec
import xlsxwriter

from gateway.importing.problems import RowError
from gateway.importing.tables import Table

# Text stays text: what begins with = or looks like an address or a number must not come alive in a spreadsheet.
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_HEADINGS = ("原行 Row", "问题", "Problem")


def as_json_lines(errors: Sequence[RowError]) -> bytes:
    """One error a line. Holds no content of cells."""
    return msgspec.json.Encoder().encode_lines(errors)


def as_xlsx(errors: Sequence[RowError], table: Table) -> bytes:
    """The faulty rows as they were, with what is wrong in front of them; once corrected it can be imported as it is.

    It holds personal data: give it to nobody but the one who brought the list.
    """
    by_row: dict[int, list[RowError]] = {}
    for error in errors:
        by_row.setdefault(error.row, []).append(error)
    lines = [(*_HEADINGS, *table.headers)]
    for row in table.rows:
        wrong = by_row.get(row.number)
        if wrong:
            chinese = "\n".join(f"{error.column} {error.message_zh}" for error in wrong)
            english = "\n".join(f"{error.column} {error.message}" for error in wrong)
            lines.append((str(row.number), chinese, english, *(cell.text for cell in row.cells)))
    return _workbook(lines)


def _workbook(lines: Sequence[Sequence[str]]) -> bytes:
    content = BytesIO()
    workbook = xlsxwriter.Workbook(content, _OPTIONS)
    heading = workbook.add_format({"bold": True, "bottom": 1})
    text = workbook.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
    sheet = workbook.add_worksheet("待更正 To correct")
    sheet.freeze_panes(1, 0)
    sheet.set_column(1, 2, 50, text)
    sheet.set_column(len(_HEADINGS), len(lines[0]), 20, text)
    for at, line in enumerate(lines):
        for column, value in enumerate(line):
            sheet.write_string(at, column, value, heading if at == 0 else text)
    workbook.close()
    return content.getvalue()

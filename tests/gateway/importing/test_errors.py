"""What goes back to whoever brought the list."""

import json
from io import BytesIO
from zipfile import ZipFile

from gateway.importing.errors import as_json_lines, as_xlsx
from gateway.importing.layouts import residents
from gateway.importing.parse import parse
from gateway.importing.tables import read_table
from tests.gateway.importing.lists import LI, ZHANG, csv_of, where

LAYOUT = residents()
TABLE = read_table(
    csv_of(
        "身份证号,姓名,街镇,备注",
        f"{ZHANG},张甲,310104003,",
        f"{LI},=1+1,,http://example.invalid",
        f"{ZHANG[:17]},@SUM(A1),310104003,+1,beyond",
    ),
    LAYOUT.columns,
)
RECORDS, ERRORS = parse(TABLE, LAYOUT)


def test_json_lines() -> None:
    lines = [json.loads(line) for line in as_json_lines(ERRORS).splitlines()]
    assert [(line["row"], line["column"], line["problem"]) for line in lines] == where(ERRORS)
    assert lines[0] == {
        "row": 3,
        "column": "街镇",
        "problem": "EMPTY",
        "message": "This cell is empty. Fill it in.",
        "message_zh": "此格为空，请填写。",
    }


def test_no_errors_are_no_lines() -> None:
    assert as_json_lines([]) == b""


def test_workbook_can_be_imported_again() -> None:
    """Only faulty rows are in it, as they were: the same errors are found in it, in its own rows."""
    again = read_table(as_xlsx(ERRORS, TABLE), LAYOUT.columns)
    records, errors = parse(again, LAYOUT)
    assert records == []
    assert where(errors) == [(2, "街镇", "EMPTY"), (3, "", "NO_COLUMN"), (3, "身份证号", "ID_NUMBER_SHAPE")]
    assert [row.cells[0].text for row in again.rows] == ["3", "4"]
    assert again.rows[1].cells[1].text == "\n".join(f"{error.column} {error.message_zh}" for error in ERRORS[1:])


def test_nothing_in_the_workbook_comes_alive() -> None:
    with ZipFile(BytesIO(as_xlsx(ERRORS, TABLE))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        texts = archive.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert "=1+1" in texts
    assert "@SUM(A1)" in texts

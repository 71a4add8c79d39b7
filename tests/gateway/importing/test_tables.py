"""Files as they come: encodings, separators, headers, titles, merged cells, numbers that were not amounts."""

import zipfile
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest
import xlsxwriter

from gateway.importing.layouts import residents
from gateway.importing.problems import UnreadableTable
from gateway.importing.tables import Cell, read_table
from tests.gateway.importing.lists import LI, ZHANG, csv_of, read, where, xlsx_of

COLUMNS = residents().columns
HEADERS = "身份证号,姓名,街镇"
LINE = f"{ZHANG},张甲,310104003"


def problem_of(content: bytes, sheet: str = "") -> UnreadableTable:
    with pytest.raises(UnreadableTable) as caught:
        read_table(content, COLUMNS, sheet=sheet)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_csv_in_any_dress(encoding: str, separator: str, line_end: str) -> None:
    content = line_end.join([HEADERS, LINE, ""]).replace(",", separator).encode(encoding)
    table = read_table(content, COLUMNS)
    assert [[cell.text for cell in row.cells] for row in table.rows] == [LINE.split(",")]


def test_rare_characters_survive_gb18030() -> None:
    content = f"{HEADERS}\n{ZHANG},张𠮷,310104003".encode("gb18030")
    rows, errors = read(content, residents())
    assert [row.name for row in rows] == ["张𠮷"]
    assert not errors


def test_headers_below_a_title_in_any_spelling_and_order() -> None:
    table = read_table(
        csv_of("徐汇区名单,,,", ",,,", "备注, * 姓 名 ,ＴＯＷＮ ＣＯＤＥ,id_number", f"x,张甲,310104003,{ZHANG}"),
        COLUMNS,
    )
    assert table.place == {"name": 1, "town": 2, "id_number": 3}
    assert table.unknown == ("备注",)
    assert [row.number for row in table.rows] == [4]


def test_rows_keep_the_numbers_that_excel_shows() -> None:
    table = read_table(csv_of(HEADERS, "", ",,", LINE, '"', '",,', LINE), COLUMNS)
    assert [row.number for row in table.rows] == [4, 6]


@pytest.mark.parametrize("content", [b"", b"\r\n \r\n", b"\xef\xbb\xbf"], ids=["nothing", "blank lines", "only a mark"])
def test_empty_file(content: bytes) -> None:
    assert problem_of(content).problem.name in ("EMPTY_FILE", "NO_HEADER")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f"{HEADERS}\n{LINE}".encode("utf-16"), "UNKNOWN_ENCODING"),
        (f"{HEADERS}\n{LINE}".encode("big5", "replace"), "NO_HEADER"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "UNKNOWN_ENCODING"),
        (b"<html><table><tr><td>x</td></tr></table>", "WEB_PAGE"),
        (csv_of("a,b,c", "1,2,3"), "NO_HEADER"),
        (csv_of("身份证号,姓名", "1,2"), "HEADERS_MISSING"),
        (csv_of("身份证号,证件号码,姓名,街镇"), "HEADERS_TWICE"),
        (csv_of("身份证号,姓名,姓名,街镇"), "HEADERS_TWICE"),
        (csv_of(HEADERS, LINE, '"never closed,x,y'), "BROKEN_CSV"),
        (csv_of(HEADERS, f'{ZHANG},"a"b,310104003'), "BROKEN_CSV"),
        (csv_of(HEADERS, f"{ZHANG},{'x' * 200_000},310104003"), "BROKEN_CSV"),
        (b"PK\x03\x04 and nothing more", "UNREADABLE"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "UNREADABLE"),
        (xlsx_of(), "EMPTY_FILE"),
        (b"x" * (32 * 1024**2 + 1), "FILE_TOO_LARGE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_are_no_list(content: bytes, problem: str) -> None:
    error = problem_of(content)
    assert error.problem.name == problem
    assert "{" not in error.message + error.message_zh


def test_missing_headers_are_all_named() -> None:
    assert problem_of(csv_of("姓名", "张甲")).message_zh == "缺少以下表头：身份证号、街镇。"


def test_one_cell_at_the_far_corner_kills_only_the_reader() -> None:
    content = BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = workbook.add_worksheet()
    sheet.write_row(0, 0, HEADERS.split(","))
    sheet.write_string(1_048_575, 16_383, "x")
    workbook.close()
    assert problem_of(content.getvalue()).problem.name == "UNREADABLE"


def test_cells_of_a_workbook() -> None:
    content = BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True})
    cover = workbook.add_worksheet("cover")
    cover.write_string(0, 0, "for internal use")
    sheet = workbook.add_worksheet("list")
    sheet.activate()
    cover.hide()
    workbook.add_worksheet("left empty")
    sheet.write_row(2, 1, HEADERS.split(","))
    sheet.write_number(3, 1, 310104209901010011)
    sheet.write_string(3, 2, "=1+1")
    sheet.write_datetime(3, 3, datetime(2024, 2, 29), workbook.add_format({"num_format": "yyyy-mm-dd"}))  # noqa: DTZ001
    sheet.write_formula(4, 1, "=0.1+0.2", None, 0.1 + 0.2)
    sheet.write_number(4, 2, 1e300)
    sheet.write_boolean(4, 3, True)
    sheet.write_datetime(5, 1, datetime(2024, 2, 29, 13, 5), workbook.add_format({"num_format": "d/m hh:mm"}))  # noqa: DTZ001
    sheet.write_number(5, 2, 310104003)
    sheet.write_number(5, 3, -0.5)
    workbook.close()
    table = read_table(content.getvalue(), COLUMNS)
    assert [row.number for row in table.rows] == [4, 5, 6]
    assert [row.cells[1:] for row in table.rows] == [
        (Cell("number", "3.1010420990101e+17"), Cell("text", "=1+1"), Cell("date", "2024-02-29")),
        (Cell("number", "0.3"), Cell("number", "1e+300"), Cell("text", "TRUE")),
        (Cell("text", "2024-02-29 13:05:00"), Cell("number", "310104003"), Cell("number", "-0.5")),
    ]


def test_several_sheets_need_a_name() -> None:
    content = BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True})
    for name in ("一月", "二月"):
        workbook.add_worksheet(name).write_row(0, 0, HEADERS.split(","))
    workbook.close()
    assert problem_of(content.getvalue()).problem.name == "SEVERAL_SHEETS"
    assert problem_of(content.getvalue(), "三月").problem.name == "NO_SUCH_SHEET"
    assert read_table(content.getvalue(), COLUMNS, sheet="二月").rows == ()


def test_merged_cells_are_refused_where_data_stands() -> None:
    content = BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = workbook.add_worksheet()
    sheet.merge_range(0, 0, 0, 2, "a title above the headers may be merged")
    sheet.write_row(1, 0, HEADERS.split(","))
    sheet.write_row(2, 0, [ZHANG, "张甲", "310104003"])
    sheet.write_row(3, 0, [LI, "李乙"])
    sheet.merge_range(2, 2, 3, 2, "310104003")
    sheet.write_row(4, 0, LINE.replace(ZHANG, LI).split(","))
    workbook.close()
    rows, errors = read(content.getvalue(), residents())
    assert where(errors) == [(3, "街镇", "MERGED"), (4, "街镇", "MERGED"), (4, "街镇", "EMPTY")]
    assert [row.row for row in rows] == [5]


def test_cells_beyond_the_headers_are_not_dropped_silently() -> None:
    rows, errors = read(csv_of(HEADERS, f"{ZHANG},张,甲,310104003", LINE + ",,"), residents())
    assert (2, "", "NO_COLUMN") in where(errors)
    assert [row.row for row in rows] == [3]


def ods_of(*rows: str) -> bytes:
    """The smallest OpenDocument spreadsheet; cells are separated by commas."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    lines = "".join(
        f"<table:table-row>{''.join(cell.format(text) for text in row.split(','))}</table:table-row>" for row in rows
    )
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content{spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="list">{lines}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return content.getvalue()


@pytest.mark.parametrize(
    "content", [Path(__file__).with_name("list.xls").read_bytes(), ods_of(HEADERS, LINE)], ids=["xls", "ods"]
)
def test_other_formats(content: bytes) -> None:
    rows, errors = read(content, residents())
    assert [(row.row, row.id_number, row.name, row.town) for row in rows] == [(2, ZHANG, "张甲", "310104003")]
    assert not errors

"""The catalogue, the clinics' mappings, and the sheets they come in."""

import io
from collections.abc import Sequence
from datetime import date, datetime, time

import pytest
import xlsxwriter

import rules
from rules import catalogue
from tests.rules import reading

BOOKS = reading.books("shipped")
FILES = rules.read_folder(rules.SHIPPED)
CATALOGUE, MAPPING = "catalogue/example.csv", "catalogue/clinics/example.csv"
HEADER = ",".join(catalogue.ITEM_COLUMNS)
ROW = "T1,试,Test,B,10%,12.50,7,testine,S,drug,2020-01-01,,,Test,synthetic"


def read(*rows: str) -> tuple[list[catalogue.Item], list[catalogue.RowError]]:
    found, errors = catalogue.read_items(
        catalogue.csv_rows("file.csv", "\n".join([HEADER, *rows]).encode(), catalogue.ITEM_COLUMNS)
    )
    return [item for _, item in found], errors


def test_a_row() -> None:
    items, errors = read(ROW)
    assert errors == []
    assert items == [
        catalogue.Item(
            code="T1", name_zh="试", name_en="Test", item_class="B", own_share=100_000, price_ceiling=1_250,
            days_per_unit=7, ingredient="testine", initials="S", kind="drug",
            starts=date(2020, 1, 1), source="Test", status="synthetic",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "column", "sentence"),
    [
        ("T1,", ",", "code", "is empty"),
        (",B,", ",D,", "class", "not one of A, B, C"),
        (",B,", ",A,", "own_share", "only class B has an own share"),
        ("10%", "110%", "own_share", "more than the whole"),
        ("12.50", "12.505", "price_ceiling", "finer than 2"),
        ("2020-01-01", "20200101", "starts", "write it like 2020-12-31"),
        ("2020-01-01", "2020-W01-1", "starts", "write it like 2020-12-31"),
        ("12.50", "cheap", "price_ceiling", "not a plain decimal"),
        (",7,", ",7.5,", "days_per_unit", "finer than 0"),
        ("testine", "", "ingredient", "is empty, but the item has days of supply"),
        ("drug", "toy", "kind", "not one of drug"),
        ("2020-01-01", "2020-02-30", "starts", "is no day: write it like 2020-12-31"),
        ("2020-01-01", "", "starts", "is empty"),
        (",Test,synthetic", ",,synthetic", "source", "is empty"),
        ("synthetic", "rumour", "status", "not one of law"),
    ],
)
def test_every_error_of_a_row_has_line_and_column(old: str, new: str, column: str, sentence: str) -> None:
    items, errors = read(ROW, ROW.replace(old, new, 1).replace("T1", "T2"), ROW.replace("T1", "T3"))
    assert [item.code for item in items] == ["T1", "T3"]
    assert (errors[0].line, errors[0].column) == (3, column)
    assert sentence in errors[0].sentence


def test_all_errors_are_told_at_once() -> None:
    _, errors = read(ROW.replace(",B,", ",D,"), ROW.replace("10%", "x").replace("drug", "toy"))
    assert [(error.line, error.column) for error in errors] == [
        (2, "class"),
        (2, "own_share"),
        (3, "own_share"),
        (3, "kind"),
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "sentence"),
    [
        (CATALOGUE, "own_share", "share", 1, "unknown: ['share'], missing: ['own_share']"),
        (CATALOGUE, "ZZ0002,", "ZZ0001,", 3, "overlap"),
        (CATALOGUE, ",18.50,", ",18.50,,", 2, "has 16 cells where the header has 15"),
        (CATALOGUE, ",18.50,", ",x,", 2, "price_ceiling"),
        (CATALOGUE, "示例二甲双胍片", '"' + "示" * 140_000 + '"', 2, "is not CSV: field larger"),
        (MAPPING, "XH02,9002", '"XH02,9002', 8, "is not CSV: unexpected end"),
        (CATALOGUE, "2018-06-30", "2018-06-29", 11, "gap"),
        (MAPPING, "ZZ0001", "ZZ0000", 2, "which is not in the catalogue"),
        (MAPPING, "XH01,Y101", "XH01,Y100", 3, "overlap"),
    ],
)
def test_errors_in_the_files(file: str, old: str, new: str, line: int, sentence: str) -> None:
    text = FILES[file].decode()
    assert old in text
    with pytest.raises(rules.RulebookError) as caught:
        rules.load_rulebooks(FILES | {file: text.replace(old, new, 1).encode()})
    assert (caught.value.file, caught.value.line) == (file, line)
    assert sentence in caught.value.sentence


def test_the_shipped_catalogue_is_visibly_fake() -> None:
    items = BOOKS.on(date(2026, 12, 1)).items
    assert 35 <= len(items) <= 50
    for code, item in items.items():
        assert code.startswith("ZZ0")
        assert item.name_zh.startswith("示例")
        assert item.status == "synthetic"
    assert {item.item_class for item in items.values()} == {"A", "B", "C"}


def test_unmapped_items_of_a_clinic() -> None:
    day = date(2026, 5, 1)
    assert rules.unmapped(["1002", "ZZ0001", "X9", "Y100", "X9"], "XH02", BOOKS, day=day) == ("X9", "Y100")
    assert rules.unmapped(["1002"], "XH02", BOOKS, day=date(2012, 12, 31)) == ("1002",)


def test_supplies_by_quantity_by_line_and_summed() -> None:
    lines = [
        rules.Line("a", "Y100", 100, 2_000),
        rules.Line("b", "ZZ0001", 100, 500),
        rules.Line("c", "ZZ0005", 100, 1_000, days=90),
        rules.Line("d", "ZZ0104", 100),
        rules.Line("e", "nobody knows", 100),
    ]
    found = rules.supplies(lines, "XH01", BOOKS, day=date(2026, 5, 1))
    assert found == (rules.Supply("amlodipine", 90), rules.Supply("metformin", 30 + 7))
    assert rules.supplies(lines, "XH01", BOOKS) == found


def workbook(*rows: Sequence[object]) -> bytes:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = book.add_worksheet()
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if isinstance(cell, date):
                sheet.write_datetime(y, x, datetime.combine(cell, time.min), day)
            else:
                sheet.write(y, x, cell)
    book.close()
    return content.getvalue()


def converted(content: bytes) -> tuple[bytes, list[rules.RowError]]:
    return rules.items_csv(rules.read_cells(content, "upload.xlsx"), "upload.xlsx")


CHINESE = ["编码", "名称", "英文名称", "类别", "自付比例", "限价", "单位天数", "成分", "拼音码", "种类",
           "生效日期", "失效日期", "发布日期", "依据", "依据性质"]  # fmt: skip
CELLS: list[object] = ["T1", "试", "Test", "乙类", 0.1, 59.9, 7, "testine", "S", "drug", date(2020, 1, 1), "", "",
"Test", "synthetic"]  # fmt: skip


def test_a_sheet_becomes_the_csv_of_the_books() -> None:
    """Excel's binary fractions must not reach the money: 59.9 is 59.90 yuan and 0.1 is 10 %."""
    content, errors = converted(workbook(CHINESE, CELLS))
    assert errors == []
    books = rules.load_rulebooks({"catalogue/upload.csv": content})
    item = books.on(date(2020, 1, 1)).items["T1"]
    assert (item.item_class, item.own_share, item.price_ceiling, item.days_per_unit) == ("B", 100_000, 5_990, 7)


def test_wrong_rows_of_a_sheet_are_told_and_left_out() -> None:
    bad = [*CELLS]
    bad[0], bad[5] = "T2", 59.999
    content, errors = converted(workbook(CHINESE, bad, [""] * 15, CELLS))
    assert [(error.line, error.column) for error in errors] == [(2, "price_ceiling")]
    assert content.decode().count("\n") == 2


def test_a_mapping_sheet() -> None:
    row: list[object] = ["XH09", 1002, "T1", date(2020, 1, 1), "", "", "Test", "synthetic"]
    content, errors = rules.mapping_csv(
        rules.read_cells(workbook([*catalogue.MAPPING_COLUMNS], row), "mapping.xlsx"), "mapping.xlsx"
    )
    assert errors == []
    assert content.decode().split("\n")[1] == "XH09,1002,T1,2020-01-01,,,Test,synthetic"


def test_sheets_that_are_none() -> None:
    with pytest.raises(rules.RulebookError, match="the header must be"):
        converted(workbook(["a", "b"]))
    with pytest.raises(rules.RulebookError, match="no spreadsheet"):
        converted(b"PK not really")
    with pytest.raises(rules.RulebookError, match="is empty"):
        converted(workbook())

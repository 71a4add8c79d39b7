"""What a cell may say, and the sentence for everything it may not."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.importing import cells
from gateway.importing.problems import CellRefused, Problem
from gateway.importing.tables import Cell, Kind
from tests.gateway.importing.lists import ZHANG, id_of

people = st.integers(0, 999).map(id_of)
id_number = cells.id_number()


def said(read: Callable[[Cell], object], text: str, kind: Kind = "text") -> object:
    """The value, or the name of the problem."""
    try:
        return read(Cell(kind, text))
    except CellRefused as refused:
        return refused.problem.name


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        # The example of the standard itself, GB 11643-1999.
        ("11010519491231002X", "text", "11010519491231002X"),
        ("11010519491231002x", "text", "11010519491231002X"),
        ("１１０１０５１９４９１２３１００２Ｘ", "text", "11010519491231002X"),
        (" 110105 19491231 002X\t", "text", "11010519491231002X"),
        ("'11010519491231002X", "text", "11010519491231002X"),
        ("110105194912310020", "text", "ID_NUMBER_CHECK"),
        ("110105194902290029", "text", "ID_NUMBER_BIRTH"),
        ("110105194913310023", "text", "ID_NUMBER_BIRTH"),
        ("11010519491231002", "text", "ID_NUMBER_SHAPE"),
        ("01010519491231002X", "text", "ID_NUMBER_SHAPE"),
        ("110105491231002", "text", "ID_NUMBER_OLD"),
        ("=1+1", "text", "ID_NUMBER_SHAPE"),
        ("3.1010420990101E+17", "text", "NUMBER_DESTROYED"),
        ("3.10104E+17", "text", "NUMBER_DESTROYED"),
        ("310104209901011000", "text", "NUMBER_DESTROYED"),
        ("3.1010420990101e+17", "number", "NUMBER_DESTROYED"),
        ("110105491231002", "number", "NUMBER_DESTROYED"),
    ],
)
def test_id_numbers(text: str, kind: Kind, expected: str) -> None:
    assert said(id_number, text, kind) == expected


def test_nobody_is_registered_before_birth() -> None:
    assert said(cells.id_number(today=date(2098, 12, 31)), ZHANG) == "ID_NUMBER_UNBORN"
    assert said(cells.id_number(today=date(2099, 1, 1)), ZHANG) == ZHANG


@given(people, st.integers(0, 17), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_noticed(person: str, at: int, digit: str) -> None:
    wrong = person[:at] + digit + person[at + 1 :]
    assert (said(id_number, wrong) == wrong) == (wrong == person)


@given(people, st.integers(0, 15))
def test_two_digits_exchanged_are_noticed(person: str, at: int) -> None:
    wrong = person[:at] + person[at + 1] + person[at] + person[at + 2 :]
    assert (said(id_number, wrong) == wrong) == (wrong == person)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("A12345678", "text", "A12345678"),
        ("0012 3456 7890 1234", "text", "0012345678901234"),
        ("1234567", "number", "NUMBER_DESTROYED"),
        ("6.21E+15", "text", "NUMBER_DESTROYED"),
        ("=HYPERLINK(1)", "text", "CODE_SHAPE"),
        ("卡", "text", "CODE_SHAPE"),
        ("1" * 65, "text", "TOO_LONG"),
    ],
)
def test_card_numbers(text: str, kind: Kind, expected: str) -> None:
    assert said(cells.card_number, text, kind) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1234.50", 123450),
        ("1234.5", 123450),
        ("1234", 123400),
        ("1,234.50", 123450),
        ("￥1,234,567.89", 123456789),
        ("１２．３４元", 1234),
        ("0.01", 1),
        ("100.10", 10010),
        ("0.29", 29),
        ("1000000000", 100_000_000_000),
        ("1000000000.01", "AMOUNT_TOO_LARGE"),
        ("999999999999999", "AMOUNT_TOO_LARGE"),
        ("1E+3", "AMOUNT_SHAPE"),
        ("9" * 5000, "AMOUNT_SHAPE"),
        ("1." + "0" * 5000 + "1", "AMOUNT_DECIMALS"),
        ("1." + "0" * 5000, 100),
        ("\u0661\u0662", "AMOUNT_SHAPE"),
        ("0", "AMOUNT_NOT_POSITIVE"),
        ("-5", "AMOUNT_NOT_POSITIVE"),
        ("0.001", "AMOUNT_DECIMALS"),
        ("0.30000000000000004", "AMOUNT_DECIMALS"),
        ("12,34.5", "AMOUNT_SHAPE"),
        ("1.234,50", "AMOUNT_SHAPE"),
        ("=1+1", "AMOUNT_SHAPE"),
        ("NaN", "AMOUNT_SHAPE"),
        ("inf", "AMOUNT_SHAPE"),
        ("十元", "AMOUNT_SHAPE"),
        ("", "AMOUNT_SHAPE"),
    ],
)
def test_amounts_are_fen_exactly(text: str, expected: int | str) -> None:
    assert said(cells.amount, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1234.5", 123450), ("0.3", 30), ("1e+300", "AMOUNT_TOO_LARGE"), ("1e-07", "AMOUNT_DECIMALS")],
)
def test_amounts_that_were_numbers(text: str, expected: int | str) -> None:
    assert said(cells.amount, text, "number") == expected


@given(st.integers(1, cells.MAX_FEN))
def test_every_amount_comes_back(fen: int) -> None:
    assert said(cells.amount, f"{fen // 100}.{fen % 100:02d}") == fen
    assert said(cells.amount, f"{fen // 100:,}.{fen % 100:02d}") == fen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", date(2024, 2, 29)),
        ("2024/2/29", date(2024, 2, 29)),
        ("2024.2.29", date(2024, 2, 29)),
        ("20240229", date(2024, 2, 29)),
        ("2024年2月29日", date(2024, 2, 29)),
        ("2024/2/29 0:00:00", date(2024, 2, 29)),
        ("2023-02-29", "NO_SUCH_DATE"),
        ("2024-13-01", "NO_SUCH_DATE"),
        ("2024-2/29", "DATE_SHAPE"),
        ("29.2.2024", "DATE_SHAPE"),
        ("2024-02-29 13:05:00", "DATE_SHAPE"),
        ("45351", "DATE_SHAPE"),
        ("9999-12-31", "DATE_TOO_FAR"),
        ("1899-12-31", "DATE_TOO_FAR"),
        ("", "DATE_SHAPE"),
    ],
)
def test_days(text: str, expected: date | str) -> None:
    assert said(cells.day, text) == expected


@pytest.mark.parametrize("text", ["", " ", "长期", "长期有效", "至今", "-"])
def test_no_last_day_means_until_further_notice(text: str) -> None:
    assert said(cells.last_day, text) is None


TOWNS = {"湖南路街道": "310104004", "天平路街道": "310104003"}


@pytest.mark.parametrize(
    ("text", "with_names", "without"),
    [
        ("310104004", "310104004", "310104004"),
        ("310104004000", "310104004", "310104004"),
        ("湖南路街道", "310104004", "TOWN_SHAPE"),
        ("310104999", "NOT_KNOWN", "310104999"),
        ("310104", "NOT_KNOWN", "TOWN_SHAPE"),
        ("310104004001", "NOT_KNOWN", "TOWN_SHAPE"),
    ],
)
def test_towns(text: str, with_names: str, without: str) -> None:
    assert said(cells.town(TOWNS), text) == with_names
    assert said(cells.town(None), text) == without


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (cells.district, "310104", "310104"),
        (cells.district, "徐汇区", "DISTRICT_SHAPE"),
        (cells.code, "H31010400001", "H31010400001"),
        (cells.code, "shanghai_medical_aid.aid.2026", "shanghai_medical_aid.aid.2026"),
        (cells.code, "1E5", "NUMBER_DESTROYED"),
        (cells.code, "a b", "CODE_SHAPE"),
        (cells.code, "x" * 65, "TOO_LONG"),
        (cells.known_code({"a.b"}), "a.b", "a.b"),
        (cells.known_code({"a.b"}), "a.c", "NOT_KNOWN"),
        (cells.known_code(None), "a.c", "a.c"),
        (cells.one_of({"低保家庭成员": "DIBAO"}), "低保家庭成员", "DIBAO"),
        (cells.one_of({"低保家庭成员": "DIBAO"}), "dibao", "DIBAO"),
        (cells.one_of({"低保家庭成员": "DIBAO"}), "低保", "NOT_KNOWN"),
        (cells.level, "一级", 1),
        (cells.level, "3", 3),
        (cells.level, "4", "LEVEL_SHAPE"),
        (cells.degrees(90, Problem.LATITUDE_RANGE), "31.198562", 31.198562),
        (cells.degrees(90, Problem.LATITUDE_RANGE), "", 0.0),
        (cells.degrees(90, Problem.LATITUDE_RANGE), "121.46", "LATITUDE_RANGE"),
        (cells.degrees(90, Problem.LATITUDE_RANGE), "31°11'", "DEGREES_SHAPE"),
        (cells.degrees(90, Problem.LATITUDE_RANGE), "nan", "DEGREES_SHAPE"),
        (cells.text, "  张 \n 甲 ", "张 甲"),
        (cells.text, "张" * 65, "TOO_LONG"),
        (cells.card_id, "", ""),
        (cells.card_id, "310000D156000005ABCDEF", "310000D156000005ABCDEF"),
    ],
)
def test_other_cells(read: Callable[[Cell], object], text: str, expected: object) -> None:
    assert said(read, text) == expected


@given(st.text(max_size=40), st.sampled_from(["text", "number", "date"]))
def test_no_text_is_too_strange_for_a_sentence(text: str, kind: Kind) -> None:
    """Every reader answers with a value or a problem, whatever it is given."""
    for read in (
        id_number,
        cells.card_number,
        cells.card_id,
        cells.amount,
        cells.day,
        cells.last_day,
        cells.level,
        cells.code,
        cells.district,
        cells.text,
        cells.town(TOWNS),
        cells.degrees(90, Problem.LATITUDE_RANGE),
        cells.one_of(TOWNS),
    ):
        said(read, text, kind)

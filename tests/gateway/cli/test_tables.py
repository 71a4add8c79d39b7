"""Text for terminals: Chinese takes two columns."""

import pytest

from gateway.cli.tables import padded, table, width, wrapped, yuan


@pytest.mark.parametrize(
    ("fen", "text"), [(0, "0.00"), (5, "0.05"), (1234567, "12,345.67"), (-123456, "-1,234.56"), (-1, "-0.01")]
)
def test_yuan(fen: int, text: str) -> None:
    assert yuan(fen) == text


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("医保", 4), ("（a）", 5), ("e\u0301", 1)])
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


def test_padded() -> None:
    assert padded("医", 4) == "医  "
    assert padded("1.00", 6, right=True) == "  1.00"


def test_table() -> None:
    assert table(("谁", "yuan"), [("个人", "1.00"), ("cash", "10.00")], right=(1,)).splitlines() == [
        "谁     yuan",
        "----  -----",
        "个人   1.00",
        "cash  10.00",
    ]


def test_wrapped() -> None:
    assert wrapped("one two three", columns=8).splitlines() == ["one two", "three"]
    assert wrapped("one two", indent="  ", columns=6).splitlines() == ["  one", "  two"]


def test_wrapped_chinese_breaks_anywhere_but_before_a_comma() -> None:
    assert wrapped("一二三，四", columns=6).splitlines() == ["一二", "三，四"]


def test_a_word_that_is_too_long_stays_whole() -> None:
    assert wrapped("a longword b", columns=4).splitlines() == ["a", "longword", "b"]

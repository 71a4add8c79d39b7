"""Whole lists: the records they become, and all errors of all rows at once."""

from collections.abc import Callable
from datetime import date

import pytest

from gateway.importing.layouts import (
    CardRow,
    ClinicRow,
    EntitlementRow,
    OpeningUseRow,
    ResidentRow,
    cards,
    clinics,
    entitlements,
    opening_use,
    residents,
)
from gateway.importing.problems import Problem
from tests.gateway.importing.lists import LI, WANG, ZHANG, csv_of, id_of, read, where, xlsx_of

CATEGORIES = {"低保家庭成员": "DIBAO", "低收入困难家庭": "LOWINC", "低保边缘家庭": "LOWINC"}


def test_residents() -> None:
    rows, errors = read(
        csv_of("身份证号,姓名,街镇", f"{ZHANG},=cmd|' /C calc'!A0,湖南路街道", f"{LI},李乙,310104003"),
        residents(towns={"湖南路街道": "310104004", "天平路街道": "310104003"}),
    )
    assert rows == [ResidentRow(2, ZHANG, "=cmd|' /C calc'!A0", "310104004"), ResidentRow(3, LI, "李乙", "310104003")]
    assert not errors


def test_cards() -> None:
    rows, errors = read(
        xlsx_of(["社保卡号", "身份证号", "卡识别码"], ["A00000001", ZHANG, ""], ["0000000000000002", LI, "310000D156"]),
        cards(),
    )
    assert rows == [CardRow(2, "A00000001", ZHANG, ""), CardRow(3, "0000000000000002", LI, "310000D156")]
    assert not errors


def test_entitlements() -> None:
    rows, errors = read(
        xlsx_of(
            ["身份证号", "救助身份", "开始日期", "结束日期", "区", "认定人"],
            [ZHANG, "低保家庭成员", "2024-01-01", "2024-12-31", 310104, "徐汇区民政局"],
            [LI, "LOWINC", 20240229, "长期", "310104", "徐汇区民政局"],
            [WANG, "DIBAO", "2024-01-01", "2024-01-01", "310104", "徐汇区民政局"],
            [WANG, "低收入困难家庭", "2024年1月1日", "2023-12-31", "310104", "徐汇区民政局"],
        ),
        entitlements(CATEGORIES),
    )
    assert rows == [
        EntitlementRow(2, ZHANG, "DIBAO", date(2024, 1, 1), date(2024, 12, 31), "310104", "徐汇区民政局"),
        EntitlementRow(3, LI, "LOWINC", date(2024, 2, 29), None, "310104", "徐汇区民政局"),
        EntitlementRow(4, WANG, "DIBAO", date(2024, 1, 1), date(2024, 1, 1), "310104", "徐汇区民政局"),
    ]
    assert where(errors) == [(5, "结束日期", "ENDS_BEFORE_START")]


def test_clinics() -> None:
    rows, errors = read(
        csv_of(
            "机构代码,名称,街镇,纬度,经度,级别",
            "H31010400001,斜土街道社区卫生服务中心,310104007,31.198562,121.460087,一级",
            "H31010400002,枫林街道社区卫生服务中心,310104008,,,1",
            "H31010400003,天平街道社区卫生服务中心,310104003,121.450167,31.208754,1",
            "H31010400004,徐家汇街道社区卫生服务中心,310104014,31.196384,,1",
        ),
        clinics(),
    )
    assert rows == [
        ClinicRow(2, "H31010400001", "斜土街道社区卫生服务中心", "310104007", 31.198562, 121.460087, 1),
        ClinicRow(3, "H31010400002", "枫林街道社区卫生服务中心", "310104008", 0.0, 0.0, 1),
    ]
    assert where(errors) == [(4, "纬度", "LATITUDE_RANGE"), (5, "经度", "HALF_A_PLACE")]


def test_opening_use() -> None:
    key = "shanghai_medical_aid.aid.2026"
    rows, errors = read(
        xlsx_of(
            ["身份证号", "累计项目", "金额（元）", "来源", "凭证号"],
            [ZHANG, key, 1234.5, "纸质报销", "2026-001"],
            [LI, key, "1,000.00", "纸质报销", "2026-002"],
            [WANG, "shanghai_medical_aid.aid.2062", 0.125, "纸质报销", "2026-003"],
        ),
        opening_use(accumulators={key}),
    )
    assert rows == [
        OpeningUseRow(2, ZHANG, key, 123450, "纸质报销", "2026-001"),
        OpeningUseRow(3, LI, key, 100000, "纸质报销", "2026-002"),
    ]
    assert where(errors) == [(4, "累计项目", "NOT_KNOWN"), (4, "金额（元）", "AMOUNT_DECIMALS")]


def test_every_error_of_every_row_is_told() -> None:
    rows, errors = read(
        csv_of(
            "身份证号,姓名,街镇",
            ",,",
            ",张甲,",
            "3.10104E+17,张\0甲,湖南路",
            f"{LI},李\u200b乙,310104003",
            f"{WANG},王丙,310104003",
            f"{WANG},王丙,310104003",
            f"{ZHANG}",
        ),
        residents(),
    )
    assert [row.row for row in rows] == [6]
    assert where(errors) == [
        (3, "身份证号", "EMPTY"),
        (3, "街镇", "EMPTY"),
        (4, "身份证号", "NUMBER_DESTROYED"),
        (4, "姓名", "CONTROL_CHARACTER"),
        (4, "街镇", "TOWN_SHAPE"),
        (5, "姓名", "CONTROL_CHARACTER"),
        (7, "身份证号", "REPEATED"),
        (8, "姓名", "EMPTY"),
        (8, "街镇", "EMPTY"),
    ]
    assert [error.message for error in errors if error.problem == "REPEATED"] == [
        "The same as in row 6. Delete one of the two."
    ]


@pytest.mark.parametrize("save", [lambda *rows: csv_of(*(",".join(row) for row in rows)), xlsx_of], ids=["csv", "xlsx"])
def test_ten_thousand_rows(save: Callable[..., bytes]) -> None:
    lines = [[id_of(number % 1000)[:6] + f"2099{number:07d}", "张甲", "310104003"] for number in range(10_000)]
    content = save(["身份证号", "姓名", "街镇"], *lines, [ZHANG, "张甲", "310104003"])
    rows, errors = read(content, residents())
    assert [row.row for row in rows] == [10_002]
    assert len(errors) == 10_000


def test_sentences_tell_no_secrets() -> None:
    """In a list whose columns are shifted by one, every cell is in the wrong place; none of it is repeated."""
    _, errors = read(csv_of("街镇,身份证号,姓名", f"{ZHANG},张甲,310104003"), residents())
    told = " ".join(error.message + error.message_zh for error in errors)
    assert len(errors) == 2
    assert ZHANG not in told
    assert "张甲" not in told


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.name)
def test_every_problem_has_a_sentence_in_both_languages(problem: Problem) -> None:
    english, chinese = problem.value
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
    assert {part.split("}")[0] for part in english.split("{")[1:]} == {
        part.split("}")[0] for part in chinese.split("{")[1:]
    }

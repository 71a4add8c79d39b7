"""The lists a bureau brings: their columns, the headers people give them, and the records they become."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from msgspec import Struct

from gateway.importing import cells
from gateway.importing.parse import Layout
from gateway.importing.problems import Problem
from gateway.importing.tables import Column

_ID_HEADERS = ("身份证号", "身份证号码", "公民身份号码", "社会保障号码", "证件号码", "id number")
_TOWN_HEADERS = ("街镇", "镇街", "街道", "街镇代码", "town", "town code")


class ResidentRow(Struct, frozen=True):
    """A person the bureau knows. `town`: code of 9 digits."""

    row: int
    id_number: str
    name: str
    town: str


class CardRow(Struct, frozen=True):
    """A card and the id number of its holder. `card_id`: 卡识别码, or empty."""

    row: int
    card_number: str
    id_number: str
    card_id: str


class EntitlementRow(Struct, frozen=True):
    """A category from a day to a day, both included; no last day = until further notice. `district`: 6 digits."""

    row: int
    id_number: str
    category: str
    starts: date
    ends: date | None
    district: str
    confirmed_by: str


class ClinicRow(Struct, frozen=True):
    """A clinic. Coordinates WGS84, 0, 0 = not known; level 1 to 3."""

    row: int
    code: str
    name: str
    town: str
    lat: float
    lon: float
    level: int


class OpeningUseRow(Struct, frozen=True):
    """Use of a ceiling that happened elsewhere. `amount` in fen; `source` and `reference` say where it is on record."""

    row: int
    id_number: str
    accumulator: str
    amount: int
    source: str
    reference: str


def residents(*, towns: Mapping[str, str] | None = None, today: date | None = None) -> Layout[ResidentRow]:
    """`towns`: name -> code of the known towns; `today` refuses those not yet born."""
    return Layout(
        ResidentRow,
        (
            Column("id_number", _ID_HEADERS, cells.id_number(today=today)),
            Column("name", ("姓名", "name"), cells.text),
            Column("town", _TOWN_HEADERS, cells.town(towns)),
        ),
        identity=("id_number",),
    )


def cards() -> Layout[CardRow]:
    """Which card belongs to whom."""
    return Layout(
        CardRow,
        (
            Column(
                "card_number", ("社保卡号", "社会保障卡号", "社会保障卡卡号", "卡号", "card number"), cells.card_number
            ),
            Column("id_number", ("持卡人身份证号", *_ID_HEADERS), cells.id_number()),
            Column("card_id", ("卡识别码", "card id"), cells.card_id, optional=True),
        ),
        identity=("card_number",),
    )


def entitlements(categories: Mapping[str, str]) -> Layout[EntitlementRow]:
    """`categories`: name -> code, all names the rulebooks ever gave them; the code itself is always understood."""
    return Layout(
        EntitlementRow,
        (
            Column("id_number", _ID_HEADERS, cells.id_number()),
            Column("category", ("救助身份", "救助类别", "人员类别", "category"), cells.one_of(categories)),
            Column("starts", ("开始日期", "起始日期", "生效日期", "starts", "start date"), cells.day),
            Column("ends", ("结束日期", "截止日期", "终止日期", "ends", "end date"), cells.last_day, optional=True),
            Column("district", ("区", "区县", "区代码", "认定区", "认定地", "district"), cells.district),
            Column("confirmed_by", ("认定人", "认定单位", "确认人", "confirmed by"), cells.text),
        ),
        identity=("id_number", "category", "starts"),
        contradictions=_ends_before_start,
    )


def clinics(*, towns: Mapping[str, str] | None = None) -> Layout[ClinicRow]:
    """`towns`: name -> code of the known towns."""
    return Layout(
        ClinicRow,
        (
            Column("code", ("机构代码", "医疗机构代码", "定点机构代码", "clinic", "clinic code"), cells.code),
            Column("name", ("机构名称", "医疗机构名称", "定点机构名称", "名称", "name"), cells.text),
            Column("town", _TOWN_HEADERS, cells.town(towns)),
            Column("lat", ("纬度", "latitude"), cells.degrees(90, Problem.LATITUDE_RANGE), optional=True),
            Column("lon", ("经度", "longitude", "lng"), cells.degrees(180, Problem.LONGITUDE_RANGE), optional=True),
            Column("level", ("级别", "机构级别", "医院等级", "level"), cells.level),
        ),
        identity=("code",),
        contradictions=_half_a_place,
    )


def opening_use(*, accumulators: Collection[str] | None = None) -> Layout[OpeningUseRow]:
    """`accumulators`: the keys that the rulebooks count by; use under any other would never be looked at."""
    return Layout(
        OpeningUseRow,
        (
            Column("id_number", _ID_HEADERS, cells.id_number()),
            Column("accumulator", ("累计项目", "累计代码", "accumulator"), cells.known_code(accumulators)),
            Column(
                "amount", ("金额（元）", "金额", "已用金额（元）", "已用金额", "amount", "amount (yuan)"), cells.amount
            ),
            Column("source", ("来源", "数据来源", "source"), cells.text),
            Column("reference", ("凭证号", "业务编号", "参考号", "reference"), cells.text),
        ),
        identity=("id_number", "accumulator", "source", "reference"),
    )


def _ends_before_start(row: EntitlementRow) -> Iterable[tuple[str, Problem]]:
    if row.ends is not None and row.ends < row.starts:
        yield "ends", Problem.ENDS_BEFORE_START


def _half_a_place(row: ClinicRow) -> Iterable[tuple[str, Problem]]:
    if bool(row.lat) != bool(row.lon):
        yield ("lon" if row.lat else "lat"), Problem.HALF_A_PLACE

"""What a cell may say: readers from text to value, each of which raises CellRefused with the reason."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from datetime import date

from gateway.importing.problems import CellRefused, Problem
from gateway.importing.tables import Cell

MAX_TEXT = 64
MAX_FEN = 1_000_000_000_00
"""As for claims: one thousand million yuan."""

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
"""GB 11643-1999: weights of the 17 digits (2^(18-i) mod 11), and the character for each remainder mod 11."""

_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_AMOUNT = re.compile(r"(-?)([0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.([0-9]*))?")
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?")
_DATES = (
    re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?: 0?0:00(?::00)?)?"),
    re.compile(r"([0-9]{4})()年([0-9]{1,2})月([0-9]{1,2})日"),
    re.compile(r"([0-9]{4})()([0-9]{2})([0-9]{2})"),
)
_OPEN_ENDED = ("", "长期", "长期有效", "至今", "-", "—")
_LEVELS = {"1": 1, "2": 2, "3": 3, "一级": 1, "二级": 2, "三级": 3}


def plain(cell: Cell) -> str:
    """Full width and half width are the same; space around does not count."""
    return unicodedata.normalize("NFKC", cell.text).strip()


def text(cell: Cell) -> str:
    """A name or remark: kept as written, rare characters included; at most 64 characters."""
    value = " ".join(cell.text.split())
    if len(value) > MAX_TEXT:
        raise CellRefused(Problem.TOO_LONG, limit=MAX_TEXT)
    return value


def number_as_text(cell: Cell) -> str:
    """A number that names something. Refused where a spreadsheet took it for an amount: digits are lost for good."""
    value = plain(cell).removeprefix("'")
    if cell.kind == "number" or _SCIENTIFIC.fullmatch(value):
        raise CellRefused(Problem.NUMBER_DESTROYED)
    return value


def card_number(cell: Cell) -> str:
    """Opaque: the shape of card numbers differs between cities."""
    value = number_as_text(cell).replace(" ", "")
    if not _CODE.fullmatch(value):
        raise CellRefused(Problem.CODE_SHAPE)
    if len(value) > MAX_TEXT:
        raise CellRefused(Problem.TOO_LONG, limit=MAX_TEXT)
    return value


def card_id(cell: Cell) -> str:
    """卡识别码, or empty."""
    return card_number(cell) if cell.text.strip() else ""


def id_number(*, today: date | None = None) -> Callable[[Cell], str]:
    """Reads 公民身份号码 by GB 11643: shape, date of birth (not after `today`, if given), check character."""

    def read(cell: Cell) -> str:
        value = number_as_text(cell).replace(" ", "").upper()
        if re.fullmatch(r"[0-9]{15}", value):
            raise CellRefused(Problem.ID_NUMBER_OLD)
        if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", value):
            raise CellRefused(Problem.ID_NUMBER_SHAPE)
        is_whole = check_character(value) == value[17]
        if not is_whole and value.endswith("000"):
            raise CellRefused(Problem.NUMBER_DESTROYED)
        try:
            born = date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
        except ValueError as error:
            raise CellRefused(Problem.ID_NUMBER_BIRTH) from error
        if not is_whole:
            raise CellRefused(Problem.ID_NUMBER_CHECK)
        if today is not None and born > today:
            raise CellRefused(Problem.ID_NUMBER_UNBORN)
        return value

    return read


def check_character(digits: str) -> str:
    """What GB 11643 puts behind these 17 digits (more are ignored)."""
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=False)) % 11]


def code(cell: Cell) -> str:
    """A code of our own or of an authority."""
    value = plain(cell)
    if _SCIENTIFIC.fullmatch(value):
        raise CellRefused(Problem.NUMBER_DESTROYED)
    if not _CODE.fullmatch(value):
        raise CellRefused(Problem.CODE_SHAPE)
    if len(value) > MAX_TEXT:
        raise CellRefused(Problem.TOO_LONG, limit=MAX_TEXT)
    return value


def town(names: Mapping[str, str] | None) -> Callable[[Cell], str]:
    """Reads a town's code of 9 digits; with `names` (name -> code) also its name, and no code outside of them."""

    def read(cell: Cell) -> str:
        value = plain(cell)
        if names and value in names:
            return names[value]
        if re.fullmatch(r"[0-9]{9}000", value):
            value = value[:9]
        if not re.fullmatch(r"[0-9]{9}", value):
            raise CellRefused(Problem.NOT_KNOWN if names else Problem.TOWN_SHAPE)
        if names and value not in names.values():
            raise CellRefused(Problem.NOT_KNOWN)
        return value

    return read


def district(cell: Cell) -> str:
    """A district's code of 6 digits."""
    value = plain(cell)
    if not re.fullmatch(r"[0-9]{6}", value):
        raise CellRefused(Problem.DISTRICT_SHAPE)
    return value


def one_of(names: Mapping[str, str]) -> Callable[[Cell], str]:
    """Reads a code or one of its names (`names`: name -> code)."""
    codes = {code.upper(): code for code in names.values()}

    def read(cell: Cell) -> str:
        value = plain(cell)
        found = names.get(value) or codes.get(value.upper())
        if found is None:
            raise CellRefused(Problem.NOT_KNOWN)
        return found

    return read


def known_code(known: Collection[str] | None) -> Callable[[Cell], str]:
    """Reads a code; with `known` no other."""

    def read(cell: Cell) -> str:
        value = code(cell)
        if known is not None and value not in known:
            raise CellRefused(Problem.NOT_KNOWN)
        return value

    return read


def day(cell: Cell) -> date:
    """A date in the ways it is written in China. A bare serial number of a spreadsheet is no date."""
    value = plain(cell)
    match = next(filter(None, (shape.fullmatch(value) for shape in _DATES)), None)
    if match is None:
        raise CellRefused(Problem.DATE_SHAPE)
    year, month, number = int(match[1]), int(match[3]), int(match[4])
    try:
        found = date(year, month, number)
    except ValueError as error:
        raise CellRefused(Problem.NO_SUCH_DATE) from error
    if not 1900 <= year < 2200:
        raise CellRefused(Problem.DATE_TOO_FAR)
    return found


def last_day(cell: Cell) -> date | None:
    """A date, or none: until further notice."""
    return None if plain(cell) in _OPEN_ENDED else day(cell)


def amount(cell: Cell) -> int:
    """Yuan as written -> fen, > 0. Nothing is rounded."""
    value = plain(cell).removeprefix("¥").removesuffix("元").strip()
    if cell.kind == "number" and "e" in value:
        raise CellRefused(Problem.AMOUNT_DECIMALS if "e-" in value else Problem.AMOUNT_TOO_LARGE)
    match = _AMOUNT.fullmatch(value)
    if match is None:
        raise CellRefused(Problem.AMOUNT_SHAPE)
    sign, yuan, decimals = match[1], match[2].replace(",", ""), (match[3] or "").rstrip("0")
    if len(decimals) > 2:
        raise CellRefused(Problem.AMOUNT_DECIMALS)
    fen = int(yuan) * 100 + int(decimals.ljust(2, "0"))
    if sign or fen == 0:
        raise CellRefused(Problem.AMOUNT_NOT_POSITIVE)
    if fen > MAX_FEN:
        raise CellRefused(Problem.AMOUNT_TOO_LARGE)
    return fen


def degrees(limit: int, beyond: Problem) -> Callable[[Cell], float]:
    """Reads a WGS84 coordinate between -limit and limit; 0 where none is given."""

    def read(cell: Cell) -> float:
        value = plain(cell)
        if value and not _DEGREES.fullmatch(value):
            raise CellRefused(Problem.DEGREES_SHAPE)
        found = float(value or 0)
        if abs(found) > limit:
            raise CellRefused(beyond)
        return found

    return read


def level(cell: Cell) -> int:
    """1 to 3, also as 一级, 二级, 三级."""
    try:
        return _LEVELS[plain(cell)]
    except KeyError as error:
        raise CellRefused(Problem.LEVEL_SHAPE) from error

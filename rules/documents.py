"""TOML files as tables that know their line, and dated values without gaps or overlaps."""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from rules.entries import Dated
from rules.errors import RulebookError

_HEADER = re.compile(r"\s*\[{1,2}\s*([A-Za-z0-9_-]+)\s*\]{1,2}")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_POSITION = re.compile(r"\(at line (\d+), column \d+\)")
_PATH = re.compile(r"at `\$\.(\w+)")
_FIELD = re.compile(r"field `(\w+)`")

Entry = TypeVar("Entry", bound=msgspec.Struct)
Value = TypeVar("Value", bound=Dated)


class Table(msgspec.Struct, frozen=True):
    """One `[name]` or `[[name]]` of a file."""

    file: str
    name: str
    line: int
    keys: dict[str, int]
    """Line of each key."""
    values: dict[str, Any]

    def error(self, sentence: str, key: str = "") -> RulebookError:
        """The error to raise about this table, at the line of `key` where it has one."""
        return RulebookError(self.file, self.keys.get(key, self.line), f"[{self.name}] {sentence}")


def text_of(file: str, content: bytes) -> str:
    """The text of a file: UTF-8, a byte order mark and CRLF tolerated because spreadsheet programs write them."""
    if (place := content.find(b"\0")) >= 0:
        raise RulebookError(file, content[:place].count(b"\n") + 1, "holds a zero byte: save it as UTF-8 text")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RulebookError(file, content[: error.start].count(b"\n") + 1, "is not UTF-8: save it as UTF-8") from error


def read_tables(file: str, content: bytes) -> list[Table]:
    """The tables of a TOML file, in the order of the file within each name."""
    text = text_of(file, content)
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        position = _POSITION.search(str(error))
        raise RulebookError(file, int(position[1]) if position else 0, f"is not TOML: {error}") from error
    except RecursionError as error:
        raise RulebookError(file, 0, "is nested too deeply: a list of inline tables is enough") from error
    places = _places(text)
    tables = []
    for name, body in document.items():
        bodies = body if isinstance(body, list) else [body]
        found = places.get(name, [])
        if not bodies or not all(isinstance(each, dict) for each in bodies):
            raise RulebookError(
                file, _first_line(text, name), f"`{name}` stands outside of any table: put it under [[subject]]"
            )
        if len(found) != len(bodies):
            line = found[0][0] if found else _first_line(text, name)
            raise RulebookError(
                file, line, f"write every `{name}` under a line of its own, [[{name}]], without quotes, dots or braces"
            )
        for (line, keys), values in zip(found, bodies, strict=True):
            tables.append(Table(file, name, line, keys, values))
    return tables


def _first_line(text: str, name: str) -> int:
    return next((number for number, line in enumerate(text.split("\n"), 1) if name in line), 0)


def _places(text: str) -> dict[str, list[tuple[int, dict[str, int]]]]:
    """Line of each table and of its keys: tomllib does not tell, and an error without a line is no help."""
    keys: dict[str, int] = {}
    places: dict[str, list[tuple[int, dict[str, int]]]] = {"": [(0, keys)]}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            keys = {}
            places.setdefault(header[1], []).append((number, keys))
        elif key := _KEY.match(line):
            keys.setdefault(key[1], number)
    return places


def entry_of(table: Table, kind: type[Entry]) -> Entry:
    """The table as a record; unknown, missing and mistyped keys are errors."""
    try:
        # Without `builtin_types`, text such as "2020-01-01" would pass for a day.
        return msgspec.convert(table.values, kind, builtin_types=(date,))
    except msgspec.ValidationError as error:
        sentence = str(error)
        found = _PATH.search(sentence) or _FIELD.search(sentence)
        if "got `float`" in sentence:
            sentence += ": write the number as text in quotes, so that it stays exact"
        elif sentence.startswith("Expected `date"):
            sentence += ": write the day without quotes and time, such as 2020-12-31"
        elif r"matching regex '\\S'" in sentence:
            sentence += ": it must not be empty"
        raise table.error(sentence, found[1] if found else "") from error


class Timeline(Generic[Value]):
    """The values of one subject by the day they start."""

    __slots__ = ("_starts", "_values")

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = tuple(values)
        self._starts = [value.starts for value in values]

    def on(self, day: date) -> Value | None:
        """The value in force on a day."""
        index = bisect_right(self._starts, day) - 1
        if index < 0:
            return None
        value = self._values[index]
        return None if value.ends is not None and value.ends < day else value

    def turns(self) -> Iterable[date]:
        """The days on which something changes."""
        for value in self._values:
            yield value.starts
            if value.ends is not None and value.ends < date.max:
                yield value.ends + timedelta(days=1)


def timeline(dated: Iterable[tuple[Table, Value]], what: str) -> Timeline[Value]:
    """Orders the values of one subject by their start and refuses gaps and overlaps.

    A value holds until the day before the next one starts; an `ends` that says otherwise is an error. Two values
    with the same start are an overlap unless one was published later: then it corrects the other.
    """
    ordered = sorted(dated, key=lambda each: (each[1].starts, each[1].published or each[1].starts))
    kept: list[tuple[Table, Value]] = []
    for table, value in ordered:
        if value.ends is not None and value.ends < value.starts:
            raise table.error(f"{what}: ends on {value.ends}, before it starts on {value.starts}", "ends")
        if kept:
            before = kept[-1][1]
            if before.starts == value.starts:
                if (before.published or before.starts) == (value.published or value.starts):
                    raise table.error(f"{what}: overlap, two values start on {value.starts}", "starts")
                # The one published later replaces the other.
                kept.pop()
            elif before.ends is not None and before.ends >= value.starts:
                raise table.error(
                    f"{what}: overlap, starts on {value.starts} but the value before ends on {before.ends}", "starts"
                )
            elif before.ends is not None and before.ends < value.starts - timedelta(days=1):
                raise table.error(
                    f"{what}: gap, starts on {value.starts} but the value before ends on {before.ends}", "starts"
                )
        kept.append((table, value))
    return Timeline([value for _, value in kept])

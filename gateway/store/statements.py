"""SQL in files: one file per verb, its statements in running order, each under a `-- :name` heading, arguments by name.

A statement is prepared by asyncpg with `$1, $2, …`; the files say `:account_id`, and this module puts the two
together. A test prepares every statement against the real schema.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_HEADING = re.compile(r"^-- :name (?P<name>\w+)\s*$", re.MULTILINE)
_ARGUMENT = re.compile(r"'(?:[^']|'')*'|(?<![:\w]):(?P<name>[a-z_]\w*)")
"""A text in quotes, which is left alone, or an argument."""
_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as PostgreSQL takes it, and the names of its arguments in the order of `$1, $2, …`."""

    name: str
    sql: str
    arguments: tuple[str, ...]

    def bind(self, **values: object) -> tuple[object, ...]:
        """The values in the order the statement wants them; a missing or surplus name is a TypeError."""
        if values.keys() != set(self.arguments):
            raise TypeError(f"{self.name} takes {sorted(self.arguments)}, was given {sorted(values)}")
        return tuple(values[name] for name in self.arguments)


@cache
def load(verb: str) -> dict[str, Statement]:
    """The statements of `sql/<verb>.sql`, by name."""
    text = files("gateway.store").joinpath("sql", f"{verb}.sql").read_text(encoding="utf-8")
    parts = _HEADING.split(text)
    return {name: _parse(name, body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _parse(name: str, body: str) -> Statement:
    arguments: list[str] = []

    def place(match: re.Match[str]) -> str:
        argument = match["name"]
        if argument is None:
            return match[0]
        if argument not in arguments:
            arguments.append(argument)
        return f"${arguments.index(argument) + 1}"

    sql = _ARGUMENT.sub(place, _COMMENT.sub("", body)).strip().rstrip(";")
    return Statement(name, sql, tuple(arguments))

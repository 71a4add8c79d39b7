"""Reads worked cases and the books they are computed by."""

import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import rules
from rules import money

HERE = Path(__file__).parent
CASES = HERE / "cases"

_HELD = re.compile(r"(\w+) from (\S+)(?: to (\S+))?(?: in (\d{6}))?")
_LINE = re.compile(r"(\S+)(?: x([\d.]+))? (\S+)")


@cache
def books(name: str, known_on: date | None = None) -> rules.Rulebooks:
    """The shipped books, or a set of tests/rules/books."""
    folder = rules.SHIPPED if name == "shipped" else HERE / "books" / name
    return rules.load_rulebooks(rules.read_folder(folder), known_on=known_on)


def cases() -> list[tuple[str, dict[str, Any]]]:
    """(file: name, case) of every worked case."""
    found = []
    for file in sorted(CASES.glob("*.toml")):
        found += [(f"{file.stem}: {case['name']}", case) for case in tomllib.loads(file.read_text())["case"]]
    return found


def situation(case: dict[str, Any]) -> rules.Situation:
    """The input of a case; lines are called L1, L2, …"""
    return rules.Situation(
        day=case["day"],
        visit_type=case["visit_type"],
        visit="XH01/1",
        clinic=case.get("clinic", "XH01"),
        lines=tuple(_line(index, text) for index, text in enumerate(case["lines"], 1)),
        prior=tuple(rules.Prior(*amounts) for amounts in map(_amount, case.get("prior", ()))),
        entitlements=tuple(_entitlement(text) for text in case["held"]),
        used=dict(_amount(text) for text in case.get("used", ())),
        admitted=case.get("admitted"),
        discharged=case.get("discharged"),
    )


def case_books(case: dict[str, Any]) -> rules.Rulebooks:
    """The books of a case."""
    return books(case.get("books", "shipped"), case.get("known_on"))


def _line(index: int, text: str) -> rules.Line:
    match = _LINE.fullmatch(text)
    assert match, text
    return rules.Line(f"L{index}", match[1], money.fen(match[3]), money.decimal(match[2] or "1", 3))


def _amount(text: str) -> tuple[str, int]:
    name, _, amount = text.rpartition(" ")
    return name, money.fen(amount)


def _entitlement(text: str) -> rules.Entitlement:
    match = _HELD.fullmatch(text)
    assert match, text
    ends = date.fromisoformat(match[3]) if match[3] else None
    return rules.Entitlement(match[1], date.fromisoformat(match[2]), ends, match[4] or "")

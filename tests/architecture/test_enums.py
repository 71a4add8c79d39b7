"""Closed lists that stand in Python and in the schema are the same lists."""

import re
from enum import StrEnum
from typing import get_args, get_type_hints

import pytest

from gateway.domain.claim import Card
from gateway.domain.operation import Content, Freeze, Kind, Unfreeze, Verdict
from tests.architecture.sources import ROOT

SCHEMA = re.sub(r"--[^\n]*", "", (ROOT / "gateway/store/schema.sql").read_text())


def words(pattern: str) -> list[str]:
    """The quoted words of the one place in the schema that matches."""
    found = re.findall(pattern, SCHEMA, re.DOTALL)
    assert len(found) == 1, f"{pattern} is there {len(found)} times"
    return re.findall(r"'([^']*)'", found[0])


@pytest.mark.parametrize(("name", "enum"), [("operation_kind", Kind), ("verdict", Verdict)])
def test_enums(name: str, enum: type[StrEnum]) -> None:
    assert words(rf"CREATE TYPE {name} AS ENUM \((.*?)\);") == [member.value for member in enum]


def test_kinds_of_cards() -> None:
    assert set(words(r"CONSTRAINT card_kind CHECK \((.*?)\)\n")) == set(get_args(get_type_hints(Card)["kind"]))


def test_effects() -> None:
    """What the decision names is what the database can do."""
    applied = set(re.findall(r"WHEN '(\w+)' THEN", SCHEMA))
    code = "\n".join(path.read_text() for path in (ROOT / "gateway/domain").glob("*.py"))
    assert set(re.findall(r'"effect": "(\w+)"', code)) == applied


def test_every_content_has_its_kind() -> None:
    """A replacement's content is a claim's; a tombstone has none."""
    assert len(get_args(Content)) == len(Kind) - 2


def test_freezes_end_what_they_begin() -> None:
    assert get_type_hints(Freeze)["subject"] == get_type_hints(Unfreeze)["subject"]

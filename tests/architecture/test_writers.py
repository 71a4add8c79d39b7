"""Everything that moves an account goes through its operations: no other SQL writes what only they may write."""

import re

import pytest

from gateway.store.statements import load
from tests.architecture.sources import ROOT, name_of, product_files, tree_of
from tests.architecture.test_sql import strings

STORE = ROOT / "gateway/store"
PIPELINE = {"post_round_v1", "apply_effect_v1"}
"""The only functions that write for operations; a version more is added here with its migration."""

OF_OPERATIONS = (
    "operation", "posting", "movement", "activity", "alert", "prior_settlement", "entitlement", "stay", "shortfall",
)  # fmt: skip
WRITES = re.compile(
    rf"""
      INSERT \s+ INTO \s+ (?P<inserted> {"|".join(OF_OPERATIONS)}) \b
    | UPDATE \s+ (?:ONLY \s+)? (?P<updated> {"|".join(OF_OPERATIONS)}) \b
    | UPDATE \s+ account \b (?:(?!\bWHERE\b)[^;])*? \b (?P<moved> version|frozen_until|frozen_reason) \s* =
    | UPDATE \s+ card \b (?:(?!\bWHERE\b)[^;])*? \b (?P<frozen> frozen_until|frozen_reason) \s* =
    | DELETE \s+ FROM \s+ (?P<deleted> \w+)
    | MERGE \s+ INTO \s+ (?P<merged> \w+)
    | TRUNCATE \s+ (?P<emptied> \w+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
ACKNOWLEDGED = "UPDATE alert SET acknowledged_at"
"""Whoever looked at an alert is noted on it; that moves nothing."""


def writes(sql: str) -> list[str]:
    """The writes in a statement that belong to operations."""
    sql = re.sub(r"--[^\n]*", "", sql)
    return [match[0] for match in WRITES.finditer(sql) if not sql[match.start() :].startswith(ACKNOWLEDGED)]


def functions() -> dict[str, str]:
    """The schema's functions, by name."""
    found = re.findall(
        r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(.*?\$\$(.*?)\$\$;", (STORE / "schema.sql").read_text(), re.DOTALL
    )
    return dict(found)


def statements() -> dict[str, str]:
    """Every statement of every file, by file and name."""
    return {
        f"{path.stem}.{name}": statement.sql
        for path in sorted((STORE / "sql").glob("*.sql"))
        for name, statement in load(path.stem).items()
    }


def test_only_the_pipeline_writes_what_belongs_to_operations() -> None:
    found = {name for name, body in functions().items() if writes(body)}
    assert found == PIPELINE


@pytest.mark.parametrize("name", statements())
def test_no_statement_writes_past_the_pipeline(name: str) -> None:
    assert not writes(statements()[name])


def test_only_one_statement_calls_the_pipeline() -> None:
    callers = [name for name, sql in statements().items() if any(function in sql for function in PIPELINE)]
    assert callers == ["round.post"]
    bodies = functions()
    assert [name for name in bodies if "apply_effect_v1" in bodies[name]] == ["post_round_v1"]


def test_no_code_writes_past_the_pipeline() -> None:
    """SQL that is put together in Python."""
    found = [
        f"{name_of(path)}:{line}"
        for path in product_files()
        if name_of(path).startswith("gateway/")
        for line, text in strings(tree_of(path))
        if writes(text)
    ]
    assert not found


def test_there_are_no_triggers() -> None:
    """What is written can be read where it is written."""
    assert not re.search(r"CREATE (CONSTRAINT )?TRIGGER|CREATE RULE", (STORE / "schema.sql").read_text(), re.IGNORECASE)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO movement (account_id) SELECT 1",
        "update account set subject = 'stub', version = version + 1",
        "UPDATE account AS a\n   SET version = 1",
        "UPDATE posting SET amount = 0",
        "DELETE FROM operation",
        "UPDATE card SET frozen_until = NULL",
    ],
)
def test_a_write_is_recognised(sql: str) -> None:
    assert writes(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE account SET subject = 'resident' WHERE version = 3",
        "UPDATE alert SET acknowledged_at = now()",
        "UPDATE card SET account_id = 5",
        "SELECT 1 FROM operation FOR UPDATE",
        "INSERT INTO account (account_id) VALUES (1)",
        "-- UPDATE posting SET amount = 0\nSELECT 1",
    ],
)
def test_what_is_no_such_write_is_left_alone(sql: str) -> None:
    assert not writes(sql)

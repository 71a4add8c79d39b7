"""SQL lives with what knows the database: gateway/store for PostgreSQL, the agent's journal for SQLite."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import name_of, product_files, tree_of

# The load tests fill and watch databases of their own, past the pipeline, and say so.
KNOWS_A_DATABASE = ("gateway/store/", "clinic_agent/journal", "loadtest/")

STATEMENT = re.compile(
    r"""\s*(
        SELECT\s[^;]*?\sFROM\s | SELECT\s+\w+\s*\( | INSERT\s+INTO\s | UPDATE\s+\w+\s+SET\s | DELETE\s+FROM\s
      | WITH\s+\w+\s+AS\s*\( | (CREATE|ALTER|DROP)\s+(TABLE|INDEX|ROLE|USER|DATABASE|SCHEMA|FUNCTION|VIEW)\s
      | (GRANT|REVOKE)\s+\w+.*\s(TO|FROM|ON)\s | TRUNCATE\s+\w+ | (UN)?LISTEN\s+\w+ | NOTIFY\s+\w+
      | (BEGIN|COMMIT|ROLLBACK)\s*(;|$) | SET\s+(LOCAL\s+)?\w+\s*(=|TO)\s
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def strings(tree: ast.Module) -> list[tuple[int, str]]:
    """Every string of the code with its line, without docstrings; the gaps of a formatted string are names."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "gap" for part in node.values)
            found.append((node.lineno, text))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare | parts:
            found.append((node.lineno, node.value))
    return found


def looks_like_sql(text: str) -> bool:
    """Keywords are written in capitals or in small letters; a sentence begins with one capital."""
    keyword = text.split(maxsplit=1)[0] if text.strip() else ""
    return (keyword.isupper() or keyword.islower()) and STATEMENT.match(text) is not None


@pytest.mark.parametrize(
    "path", [path for path in product_files() if not name_of(path).startswith(KNOWS_A_DATABASE)], ids=name_of
)
def test_no_sql_elsewhere(path: Path) -> None:
    found = [f"{name_of(path)}:{line}: {text[:60]!r}" for line, text in strings(tree_of(path)) if looks_like_sql(text)]
    assert not found, "move the statement to gateway/store/sql: " + "; ".join(found)


@pytest.mark.parametrize(
    ("code", "is_sql"),
    [
        ("x = 'SELECT 1 FROM claim'", True),
        ("x = 'select id\\n from claim where id = $1'", True),
        ("x = 'SELECT post_v1($1)'", True),
        ("x = f'INSERT INTO {table} VALUES ($1)'", True),
        ("x = f'update {table} set a = 1'", True),
        ("x = '  WITH due AS (SELECT 1)'", True),
        ("x = 'begin;'", True),
        ("x = 'set search_path to aid'", True),
        ("x = 'COMMIT'", True),
        ("'SELECT 1 FROM claim'", False),
        ("x = 'Select a clinic from the list'", False),
        ("x = 'Update the card reader'", False),
        ("x = 'begin with the card'", False),
        ("x = 'The SELECT happens FROM there'", False),
    ],
)
def test_sql_is_recognised(code: str, is_sql: bool) -> None:
    assert any(looks_like_sql(text) for _, text in strings(ast.parse(code))) is is_sql

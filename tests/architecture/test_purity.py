"""Rules and decisions are functions of their arguments: recomputed years later they give the same fen."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import name_of, product_files, tree_of

PURE = ("rules/", "gateway/domain/")
# The files of rules/ that read books and spreadsheets for the others.
READERS = ("rules/folder.py", "rules/sheets.py")

CLOCK = {
    "now",
    "today",
    "utcnow",
    "time",
    "time_ns",
    "monotonic",
    "perf_counter",
    "localtime",
    "uuid1",
    "uuid4",
    "uuid7",
}
OUTSIDE = {
    "environ",
    "getenv",
    "urandom",
    "open",
    "input",
    "print",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
}


def impurities(tree: ast.Module) -> list[str]:
    """Calls and attributes by which the outside gets in. A method of our own must not be called like one of them."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in CLOCK | OUTSIDE:
                found.append(f"line {node.lineno}: {name}")
        elif isinstance(node, ast.Attribute) and node.attr == "environ":
            found.append(f"line {node.lineno}: environ")
    return found


def pure_files() -> list[Path]:
    return [path for path in product_files() if name_of(path).startswith(PURE) and name_of(path) not in READERS]


@pytest.mark.parametrize("path", pure_files(), ids=name_of)
def test_pure_code_asks_nobody(path: Path) -> None:
    assert not impurities(tree_of(path))


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("datetime.now(UTC)", 1),
        ("date.today()", 1),
        ("time.time()", 1),
        ("open('x')", 1),
        ("Path('x').read_bytes()", 1),
        ("os.environ['X']", 1),
        ("now = at.time", 0),
        ("def decide(now): return now + 1", 0),
    ],
)
def test_impurities_are_found(code: str, count: int) -> None:
    assert len(impurities(ast.parse(code))) == count

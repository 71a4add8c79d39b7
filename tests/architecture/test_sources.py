"""What every file of the project keeps to, and two ratchets against growth."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, files, name_of, python_files, tree_of

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Files and functions that were longer when measured, with that size. An entry only ever shrinks or goes.
LONGER_FILES: dict[str, int] = {}
LONGER_FUNCTIONS: dict[str, int] = {}

# Spelt in pieces so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npmjs" + ".org", "npmjs" + ".com", "proxy.golang" + ".org"]
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.$}])/(home|Users|root|work|workspace)/[\w.]|\b[A-Z]:\\Users\\")


def text_of(path: Path) -> str:
    """The file's text; empty for binary files."""
    content = path.read_bytes()
    return "" if b"\0" in content[:8000] else content.decode("utf-8")


def functions(path: Path) -> dict[str, int]:
    """Name -> length in lines of every function of a file."""
    return {
        f"{name_of(path)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def beyond(sizes: dict[str, int], limit: int, listed: dict[str, int]) -> list[str]:
    """What is too long, or is listed with a size that it no longer has."""
    grown = [
        f"{name}: {size} lines, at most {listed.get(name, limit)}"
        for name, size in sizes.items()
        if size > listed.get(name, limit)
    ]
    stale = [
        f"{name}: listed with {size}, has {sizes.get(name, 0)}"
        for name, size in listed.items()
        if sizes.get(name, 0) < size
    ]
    return grown + stale


@pytest.mark.parametrize("path", python_files(), ids=name_of)
def test_nothing_is_left_unfinished(path: Path) -> None:
    assert not UNFINISHED.search(path.read_text())


@pytest.mark.parametrize("path", list(files()), ids=name_of)
def test_no_file_knows_where_it_was_written(path: Path) -> None:
    text = text_of(path)
    assert not [registry for registry in REGISTRIES if registry in text]
    assert not SOMEBODYS_MACHINE.search(text)
    assert str(ROOT) + "/" not in text


def test_files_stay_short() -> None:
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in python_files()}
    assert not beyond(sizes, LONGEST_FILE, LONGER_FILES)


def test_functions_stay_short() -> None:
    sizes: dict[str, int] = {}
    for path in python_files():
        sizes |= functions(path)
    assert not beyond(sizes, LONGEST_FUNCTION, LONGER_FUNCTIONS)


def test_ratchet_turns_one_way() -> None:
    assert beyond({"a": 61}, 60, {}) == ["a: 61 lines, at most 60"]
    assert beyond({"a": 70}, 60, {"a": 70}) == []
    assert beyond({"a": 71}, 60, {"a": 70}) == ["a: 71 lines, at most 70"]
    assert beyond({"a": 65}, 60, {"a": 70}) == ["a: listed with 70, has 65"]

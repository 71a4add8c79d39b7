"""Locks pin every package by hash and name no place to fetch it from: that is the installer's own choice."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PINNED = re.compile(r"[a-z0-9][a-z0-9-]*==[^ ]+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def versions(name: str) -> dict[str, str]:
    """Package -> version, of one lock."""
    lines = (ROOT / "locks" / f"{name}.txt").read_text().splitlines()
    pins = (line.split(" ")[0].split("==") for line in lines if PINNED.fullmatch(line))
    return dict(pins)


def test_all_locks_are_there() -> None:
    assert [path.stem for path in LOCKS] == ["agent", "build", "dev", "runtime"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_lock_has_pins_and_hashes_only(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    strange = [line for line in lines if not PINNED.fullmatch(line) and not HASH.fullmatch(line)]
    assert not strange
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if PINNED.fullmatch(line):
            assert HASH.fullmatch(following), f"{line} has no hash"
    assert "://" not in path.read_text()


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_what_is_deployed_is_what_was_tested(name: str) -> None:
    assert versions(name).items() <= versions("dev").items()


def test_locks_hold_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {
        "runtime": [*project["dependencies"], *extras["embedded"], *extras["sheets"]],
        "agent": [*project["dependencies"], *extras["agent"]],
    }
    for lock, requirements in wanted.items():
        names = {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements}
        assert names <= versions(lock).keys(), f"run `make lock`: {lock}.txt lacks {names - versions(lock).keys()}"

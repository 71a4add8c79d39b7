"""Sets of rulebooks at the command line."""

import shutil
from pathlib import Path

import pytest

from gateway.cli.exits import Exit
from rules import SHIPPED, shipped
from tests.gateway.cli.runner import Cli


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A copy of the shipped set, to be changed."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "books"))


def test_check(cli: Cli, books: Path) -> None:
    assert cli.json("rulebook", "check", str(books))["digest"] == shipped().digest


def test_check_finds_what_is_wrong(cli: Cli, books: Path) -> None:
    path = books / "shanghai_medical_aid" / "rates.toml"
    path.write_text(path.read_text().replace("value = 90", "value = 190"))
    cli("rulebook", "check", str(books), code=Exit.NO)
    assert "shanghai_medical_aid/rates.toml" in cli.error
    cli("rulebook", "activate", str(books), code=Exit.USAGE)


def test_show(cli: Cli) -> None:
    assert "xuhui_top_up/numbers.toml" in cli("rulebook", "show")
    assert cli("rulebook", "show", "--file", "payers/payers.toml") == (SHIPPED / "payers/payers.toml").read_text()
    cli("rulebook", "show", "--file", "no/such.toml", code=Exit.USAGE)


def test_on_a_day(cli: Cli) -> None:
    found = {
        (each["scheme"], each["category"], each["visit_type"]): each
        for each in cli.json("rulebook", "on", "2026-11-01")
    }
    dibao = found["shanghai_medical_aid", "DIBAO", "inpatient"]
    assert (dibao["rate"], dibao["ceiling"], dibao["status"]) == ("90%", "130,000.00 a year", "press")
    cli("rulebook", "on", "1990-01-01", code=Exit.NO)


def test_activate(cli: Cli, books: Path) -> None:
    path = books / "shanghai_medical_aid" / "rates.toml"
    path.write_text(path.read_text() + "\n# another digest\n")
    assert "In force now" in cli("rulebook", "activate", str(books), "--as", "wang")
    assert "In force already" in cli("rulebook", "activate", str(books))
    newest, *_ = cli.json("rulebook", "history")
    assert newest["activated_by"] == "wang"
    assert "In force now" in cli("rulebook", "activate")
    assert shipped().digest in cli("rulebook", "show")

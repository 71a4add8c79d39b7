"""One installation for all tests of the command line: a home with an embedded database, a clinic and two terminals."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import embedded
from tests.gateway.cli.runner import Cli

CLINICS = ("机构代码,机构名称,街镇,级别", "C01,First,310104003,1", "C02,Second,310104014,1")


@pytest.fixture(scope="session")
def cli() -> Iterator[Cli]:
    folder = Path(tempfile.mkdtemp(prefix="ag-", dir="/tmp"))
    folder.chmod(0o711)
    cli = Cli(folder)
    cli("migrate")
    cli("import", "clinics", cli.file("clinics.csv", *CLINICS))
    for terminal, clinic in (("T1", "C01"), ("T2", "C02")):
        key = cli.json("terminal", "key")["public"]
        cli("terminal", "add", terminal, "--clinic", clinic, "--key", key)
    yield cli
    embedded.stop(folder / "postgresql")
    shutil.rmtree(folder)


@pytest.fixture
def empty_home(tmp_path: Path) -> Cli:
    """Commands on a folder in which nothing was set up."""
    return Cli(tmp_path)

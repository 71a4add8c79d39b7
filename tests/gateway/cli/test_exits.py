"""Every exit code is documented, and means what is documented."""

import socket
import subprocess
import sys

import pytest

from gateway.cli.exits import MEANINGS, Exit
from tests.architecture.sources import ROOT
from tests.gateway.cli.runner import Cli


@pytest.mark.parametrize("code", Exit, ids=lambda code: code.name)
def test_documented(code: Exit) -> None:
    assert f"| {code.value} | {MEANINGS[code]} |" in (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")


def test_done(cli: Cli) -> None:
    assert "3." in cli("version")


def test_the_answer_is_no(cli: Cli) -> None:
    cli("alerts", "acknowledge", "01a20611-3a8a-7517-bbd6-96c404dc47e1", "C04", code=Exit.NO)
    assert "no open alert of counter C04" in cli.error


def test_unusable_command_line(cli: Cli) -> None:
    cli("no-such-command", code=Exit.USAGE)
    cli("alerts", "acknowledge", "no-id", "C04", code=Exit.USAGE)


def test_unusable_file(cli: Cli) -> None:
    cli("quote", cli.file("bad.json", '{"card": 1}'), "--terminal", "T1", code=Exit.USAGE)
    assert "is no claim" in cli.error
    cli("import", "cards", cli.file("bad.csv", "nothing", "of use"), code=Exit.USAGE)


def test_unreachable_database(cli: Cli) -> None:
    cli("alerts", "list", code=Exit.UNREACHABLE, env={"AIDGATE__DATABASE__DSN": "postgresql://x@127.0.0.1:1/x"})
    assert "aidgate doctor" in cli.error


def test_nothing_set_up(empty_home: Cli) -> None:
    empty_home("alerts", "list", code=Exit.SETUP)
    assert "aidgate migrate" in empty_home.error
    assert not list(empty_home.home.iterdir()), "a mistyped --home makes nothing"


def test_bad_configuration(empty_home: Cli) -> None:
    empty_home.file("aidgate.toml", "[server]", 'prot = "8470"')
    empty_home("config", "show", code=Exit.SETUP)
    assert "prot" in empty_home.error


def test_port_is_taken(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["--home", str(cli.home), "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == Exit.SETUP, done.stderr
    assert "Choose another with --port" in done.stderr
    assert "Traceback" not in done.stderr

"""Terminals and their keys."""

import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.cli.exits import Exit
from gateway.config import load_config
from tests.gateway.cli.runner import Cli


def test_the_halves_belong_together(cli: Cli) -> None:
    pair = cli.json("terminal", "key")
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(pair["private"]))
    assert base64.b64encode(private.public_key().public_bytes_raw()).decode() == pair["public"]


def test_private_half_into_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "key"
    printed = cli("terminal", "key", "--private-to", str(path))
    assert path.read_text().strip() not in printed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cli("terminal", "key", "--private-to", str(path), code=Exit.USAGE)


def test_added_terminal_stands_in_the_configuration(cli: Cli) -> None:
    public = cli.json("terminal", "key")["public"]
    path = cli.home / "aidgate.toml"
    path.write_text(path.read_text() + "# a remark of the operator\n")
    cli("terminal", "add", 'T"3', "--clinic", "C01", "--key", public, "--sandbox")
    assert load_config(cli.home, {}).terminal[-1].id == 'T"3'
    assert load_config(cli.home, {}).terminal[-1].sandbox
    assert "# a remark of the operator" in path.read_text()
    assert public in cli("terminal", "list")


@pytest.mark.parametrize("key", ["", "short", base64.b64encode(b"x" * 31).decode()])
def test_bad_key(cli: Cli, key: str) -> None:
    cli("terminal", "add", "T9", "--clinic", "C01", "--key", key, code=Exit.USAGE)
    assert "32 bytes in base64" in cli.error


def test_added_twice(cli: Cli) -> None:
    public = cli.json("terminal", "key")["public"]
    cli("terminal", "add", "T1", "--clinic", "C01", "--key", public, code=Exit.USAGE)


def test_unknown_clinic(cli: Cli) -> None:
    public = cli.json("terminal", "key")["public"]
    cli("terminal", "add", "T8", "--clinic", "C88", "--key", public, code=Exit.USAGE)
    assert "T8" not in [terminal.id for terminal in load_config(cli.home, {}).terminal]

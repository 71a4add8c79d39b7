"""The list of commands, and what surrounds each."""

import subprocess
import sys
from importlib import import_module

import click
import pytest

from gateway.cli.main import COMMANDS
from gateway.config import Config
from tests.architecture.sources import ROOT


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_the_command_says(name: str) -> None:
    place, summary = COMMANDS[name]
    module, _, attribute = place.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.help is not None
    assert command.help.splitlines()[0] == summary


@pytest.mark.parametrize("name", COMMANDS)
def test_documented(name: str) -> None:
    assert f"`aidgate {name}" in (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    config = Config()
    for section in config.__struct_fields__:
        value = getattr(config, section)
        for setting in getattr(value, "__struct_fields__", ()):
            assert f"| `{section}.{setting}` |" in text


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "terminal", "key"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("private  ")

"""The demo, as a newcomer runs it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.tables import COLUMNS, width
from gateway.store import embedded
from tests.architecture.sources import ROOT
from tests.gateway.cli.runner import Cli


def test_once(tmp_path: Path) -> None:
    """Also where the environment names the database of an installation in use: the demo never goes near it."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once"],
        cwd=ROOT,
        env={**os.environ, "AIDGATE__DATABASE__DSN": "postgresql://x@127.0.0.1:1/x", "TMPDIR": "/tmp"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every step came out as it must" in done.stdout
    assert "Idempotency-Replayed: true" in done.stdout
    assert max(map(width, done.stdout.splitlines())) <= COLUMNS
    assert not done.stderr


def test_leaves_installations_alone(cli: Cli) -> None:
    cli("demo", "--once", "--keep", str(cli.home), code=1)
    assert "is not empty" in cli.error


@pytest.mark.long
def test_stays_up_until_it_is_told_to_stop(tmp_path: Path) -> None:
    home = Path("/tmp") / f"ag-{os.getpid()}-{tmp_path.name[-4:]}"
    command = [sys.executable, "-m", "gateway", "demo", "--keep", str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            for line in demo.stdout:
                if "aidgate rulebook on" in line:
                    break
            kept = Cli(home)
            assert kept.json("doctor")
            made = kept.json("deduct", str(home / "claim.json"), "--terminal", "XH014-1")
            assert made["verdict"] == "approved"
        finally:
            demo.send_signal(signal.SIGINT)
        assert "Stopping" in demo.stdout.read()
        assert demo.wait() == 0
    assert embedded.status(home / "postgresql").state == "stopped"
    assert "approved" in kept("explain", made["id"])
    kept("database", "stop")
    shutil.rmtree(home)

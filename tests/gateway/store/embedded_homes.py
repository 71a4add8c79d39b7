"""Homes for embedded servers in tests: short paths, open enough that root's server may pass, gone afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from gateway.store.embedded import Server, status, stop

ROOT = Path(__file__).resolve().parents[3]
AS_ROOT = os.geteuid() == 0
SITE = Path(asyncpg.__file__).parents[1]
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@contextmanager
def new_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ag-", dir="/tmp"))
    folder.chmod(0o711)
    home = folder / "home"
    try:
        yield home
    finally:
        stop(home)
        shutil.rmtree(folder)


async def ask(server: Server, query: str) -> object:
    connection = await asyncpg.connect(server.dsn())
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def wait_until(holds: Callable[[], bool]) -> None:
    """Polls; a test that waits for what never comes ends after a minute."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def kill_supervisor(home: Path) -> None:
    pid = status(home).supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def logged(home: Path) -> str:
    return (home / "log" / "postgresql.log").read_text()


def program_for(before: tuple[str, ...]) -> str:
    """This Python, or the system's where another user cannot reach it (below root's own folder)."""
    tried = subprocess.run(
        [*before, "test", "-x", os.path.realpath(sys.executable)], capture_output=True, check=False
    )  # `test` runs as the other user and without the rights that setpriv itself still has
    return sys.executable if tried.returncode == 0 else "/usr/bin/python3"


def python(code: str, *words: str, before: tuple[str, ...] = (), **environment: str) -> "subprocess.Popen[str]":
    """A Python process of its own that runs `code` with this tree on its path, `before` in front of the command."""
    return subprocess.Popen(
        [*before, program_for(before), "-c", code, *words],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{SITE}", "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )


def output_of(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()

"""Homes for embedded servers in tests: short paths, open enough that root's server may pass, gone afterwards."""

import atexit
import functools
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

from gateway.store.embedded import Server, ensure_running, status, stop

ROOT = Path(__file__).resolve().parents[3]
AS_ROOT = os.geteuid() == 0
SITE = Path(asyncpg.__file__).parents[1]
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
ENSURE = """
import sys
from pathlib import Path
from gateway.store.embedded import ensure_running
print(ensure_running(Path(sys.argv[1])).pid)
"""


@contextmanager
def new_home() -> Iterator[Path]:
    """A home that does not exist yet; its server is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ag-", dir="/tmp"))
    folder.chmod(0o711)
    home = folder / "home"
    try:
        yield home
    finally:
        stop(home)
        shutil.rmtree(folder)


@contextmanager
def made_home() -> Iterator[Path]:
    """A home with a database that was never used: a copy, because making one takes a second."""
    with new_home() as home:
        subprocess.run(["cp", "-a", _made_once(), home], check=True)
        yield home


@functools.cache
def _made_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ag-", dir="/tmp"))
    folder.chmod(0o711)
    atexit.register(shutil.rmtree, folder)
    ensure_running(folder / "home")
    stop(folder / "home")
    shutil.rmtree(folder / "home" / "log")
    return folder / "home"


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


def start_by_hand(program: str, postgres: Path, *options: str) -> "subprocess.Popen[bytes]":
    """A server on the data of `postgres`, the folder of a home, that no supervisor knows of."""
    owner = postgres.stat()
    other = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if owner.st_uid != os.geteuid() else {}
    settings = ("listen_addresses=", f"unix_socket_directories={postgres / 'socket'}", *options)
    words = [word for setting in settings for word in ("-c", setting)]
    return subprocess.Popen([program, "-D", postgres / "data", *words], cwd="/", stderr=subprocess.DEVNULL, **other)

"""A PostgreSQL that needs nothing installed: start it, find it, stop it.

`ensure_running` attaches to the home's supervisor or starts one; any number of processes may do so at once. The server
outlives them all until `stop`. Everything here blocks; from asyncio, call it through `asyncio.to_thread`.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.store.embedded_home import (
    ASK_READY,
    ASK_STATUS,
    ASK_STOP,
    DATABASE,
    LINUX_ONLY,
    PORT,
    SUPERUSER,
    EmbeddedUnavailable,
    Home,
)

__all__ = ["EmbeddedUnavailable", "Server", "Status", "ensure_running", "status", "stop"]

READY_LIMIT_S = 300.0
FIRST_SENTENCE_S = 10.0
PROOF_LIMIT_S = 5.0
SILENT_ENDS_LIMIT = 5
_PACKAGES = Path(__file__).resolve().parents[2]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A server that takes connections over a unix socket, as its superuser."""

    host: str
    """Folder of the socket."""
    port: int
    user: str
    password: str
    database: str
    pid: int
    version: str

    def dsn(self) -> str:
        return (
            f"postgresql://{quote(self.user, safe='')}:{quote(self.password, safe='')}@/{quote(self.database, safe='')}"
            f"?host={quote(self.host, safe='')}&port={self.port}"
        )

    def connect_kwargs(self) -> dict[str, Any]:
        """Keyword arguments of `asyncpg.connect` and `asyncpg.create_pool`."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
        }

    def __repr__(self) -> str:
        return f"Server(host={self.host!r}, port={self.port}, user={self.user!r}, pid={self.pid})"


@dataclass(frozen=True)
class Status:
    """What a home's supervisor says of itself; `state` is "stopped" when there is none."""

    state: str
    """stopped, starting, ready, stopping, or silent: there is a supervisor but it does not answer."""
    supervisor_pid: int | None = None
    server_pid: int | None = None
    version: str = ""
    source: str = ""
    """Where the programs come from: the name of a wheel, or Debian."""
    restarts: int = 0
    """How often the server died and was started again under this supervisor."""
    last_error: str = ""


def ensure_running(home: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """The server of `home`, ready for connections; started, and its database made, if need be.

    `settings` are server settings (postgresql.conf names) for a server that has to be started; one that is running
    keeps its own, with a warning. Raises EmbeddedUnavailable with a sentence for the operator, also when the server is
    not ready after 300 s (it goes on starting: a recovery is never cut short).
    """
    place = _place(home)
    wanted = dict(settings or {})
    patience = _Patience(place)
    while True:
        answer = _ask(place, ASK_READY, patience) or _start(place, wanted, patience)
        match answer.get("state"):
            case "ready" if _takes_connections(place):
                return _server(place, answer, wanted)
            case "failed":
                raise EmbeddedUnavailable(str(answer["error"]))
        patience.nap()  # another process is starting or stopping one, or the server died this very moment


def stop(home: Path, *, timeout: float = 60.0) -> None:
    """Shuts server and supervisor down cleanly and returns when both are gone; nothing to do when there is none.

    `timeout` is in seconds. Raises EmbeddedUnavailable when they are still there after it; the shutdown goes on,
    because a server that writes its last checkpoint must not be interrupted.
    """
    place = _place(home)
    connection = _connect(place, timeout)
    if connection is None:
        return
    with connection:
        connection.sendall(ASK_STOP)
        try:
            while connection.recv(4096):
                pass
        except TimeoutError:
            raise EmbeddedUnavailable(
                f"PostgreSQL in {place.root} is still shutting down after {timeout:.0f} s. Wait and ask again; "
                f"{place.server_log} says what it does."
            ) from None
        except ConnectionError:
            pass


def status(home: Path) -> Status:
    """What is known of `home` right now; changes nothing."""
    place = _place(home)
    connection = _connect(place, 5.0)
    if connection is None:
        return Status("stopped")
    with connection:
        try:
            connection.sendall(ASK_STATUS)
            answer = _parse(connection.makefile("rb").readline())
        except TimeoutError:
            return Status("silent")
        except ConnectionError:
            return Status("stopped")
    return Status(**{name: answer[name] for name in Status.__dataclass_fields__ if name in answer})


class _Patience:
    """How long a caller still waits, and the sentence when it becomes long."""

    def __init__(self, place: Home) -> None:
        self._place = place
        self._end = time.monotonic() + READY_LIMIT_S
        self._sentence_due = time.monotonic() + FIRST_SENTENCE_S
        self._silent_ends = 0

    def until_readable(self, source: socket.socket | int) -> None:
        """Returns when there is something to read; raises EmbeddedUnavailable when the time is up."""
        ready = select.poll()  # not select(): a busy gateway has file descriptors beyond its 1023
        ready.register(source, select.POLLIN)
        while not ready.poll(500):
            self._check()

    def silent_end(self, said: str) -> dict[str, Any]:
        """A supervisor ended without an announcement: killed, so try again, unless it happens again and again."""
        self._silent_ends += 1
        if said or self._silent_ends == SILENT_ENDS_LIMIT:
            raise EmbeddedUnavailable(
                f"The supervisor of {self._place.root} ended before PostgreSQL was ready. {said.strip()[-2000:]} "
                f"See {self._place.log}."
            )
        return {}

    def nap(self) -> None:
        self._check()
        time.sleep(0.1)

    def _check(self) -> None:
        now = time.monotonic()
        if now >= self._end:
            raise EmbeddedUnavailable(
                f"PostgreSQL in {self._place.root} is not ready after {READY_LIMIT_S:.0f} s; it goes on starting. "
                f"{status(self._place.root).last_error} See {self._place.server_log}."
            )
        if now >= self._sentence_due:
            self._sentence_due = now + READY_LIMIT_S
            _log.warning(
                "PostgreSQL in %s is still starting (recovery after a crash can take minutes)", self._place.root
            )


def _place(home: Path) -> Home:
    if sys.platform != "linux":
        raise EmbeddedUnavailable(LINUX_ONLY)
    return Home(home.expanduser().resolve())


def _connect(place: Home, timeout: float | None) -> socket.socket | None:
    """A connection to the home's supervisor, or None when nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        if place.control.exists():  # a path that is too long exists only through its link, which makes it short
            connection.connect(str(place.control))
            return connection
    except (FileNotFoundError, ConnectionRefusedError):
        pass  # left by a supervisor that was killed, or gone since
    except PermissionError:
        connection.close()
        raise EmbeddedUnavailable(
            f"{place.root} belongs to another user. Run as the user who made it, or choose another home."
        ) from None
    connection.close()
    return None


def _ask(place: Home, question: bytes, patience: _Patience) -> dict[str, Any]:
    """The supervisor's answer; empty when there is none, or it ended before it answered."""
    connection = _connect(place, READY_LIMIT_S)
    if connection is None:
        return {}
    with connection:
        try:
            connection.sendall(question)
            patience.until_readable(connection)
            return _parse(connection.makefile("rb").readline())
        except ConnectionError:
            return {}


def _start(place: Home, settings: Mapping[str, str], patience: _Patience) -> dict[str, Any]:
    """Starts a supervisor and waits for its one announcement: ready, failed, or held by another one."""
    words = [f"--set={name}={value}" for name, value in settings.items()]
    # -P: the current folder must not decide which code runs.
    command = [sys.executable, "-P", "-m", "gateway.store.supervisor", "--detach", str(place.root), *words]
    starter = subprocess.Popen(  # noqa: S603 -- our own program, no shell
        command,
        bufsize=0,  # nothing may be read ahead: the next wait is a poll of the pipe itself
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        start_new_session=True,
    )
    said = b""
    with starter:
        assert starter.stdout is not None
        while True:
            patience.until_readable(starter.stdout.fileno())
            line = starter.stdout.readline()
            answer = _parse(line)
            if answer:
                return answer
            if not line:
                return patience.silent_end(said.decode(errors="replace"))
            said += line


def _takes_connections(place: Home) -> bool:
    """Whether the server asks a newcomer for the password.

    The supervisor alone cannot say: it may not know yet that the server was killed, and a server whose backend died
    turns everybody away for a while.
    """
    words = f"user\0{SUPERUSER}\0database\0{DATABASE}\0\0".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as newcomer:
        newcomer.settimeout(PROOF_LIMIT_S)
        try:
            newcomer.connect(str(place.socket_folder / f".s.PGSQL.{PORT}"))
            newcomer.sendall(struct.pack("!ii", 8 + len(words), 3 << 16) + words)
            return newcomer.recv(1) == b"R"
        except OSError:
            return False


def _environment() -> dict[str, str]:
    """Mine, with the place of this package on the path unless it is installed: in front, site-packages would hide the
    standard library."""
    if _PACKAGES.name.endswith("-packages"):
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))}


def _server(place: Home, answer: Mapping[str, Any], wanted: Mapping[str, str]) -> Server:
    running = answer["settings"]
    different = sorted(name for name, value in wanted.items() if running.get(name) != value)
    if different:
        _log.warning(
            "PostgreSQL in %s was started with other values of %s; stop it and start it again to apply yours",
            place.root,
            ", ".join(different),
        )
    try:
        password = place.password.read_text()
    except PermissionError:
        raise EmbeddedUnavailable(
            f"{place.password} belongs to another user. Run as the user who made it, or choose another home."
        ) from None
    return Server(
        host=str(answer["socket_folder"]),
        port=PORT,
        user=SUPERUSER,
        password=password,
        database=DATABASE,
        pid=int(answer["server_pid"]),
        version=str(answer["version"]),
    )


def _parse(line: bytes) -> dict[str, Any]:
    """A line of the supervisor's; empty when it is something else, as a traceback of the interpreter."""
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}

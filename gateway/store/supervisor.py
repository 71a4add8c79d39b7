"""The process that keeps one embedded PostgreSQL running: `python -m gateway.store.supervisor <home>`.

It is a process by itself so that gateways can come and go. It holds `<home>/lock` for life, starts the server as its
own child, restarts it when it dies, and answers over a unix socket whether the server is ready. When it is killed, the
kernel tells the server to shut down (PR_SET_PDEATHSIG); the next gateway that asks starts another supervisor.

Standard library only, and little of it: this is on the way of every first start.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.store.embedded_home import ASK_READY, ASK_STATUS, ASK_STOP, LINUX_ONLY, EmbeddedUnavailable, Home
from gateway.store.postgres_binaries import BinariesUnavailable
from gateway.store.postgres_cluster import Cluster, refuse_owned
from gateway.store.postgres_user import become, user_of

if sys.platform == "linux":
    import fcntl

HELD = "held"
FAILED = "failed"
STARTING = "starting"
READY = "ready"
STOPPING = "stopping"

# Read by hand: argparse would cost a tenth of a warm start.
_USAGE = "python -m gateway.store.supervisor [--detach] [--set=NAME=VALUE ...] HOME"
_SETTING = re.compile(r"--set=[A-Za-z0-9_.]+=")

_TICK_S = 0.005
_FIRST_START_TRIES = 5  # when something kills it; when it refuses by itself, once is enough
_LONGEST_BACKOFF_S = 5.0
_LOG_CHECK_S = 60.0
_LOG_LIMIT_BYTES = 20_000_000


class Supervisor:
    """One server and the sockets of those who ask about it. Runs in one thread, woken by signals and sockets."""

    def __init__(self, home: Home, settings: Mapping[str, str]) -> None:
        self.home = home
        self.cluster = Cluster(home, settings)
        self.stopping = False
        self.ready = False
        self.postmaster: subprocess.Popen[bytes] | None = None
        self.was_ready = False
        self.restarts = 0
        self.last_error = ""
        self._end_asked = False
        self._failures = 0
        self._next_start = 0.0
        self._started = time.monotonic()
        self._waiting: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()

    @property
    def state(self) -> str:
        if self.stopping:
            return STOPPING
        return READY if self.ready else STARTING

    def run(self) -> None:
        """Returns when it was asked to stop and the server is gone; raises EmbeddedUnavailable if none can start."""
        self.cluster.prepare()
        self._wake_on_signals()
        self._listen()
        try:
            self.cluster.initialise()
            self._started = time.monotonic()
            while self._advance():
                for key, _ in self._selector.select(self._pause()):
                    key.data(key.fileobj)
        finally:
            self.home.control.unlink(missing_ok=True)
            self.cluster.forget_sockets()

    # ---- the server

    def _advance(self) -> bool:
        """Does what is due, and says whether there is anything left to do."""
        if self.postmaster is not None and self.postmaster.poll() is not None:
            self._mourn(self.postmaster.returncode)
        if self.stopping:
            return self._end_server()
        if self.postmaster is None and time.monotonic() >= self._next_start:
            self.postmaster = self.cluster.start()
            if self.postmaster is None:
                there = ", ".join(map(str, self.cluster.processes())) or "not visible from here"
                self.last_error = f"Waiting for processes of another server on this data directory to end: {there}."
        elif self.postmaster is not None and not self.ready and self.cluster.is_ready(self.postmaster.pid):
            self._greet(self.postmaster.pid)
        return True

    def _greet(self, pid: int) -> None:
        self.ready, self.was_ready, self._failures, self.last_error = True, True, 0, ""
        log(f"server {pid} is ready after {time.monotonic() - self._started:.3f} s")
        announce(self.describe())
        for asker in tuple(self._waiting):
            self._answer(asker)

    def _mourn(self, exit_code: int) -> None:
        """The server is gone: by our wish, to be restarted, or without ever having been ready."""
        self.postmaster, self.ready = None, False
        if self.stopping:
            log(f"server has shut down, exit {exit_code}")
            return
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit {exit_code}"
        self.last_error = f"The server {how}. {self.cluster.last_words()}".strip()
        log(self.last_error)
        if not self.was_ready and (exit_code >= 0 or self._failures == _FIRST_START_TRIES):
            raise EmbeddedUnavailable(f"PostgreSQL did not start. {self.last_error} (log: {self.home.server_log})")
        # At once the first time; then ever slower, because what needs an operator (a full disk) lasts.
        wait = min(_LONGEST_BACKOFF_S, 0.1 * 2**self._failures) if self._failures else 0.0
        self._started = self._next_start = time.monotonic() + wait
        self._failures += 1
        self.restarts += 1

    def _stop(self) -> None:
        """Only notes the wish: a signal may bring it at any moment, also just before the server's process is known."""
        self.stopping = True

    def _end_server(self) -> bool:
        """Asks the server once to shut down, and says whether it is still there."""
        if self.postmaster is None:
            return False
        if not self._end_asked:
            self._end_asked = True
            log("stopping")
            self.postmaster.send_signal(signal.SIGINT)
        return True

    def _pause(self) -> float:
        if self.state == STARTING:
            return _TICK_S if time.monotonic() - self._started < 2 else 10 * _TICK_S
        self._keep_log_small()
        return _LOG_CHECK_S

    def _keep_log_small(self) -> None:
        """The server appends to one open file, so the old content is copied away and the file cut."""
        log_file = self.home.server_log
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            if log_file.stat().st_size > _LOG_LIMIT_BYTES:
                shutil.copyfile(log_file, log_file.with_suffix(".log.1"))
                os.truncate(log_file, 0)

    # ---- those who ask

    def describe(self) -> dict[str, object]:
        """The answer to every question, as JSON."""
        return {
            "state": self.state,
            "supervisor_pid": os.getpid(),
            "server_pid": self.postmaster.pid if self.postmaster else None,
            "version": self.cluster.binaries.version,
            "source": self.cluster.binaries.source,
            "socket_folder": str(self.cluster.socket_folder),
            "settings": self.cluster.settings,
            "restarts": self.restarts,
            "last_error": self.last_error,
        }

    def _listen(self) -> None:
        self.home.control.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.home.control))
        listener.listen(128)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._welcome)

    def _wake_on_signals(self) -> None:
        awake, alarm = socket.socketpair()
        awake.setblocking(False)
        alarm.setblocking(False)
        self._alarm = alarm
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        self._selector.register(awake, selectors.EVENT_READ, lambda woken: woken.recv(4096))

    def _welcome(self, listener: socket.socket) -> None:
        try:
            asker, _ = listener.accept()
        except OSError:
            return  # gone again before it was let in
        asker.setblocking(False)
        credentials = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid in (0, os.geteuid()):
            self._selector.register(asker, selectors.EVENT_READ, self._listen_to)
        else:
            asker.close()

    def _listen_to(self, asker: socket.socket) -> None:
        try:
            question = asker.recv(64)
        except ConnectionError:
            question = b""
        if question == ASK_STOP:
            self._stop()  # the connection stays open: its end tells the asker that everything is over
        elif question == ASK_READY and self.state == STARTING:
            self._waiting.append(asker)
        elif question == ASK_STATUS or (question == ASK_READY and self.state == READY):
            self._answer(asker)
        elif question != ASK_READY:
            self._dismiss(asker)

    def _answer(self, asker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            asker.sendall(json.dumps(self.describe()).encode() + b"\n")
        self._dismiss(asker)

    def _dismiss(self, asker: socket.socket) -> None:
        if asker in self._waiting:
            self._waiting.remove(asker)
        self._selector.unregister(asker)
        asker.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until stopped. Exit 0 after a stop or when another one holds the home, 1 if PostgreSQL cannot run."""
    if sys.platform != "linux":
        return _fail(LINUX_ONLY)
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = [word for word in words if word.startswith("-")]
    if len(words) - len(options) != 1 or not all(word == "--detach" or _SETTING.match(word) for word in options):
        sys.stderr.write(f"usage: {_USAGE}\n")
        return 2
    home = Home(Path(next(word for word in words if word not in options)).resolve())
    settings = dict(word.removeprefix("--set=").split("=", 1) for word in options if word != "--detach")
    if "--detach" in options:
        if os.fork():
            os._exit(0)
        os.setsid()
    try:
        return _supervise(home, settings)
    except OSError as reason:
        return _fail(f"The home {home.root} cannot be used: {reason}. Choose a local folder this user may write to.")
    except (EmbeddedUnavailable, BinariesUnavailable) as reason:
        return _fail(str(reason))


def _fail(sentence: str) -> int:
    log(sentence)
    announce({"state": FAILED, "error": sentence})
    return 1


def _supervise(home: Home, settings: Mapping[str, str]) -> int:
    refuse_owned(settings)
    os.chdir("/")
    if not home.root.exists():
        home.root.mkdir(parents=True, exist_ok=True)
        home.root.chmod(0o711 if os.geteuid() == 0 else 0o700)  # root's server runs as another user and passes through
    os.umask(0o077)
    owner = home.root.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        become(user_of(owner))  # root helping out must leave no files of its own in a user's home
    lock = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        announce({"state": HELD})
        return 0
    _write_to_log(home)
    log(f"supervisor {os.getpid()} holds {home.lock}")
    supervisor = Supervisor(home, settings)
    supervisor.run()
    os.close(lock)  # before the askers' connections, which end with `supervisor`: who sees the end finds the home free
    return 0


def _write_to_log(home: Home) -> None:
    home.log.mkdir(mode=0o700, exist_ok=True)
    with (home.log / "supervisor.log").open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())


def log(sentence: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not end the supervisor
        sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {sentence}\n")
        sys.stderr.flush()


def announce(answer: Mapping[str, object]) -> None:
    """Tells the process that started this one, once; from then on there is nobody to tell."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(answer).encode() + b"\n")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())

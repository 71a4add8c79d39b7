"""What the supervisor does to a data directory: make it, see that nobody else uses it, start a server on it.

Everything here is called from the supervisor's main thread: a parent-death signal is sent when the *thread* that forked
ends, and the server must outlive no thread but the supervisor itself.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from gateway.store.embedded_home import PORT, SUPERUSER, EmbeddedUnavailable, Home
from gateway.store.postgres_binaries import Binaries, choose, find_all
from gateway.store.postgres_user import ServerUser, server_user

if sys.platform == "linux":
    import fcntl

LONGEST_SOCKET_PATH = 107  # bytes; sockaddr_un.sun_path holds 108 with its closing zero (unix(7))
ORPHAN_GRACE_S = 5.0
FIRST_BUILTIN_LOCALE = 17  # PostgreSQL 17 brought the builtin locale provider

# Durability is said on the command line, where no ALTER SYSTEM can weaken it.
FIXED_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
    "hot_standby": "off",  # else a server that still replays an archive calls itself ready, and is read-only
}


def _shared_buffers_mb() -> int:
    """An eighth of the machine's memory, between 128 MB and 2 GB: claims touch accounts all over the books, and a page
    that is not there costs more than a claim's share of everything else in PostgreSQL."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 128
    return max(128, min(2048, memory // 8 // 2**20))


DEFAULT_SETTINGS = {
    "max_connections": "100",
    "shared_buffers": f"{_shared_buffers_mb()}MB",
    # Small rows: most WAL after a checkpoint is page images, so fewer checkpoints and smaller images. Replaying at most
    # 2 GB keeps the restart after a crash in the order of seconds.
    "checkpoint_timeout": "10min",
    "max_wal_size": "2GB",
    # Page images after a checkpoint are compressed by pglz here, which costs a claim more than the bytes it saves.
    "wal_compression": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # Statements and details of errors can carry passwords and personal data; the log keeps the message alone.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_OWNED_SETTINGS = {*FIXED_SETTINGS, "unix_socket_directories", "port", "data_directory", "hba_file", "config_file"}

_PR_SET_PDEATHSIG = 1  # prctl(2)


class Cluster:
    """One data directory, the programs that run it and the user they run as."""

    def __init__(self, home: Home, settings: Mapping[str, str]) -> None:
        self.home = home
        self.settings = dict(settings)
        self.log_start = 0
        self._orphans_since: float | None = None

    def prepare(self) -> None:
        """Sees to user, programs and folders; what is there already is kept.

        Raises EmbeddedUnavailable or BinariesUnavailable with a sentence for the operator.
        """
        self.user = server_user(self.home)
        self.home.postgres.mkdir(mode=0o700, exist_ok=True)
        self.user.own(self.home.postgres)
        if not self.user.can_enter(self.home.postgres):
            raise EmbeddedUnavailable(
                f"PostgreSQL does not run as root, and user `{self.user.name}` cannot enter {self.home.postgres}: "
                f"a folder above it is closed. Choose a home that others may pass through (as /var/lib/aidgate), "
                f"or run aidgate as a user of its own."
            )
        self.binaries = self._reachable(choose(find_all(), self._data_major(), self.home.data))
        self.socket_folder = self._make_socket_folder()

    def initialise(self) -> None:
        """Makes the database unless it is there. Until the rename at the end, nothing counts as a database."""
        if self.home.data.exists():
            if not self.home.password.exists():
                raise EmbeddedUnavailable(
                    f"The database in {self.home.data} is there, but its password file {self.home.password} is not. "
                    f"Restore the file from the backup of this home."
                )
            return
        if not self.home.password.exists():
            _write_durably(self.home.password, os.urandom(24).hex())
        lock = self._open_server_lock()
        try:
            # Held by what a killed initdb left running, which ends by itself when its input does.
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(self.home.unfinished_data, ignore_errors=True)
            self._run_initdb(lock)
        finally:
            os.close(lock)
        self.home.unfinished_data.rename(self.home.data)
        _fsync(self.home.postgres)

    def start(self) -> subprocess.Popen[bytes] | None:
        """Starts the server, or returns None while processes of an earlier one are still there."""
        lock = self._open_server_lock()
        try:
            # The server's processes inherit this open file, so the lock lasts as long as the last of them, also where
            # their ids cannot be seen (another container). A server that somebody started by hand does not hold it.
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_free = not self.processes()
            except BlockingIOError:
                is_free = False
            if not is_free:
                self._end_orphans()
                return None
            self._orphans_since = None
            # They name processes that are gone, but the id may be a zombie's or a stranger's by now, and the server
            # would refuse to start. Safe only here: the checks above are what the files are for.
            (self.home.data / "postmaster.pid").unlink(missing_ok=True)
            (self.socket_folder / f".s.PGSQL.{PORT}").unlink(missing_ok=True)
            (self.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
            return self._spawn(lock)
        finally:
            os.close(lock)

    def is_ready(self, pid: int) -> bool:
        """Whether server `pid` takes connections: the last line of its postmaster.pid says so (miscadmin.h)."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def processes(self) -> list[int]:
        """Living processes of a server on this data directory: each has it as working directory. Zombies have none."""
        numbers = (int(name) for name in os.listdir("/proc") if name.isdigit())
        return [pid for pid in numbers if self._works_here(pid)]

    def last_words(self) -> str:
        """What the server logged since its start that says why it ended; its last lines if nothing does."""
        try:
            with self.home.server_log.open("rb") as log:
                log.seek(self.log_start)
                lines = log.read(100_000).decode(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        grave = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return " | ".join((grave or lines)[-3:])

    def forget_sockets(self) -> None:
        """Removes a socket folder that lies outside the home; inside, it stays."""
        if self.home.socket_link.is_symlink():
            shutil.rmtree(self.socket_folder, ignore_errors=True)
            self.home.socket_link.unlink()

    # ---- making

    def _data_major(self) -> int | None:
        try:
            return int((self.home.data / "PG_VERSION").read_text().split(".")[0])
        except FileNotFoundError:
            if self.home.data.exists():
                raise EmbeddedUnavailable(
                    f"{self.home.data} is not a PostgreSQL data directory (no PG_VERSION). It was damaged or put there "
                    f"by hand: restore it from a backup, or move it away to begin with an empty database."
                ) from None
            return None

    def _reachable(self, found: Binaries) -> Binaries:
        """`found`, or a copy of it below the home when the server's user cannot reach the original."""
        if self.user.is_me or self.user.can_enter(found.bin / "postgres"):
            return found
        copy = self.home.binaries / f"{found.source}-{found.version}"
        if not copy.exists():
            self.home.binaries.mkdir(mode=0o755, exist_ok=True)
            self.home.binaries.chmod(0o755)
            unfinished = self.home.binaries / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in found.parts:
                shutil.copytree(part, unfinished / part.name, symlinks=True)
            _open_for_reading(unfinished)
            unfinished.rename(copy)
        moved = copy / found.bin.relative_to(found.anchor)
        return Binaries(found.source, moved, found.version, found.parts, copy)

    def _make_socket_folder(self) -> Path:
        link = self.home.socket_link
        if link.is_symlink() and not _is_private(self.home.socket_folder, self.user):
            link.unlink()
        if not link.exists():
            if len(os.fsencode(link / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH:
                link.mkdir(mode=0o700)
                self.user.own(link)
            else:
                short = Path("/run" if os.access("/run", os.W_OK) else "/tmp")  # noqa: S108 -- the folder is new and 0700
                folder = short / f"aidgate-{os.urandom(8).hex()}"
                folder.mkdir(mode=0o700)
                self.user.own(folder)
                link.symlink_to(folder)
        return self.home.socket_folder

    def _run_initdb(self, lock: int) -> None:
        builtin = ["--locale-provider=builtin"] if self.binaries.major >= FIRST_BUILTIN_LOCALE else []
        with _handed_over(self.home.password.read_bytes(), self.user) as password:
            done = subprocess.run(  # noqa: S603 -- our own programs and paths, no shell
                [
                    self.binaries.program("initdb"),
                    f"--pgdata={self.home.unfinished_data}",
                    f"--username={SUPERUSER}",
                    "--auth=scram-sha-256",
                    f"--pwfile=/proc/self/fd/{password.fileno()}",
                    "--encoding=UTF8",
                    *builtin,
                    "--locale=C.UTF-8",
                    "--data-checksums",
                    "--no-instructions",
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                pass_fds=[password.fileno(), lock],
                **self._as_user(signal.SIGKILL),
            )
        if done.returncode != 0:
            said = " | ".join(line for line in done.stderr.strip().splitlines()[-6:] if line)
            free_mb = shutil.disk_usage(self.home.postgres).free // 1_000_000
            shutil.rmtree(self.home.unfinished_data, ignore_errors=True)
            raise EmbeddedUnavailable(
                f"initdb could not make the database in {self.home.postgres} (exit {done.returncode}, {free_mb} MB "
                f"free there, about 50 MB needed): {said}"
            )

    # ---- starting

    def _open_server_lock(self) -> int:
        return os.open(self.home.server_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        settings = {
            **DEFAULT_SETTINGS,
            **self.settings,
            **FIXED_SETTINGS,
            "unix_socket_directories": str(self.socket_folder),
            "port": str(PORT),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self.home.server_log.open("ab") as log:
            self.log_start = log.seek(0, os.SEEK_END)
            return subprocess.Popen(  # noqa: S603 -- our own programs and paths, no shell
                [self.binaries.program("postgres"), "-D", str(self.home.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                **self._as_user(signal.SIGINT),
            )

    def _as_user(self, when_supervisor_dies: signal.Signals) -> dict[str, Any]:
        """Arguments of Popen: another user if need be, a clean environment, a signal when the supervisor dies.

        HOME is set because libpq looks for files there, and root's is closed to others. SIGINT is PostgreSQL's fast
        shutdown ("Shutting Down the Server" in its manual).
        """
        arguments: dict[str, Any] = {
            "cwd": "/",
            "env": {"HOME": str(self.home.postgres), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            "umask": 0o077,
            "start_new_session": True,
            "preexec_fn": _signal_at_death_of(os.getpid(), when_supervisor_dies),
        }
        if not self.user.is_me:
            arguments |= {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}
        return arguments

    # ---- what an earlier server left

    def _works_here(self, pid: int) -> bool:
        try:
            is_server = Path(f"/proc/{pid}/comm").read_text().startswith("postgres")
            return is_server and os.path.samefile(f"/proc/{pid}/cwd", self.home.data)
        except OSError:
            return False  # gone, a zombie, or another user's: none of them is a process of this server

    def _end_orphans(self) -> None:
        """Kills backends that outlived their postmaster for longer than the grace; never a server that has one."""
        orphans = self.processes()
        lines = self._pid_file()
        if not orphans or (lines and lines[0] in map(str, orphans)):
            self._orphans_since = None
            return
        self._orphans_since = self._orphans_since or time.monotonic()
        if time.monotonic() - self._orphans_since < ORPHAN_GRACE_S:
            return
        for pid in orphans:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            with os.fdopen(handle, "rb"):
                if self._works_here(pid):  # asked again: the handle pins the process, the number alone would not
                    signal.pidfd_send_signal(handle, signal.SIGKILL)

    def _pid_file(self) -> list[str]:
        try:
            return (self.home.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def refuse_owned(settings: Mapping[str, str]) -> None:
    """Raises EmbeddedUnavailable for a setting that the supervisor decides itself."""
    owned = sorted(name for name in settings if name.lower() in _OWNED_SETTINGS)
    if owned:
        raise EmbeddedUnavailable(
            f"The embedded PostgreSQL decides {', '.join(owned)} itself: unix socket only, and every commit durable. "
            f"Leave them out, or set a DSN to a server of your own."
        )


def _signal_at_death_of(parent: int, number: signal.Signals) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec as little as possible should happen

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl; the signal will never come
            os._exit(1)

    return ask


def _handed_over(content: bytes, user: ServerUser) -> IO[bytes]:
    """A nameless file in memory that `user` may read: nothing of it can be left on the disk."""
    file = os.fdopen(os.memfd_create("password"), "w+b", buffering=0)
    file.write(content)
    os.fchmod(file.fileno(), 0o400)
    if not user.is_me:
        os.fchown(file.fileno(), user.uid, user.gid)
    return file


def _is_private(folder: Path, user: ServerUser) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return folder.is_dir() and found.st_uid == user.uid and found.st_mode & 0o777 == 0o700


def _open_for_reading(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _write_durably(path: Path, content: str) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    _fsync(path.parent)


def _fsync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

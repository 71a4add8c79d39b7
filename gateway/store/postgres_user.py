"""Who the embedded PostgreSQL runs as."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.store.embedded_home import EmbeddedUnavailable, Home

if sys.platform == "linux":
    import pwd


@dataclass(frozen=True)
class ServerUser:
    """Who the server runs as. PostgreSQL refuses to run as root, so root's supervisor lends it another user."""

    uid: int
    gid: int
    name: str

    @property
    def is_me(self) -> bool:
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        if not self.is_me:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, path: Path) -> bool:
        """Whether this user reaches `path`, asked of the kernel by a process that has become the user."""
        child = os.fork()
        if child == 0:
            try:
                become(self)
                os._exit(0 if os.access(path, os.R_OK | os.X_OK) else 1)
            finally:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def become(user: ServerUser) -> None:
    """Turns this process into `user` for good, with no other group."""
    if not user.is_me:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)


def user_of(uid: int) -> ServerUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedUnavailable(
            f"User id {uid} has no entry in /etc/passwd; PostgreSQL does not run without one. Add the user."
        ) from None
    return ServerUser(entry.pw_uid, entry.pw_gid, entry.pw_name)


def server_user(home: Home) -> ServerUser:
    """Myself; for root the owner of the data that is there, else `postgres`, else `nobody`."""
    owner = home.postgres.stat().st_uid if home.postgres.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise EmbeddedUnavailable(
                f"{home.postgres} belongs to user id {owner}. Run as the user who made it, or choose another home."
            )
        return user_of(os.geteuid())
    if owner:
        return user_of(owner)
    for name in ("postgres", "nobody"):
        try:
            return user_of(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    raise EmbeddedUnavailable(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as. "
        "Add one of them, or run aidgate as a user of its own."
    )

"""Sets of rulebooks: kept whole in the database under their digest, loaded once per process, never changed.

A set is activated; which one is in force is a fact like any other, read with each round. This module only remembers
the parsed form of what a digest stands for.
"""

import tomllib
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.store.line import Connection
from gateway.store.statements import load
from rules import Rulebooks, load_rulebooks, read_folder, shipped

__all__ = [
    "KEPT",
    "Activation",
    "NoRulebooks",
    "Shelf",
    "activate",
    "any_active",
    "counter_names",
    "history",
    "load_rulebooks",
    "pack",
    "read_set",
    "shipped",
    "unpack",
]

_SQL = load("rulebooks")
KEPT = 4
"""Sets kept in memory: the newest, those just replaced, and what old claims are explained by."""


class NoRulebooks(Exception):
    """No set of rulebooks was ever activated, or the digest is unknown."""


class Shelf:
    """The sets this process has read."""

    def __init__(self) -> None:
        self._sets: OrderedDict[str, Rulebooks] = OrderedDict()
        self._newest = ""

    async def newest(self, connection: Connection) -> Rulebooks:
        """The set that was in force when it was last asked about; the first time, the one in force now."""
        if not self._newest:
            digest = await connection.fetchval(_SQL["active"].sql)
            if digest is None:
                raise NoRulebooks("No rulebooks are activated; run `aidgate rulebook activate`.")
            return await self.fetch(connection, digest)
        return self._sets[self._newest]

    async def fetch(self, connection: Connection, digest: str) -> Rulebooks:
        """The set with this digest, which is from now on taken for the newest."""
        rulebooks = await self.get(connection, digest)
        self._newest = digest
        return rulebooks

    async def get(self, connection: Connection, digest: str) -> Rulebooks:
        """Any set by its digest, however old."""
        if digest in self._sets:
            return self._sets[digest]
        packed = await connection.fetchval(_SQL["read"].sql, *_SQL["read"].bind(digest=digest))
        if packed is None:
            raise NoRulebooks(f"No set of rulebooks has the digest {digest!r}.")
        self._sets[digest] = rulebooks = load_rulebooks(unpack(packed))
        for old in list(self._sets)[:-KEPT]:
            if old != self._newest:
                del self._sets[old]
        return rulebooks


class Activation(Struct, frozen=True):
    """A set that was put in force, and who did it."""

    digest: str
    activated_at: datetime
    activated_by: str


async def history(connection: Connection) -> list[Activation]:
    """The last hundred activations, the one in force first."""
    return [msgspec.convert(dict(row), Activation) for row in await connection.fetch(_SQL["history"].sql)]


def read_set(folder: Path | None = None) -> Rulebooks:
    """The checked set in a folder; the shipped one where none is named. Raises RulebookError."""
    return shipped() if folder is None else load_rulebooks(read_folder(folder))


def counter_names(rulebooks: Rulebooks) -> dict[str, tuple[str, str]]:
    """Number of each velocity counter -> its Chinese and English name."""
    texts = (content.decode() for path, content in rulebooks.files.items() if path.startswith("counters/"))
    counters = (counter for text in texts for counter in tomllib.loads(text).get("counter", ()))
    return {counter["key"]: (counter["name_zh"], counter["name_en"]) for counter in counters}


async def any_active(connection: Connection) -> bool:
    """Was a set ever activated?"""
    found: bool = await connection.fetchval(_SQL["any_active"].sql)
    return found


async def activate(connection: Connection, rulebooks: Rulebooks, *, by: str) -> bool:
    """Keeps the set and puts it in force for every gateway from its next round on. False when it is in force
    already."""
    async with connection.transaction():
        if await connection.fetchval(_SQL["active"].sql) == rulebooks.digest:
            return False
        await connection.execute(
            _SQL["keep"].sql, *_SQL["keep"].bind(digest=rulebooks.digest, files=pack(rulebooks.files))
        )
        await connection.execute(_SQL["activate"].sql, *_SQL["activate"].bind(digest=rulebooks.digest, by=by))
        return True


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files of a set as one value."""
    return zlib.compress(msgspec.msgpack.encode(dict(files)))


def unpack(packed: bytes) -> dict[str, bytes]:
    """The files again."""
    return msgspec.msgpack.decode(zlib.decompress(packed), type=dict[str, bytes])

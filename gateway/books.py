"""One set of books: a schema of the database with everything that serves it. The real ones, and the sandbox's."""

from dataclasses import dataclass
from typing import Self

import asyncpg

from gateway.lanes import Lanes
from gateway.rulebooks import Shelf, activate
from gateway.store.database import Database
from gateway.store.directory import Directory
from gateway.trust.blind import BlindIndex
from gateway.trust.keyfile import MasterKey
from gateway.trust.sealing import Sealer
from rules import Rulebooks


@dataclass(slots=True)
class Books:
    """Handed to the verbs. Opened by `Books.open`, closed by `close`."""

    schema: str
    database: Database
    pool: asyncpg.Pool
    directory: Directory
    lanes: Lanes
    shelf: Shelf
    sealer: Sealer

    @classmethod
    async def open(
        cls, dsn: str, schema: str, key: MasterKey, *, lanes: int = 1, queue_limit: int = 2000, name: str = "aidgate"
    ) -> Self:
        """Connects to one schema. The key must be the one the database was set up with (KeyFileError otherwise)."""
        database = Database(dsn, schema=schema, name=name)
        pool = await database.pool()
        try:
            await _same_key(pool, key)
        except BaseException:
            await pool.close()
            raise
        key_id, data_key = key.data_key()
        sealer = Sealer({key_id: data_key}, current=key_id)
        shelf = Shelf()
        return cls(
            schema=schema,
            database=database,
            pool=pool,
            directory=Directory(pool, BlindIndex(key.blind_key()), sealer),
            lanes=Lanes(database, sealer, shelf, count=lanes, queue_limit=queue_limit),
            shelf=shelf,
            sealer=sealer,
        )

    async def activate(self, rulebooks: Rulebooks, *, by: str) -> bool:
        """Puts a set of rulebooks in force. False when it is already."""
        async with self.pool.acquire() as connection:
            return await activate(connection, rulebooks, by=by)

    async def close(self) -> None:
        """Finishes what is under way, then disconnects."""
        await self.lanes.close()
        await self.pool.close()


async def _same_key(pool: asyncpg.Pool, key: MasterKey) -> None:
    """The first start writes down which key this database is sealed with; every later one compares."""
    await pool.execute(
        "INSERT INTO setting (name, value) VALUES ('master_key_check', $1) ON CONFLICT (name) DO NOTHING",
        key.check_value,
    )
    key.require(await pool.fetchval("SELECT value FROM setting WHERE name = 'master_key_check'"))

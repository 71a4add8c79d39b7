"""One set of books: a schema of the database with everything that serves it. The real ones, and the sandbox's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from gateway.domain.decision import decide
from gateway.lanes import Decide, Lanes
from gateway.rulebooks import Shelf, activate
from gateway.store.database import Database
from gateway.store.directory import Directory
from gateway.store.line import Pool
from gateway.store.statements import load
from gateway.trust.blind import BlindIndex
from gateway.trust.keyfile import MasterKey
from gateway.trust.sealing import Sealer
from rules import Rulebooks

_SQL = load("settings")


@dataclass(slots=True)
class Books:
    """Handed to the verbs. Opened by `Books.open`, closed by `close`."""

    schema: str
    database: Database
    pool: Pool
    directory: Directory
    lanes: Lanes
    shelf: Shelf
    sealer: Sealer

    @classmethod
    async def open(
        cls,
        dsn: str,
        schema: str,
        key: MasterKey,
        *,
        lanes: int = 1,
        queue_limit: int = 2000,
        name: str = "aidgate",
        decide: Decide = decide,
        revive: Callable[[], object] | None = None,
    ) -> Self:
        """Connects to one schema. The key must be the one the database was set up with (KeyFileError otherwise)."""
        database = Database(dsn, schema=schema, name=name, revive=revive)
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
            lanes=Lanes(database, sealer, shelf, count=lanes, queue_limit=queue_limit, decide=decide),
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


async def _same_key(pool: Pool, key: MasterKey) -> None:
    """The first start writes down which key this database is sealed with; every later one compares."""
    await pool.execute(_SQL["keep_key_check"].sql, *_SQL["keep_key_check"].bind(check_value=key.check_value))
    key.require(await pool.fetchval(_SQL["key_check"].sql))

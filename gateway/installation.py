"""One installation: a home folder with its configuration, its master key, and its database, embedded or named."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.config import Config, is_root, load_config
from gateway.rulebooks import activate, any_active, shipped
from gateway.store import embedded
from gateway.store.database import Database
from gateway.store.line import connect
from gateway.store.migrate import migrate
from gateway.trust.keyfile import MasterKey, load_or_create


@dataclass(frozen=True, slots=True)
class Installation:
    """What every command starts from."""

    home: Path
    config: Config
    key: MasterKey
    dsn: str

    @property
    def revive(self) -> Callable[[], object] | None:
        """Starts the embedded server should it be gone; None when the DSN names another."""
        if self.config.database.dsn:
            return None
        return partial(embedded.ensure_running, self.home / "postgresql")

    @classmethod
    def open(cls, home: Path) -> "Installation":
        """Reads configuration and key (made at the first call) and makes sure that the embedded database runs."""
        config = load_config(home)
        # The embedded server, which gives up root's rights, must get through root's folder to its own.
        home.mkdir(mode=0o711 if is_root() else 0o700, parents=True, exist_ok=True)
        key = load_or_create(home / "master.key")
        dsn = config.database.dsn or embedded.ensure_running(home / "postgresql").dsn()
        return cls(home, config, key, dsn)

    async def prepare(self) -> list[str]:
        """Migrates both schemas and puts the shipped rulebooks in force where none are. Returns what was migrated."""
        connection = await connect(self.dsn)
        try:
            applied = await migrate(connection)
        finally:
            await connection.close()
        connection = await Database(self.dsn, schema="aidgate").connect()
        try:
            if not await any_active(connection):
                await activate(connection, shipped(), by="set-up")
        finally:
            await connection.close()
        return applied

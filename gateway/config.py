"""The configuration: one TOML file, environment variables over it, read once.

`AIDGATE__SERVER__PORT=8080` overrides `port` in `[server]`. Unknown keys are errors.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

FILE_NAME = "aidgate.toml"
_PREFIX = "AIDGATE__"


class ConfigError(Exception):
    """The configuration cannot be used; the message names the place and what to do."""


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`"""

    host: str = "127.0.0.1"
    port: int = 8470
    base_url: str = ""
    """How terminals write the gateway's address (`https://aid.example`); empty = http and the Host header. Signed
    requests name it, so behind a proxy it must be set."""
    lanes: int = 2
    """Rounds under way at a time: while one waits for PostgreSQL, the other decides. Four were slower than two."""
    queue_limit: int = 2000
    """Operations waiting before new ones are shed with 503."""
    body_bytes: int = 262_144


class DatabaseConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[database]`"""

    dsn: str = ""
    """PostgreSQL 15 or newer; empty = the embedded one under the home folder."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: per terminal."""

    per_second: float = 20.0
    burst: int = 60


class OfflineConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[offline]`: what the gateway lets agents grant without it."""

    hours: int = 24
    """How long terms hold."""
    per_claim: int = 20_000
    """Fen of aid one claim may be granted."""
    accounts: int = 2000
    """Most recent accounts of a clinic that its terminals get terms for."""


class TerminalConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[[terminal]]`: a terminal's public key."""

    id: str
    clinic: str
    key: str
    """Ed25519 public key, 32 bytes in base64."""
    sandbox: bool = False
    revoked: bool = False


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    server: Server = Server()
    database: DatabaseConfig = DatabaseConfig()
    limits: Limits = Limits()
    offline: OfflineConfig = OfflineConfig()
    terminal: tuple[TerminalConfig, ...] = field(default_factory=tuple)


def default_home() -> Path:
    """`$AIDGATE_HOME`; for root `/var/lib/aidgate`, else `~/.local/share/aidgate`."""
    if home := os.environ.get("AIDGATE_HOME"):
        return Path(home)
    # The embedded server gives up root's rights, so root's home may not lie under the closed folder /root.
    return Path("/var/lib/aidgate") if is_root() else Path.home() / ".local" / "share" / "aidgate"


def is_root() -> bool:
    """Does this process run as root? Never on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def load_config(home: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration of a home folder; its file need not exist. Raises ConfigError."""
    path = home / FILE_NAME
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}. Correct the file.") from error
    _override(values, os.environ if environment is None else environment)
    try:
        return msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}. See docs/operator.md for the names and types.") from error


def _override(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            section, _, key = name.removeprefix(_PREFIX).lower().partition("__")
            values.setdefault(section, {})[key] = value

"""The master key of an installation: one small file, from which every other key is derived (HKDF, RFC 5869).

It is made at set-up and holds two lines, a title and the key with its check value. Whoever has the file can read the
sealed data of a stolen database; whoever loses it can read none of it. So it is kept apart from the database's backups,
and backed up itself.
"""

import hmac
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_TITLE = "aidgate master key 1"
_SECRET_BYTES = 32
_MAX_FILE_BYTES = 4096


class KeyFileError(Exception):
    """The master key cannot be used as it is; the message says why and what to do."""


class WrongMasterKey(KeyFileError):
    """The key is whole, but not the one this database was set up with."""


@dataclass(frozen=True)
class MasterKey:
    """The secret everything is derived from. Each purpose has its own derivation: none gives away another."""

    secret: bytes = field(repr=False)

    @property
    def check_value(self) -> str:
        """16 hex digits that name this key and give nothing away; stored in the database at set-up."""
        return self._derive("check", 8).hex()

    def require(self, check_value: str) -> None:
        """Raise WrongMasterKey unless this is the key whose check value was stored at set-up."""
        if not hmac.compare_digest(self.check_value.encode(), check_value.encode()):
            raise WrongMasterKey(
                f"This database was set up with the master key {check_value}, the key file holds {self.check_value}. "
                "Put back the key file of this database, or point the configuration at its database."
            )

    def data_key(self, generation: int = 1) -> tuple[int, bytes]:
        """(key id, 32 bytes) for the Sealer. Ids differ by generation and by master: a Sealer can hold many."""
        if generation < 1:
            raise ValueError(f"Generations of the data key start at 1, not {generation}.")
        return int.from_bytes(self._derive(f"data-id/{generation}", 4), "big"), self._derive(f"data/{generation}", 32)

    def blind_key(self) -> bytes:
        """32 bytes for the BlindIndex. There are no generations: another key would mean to hash every row again."""
        return self._derive("blind", 32)

    def signing_key(self) -> Ed25519PrivateKey:
        """The gateway's own key, with which it signs what agents must be able to check offline."""
        return Ed25519PrivateKey.from_private_bytes(self._derive("sign", 32))

    def _derive(self, purpose: str, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=f"aidgate/master/{purpose}".encode("ascii")).derive(self.secret)


def load(path: Path) -> MasterKey:
    """Read the key file. Raise KeyFileError when it is missing, damaged, or open to others than its owner."""
    try:
        with path.open("rb") as file:
            _refuse_exposed(path, os.fstat(file.fileno()))
            content = file.read(_MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyFileError(
            f"There is no master key at {path}; restore it from its backup, or run the set-up."
        ) from None
    except OSError as error:
        raise KeyFileError(f"The master key {path} cannot be read: {error.strerror}.") from error
    return _parse(path, content)


def load_or_create(path: Path) -> MasterKey:
    """Read the key file, or make it. Of several processes that start at once, all get the key that was there first."""
    if not os.path.exists(path):
        _create(path)
    key = load(path)
    # Also when another process only just made the file: nothing may be sealed with a key a power cut can take.
    _sync_folder(path.parent)
    return key


def _create(path: Path) -> None:
    """Write a new key beside `path`, make it durable, then give it its name: a crash leaves a whole key or none."""
    key = MasterKey(secrets.token_bytes(_SECRET_BYTES))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_text(key))
                file.flush()
                os.fsync(file.fileno())
            # Unlike a rename, a link never replaces a key that another process made in the meantime.
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    except OSError as error:
        raise KeyFileError(
            f"The master key {path} cannot be made: {error.strerror}. The folder must exist and be writable."
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_exposed(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"The master key {path} is not a regular file.")
    if status.st_mode & 0o077:
        raise KeyFileError(f"The master key {path} is open to other users; run: chmod 600 {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(
            f"The master key {path} belongs to another user (uid {status.st_uid}); chown it to the gateway's."
        )


def _text(key: MasterKey) -> bytes:
    return f"{_TITLE}\n{key.secret.hex()} {key.check_value}\n".encode("ascii")


def _parse(path: Path, content: bytes) -> MasterKey:
    """The key of a file that is, byte for byte, what would be written for it."""
    digits = content[len(_TITLE) + 1 :][: 2 * _SECRET_BYTES]
    with suppress(ValueError):
        key = MasterKey(bytes.fromhex(digits.decode("ascii")))
        if content == _text(key):
            return key
    raise KeyFileError(f"The master key {path} is damaged; restore it from its backup.")

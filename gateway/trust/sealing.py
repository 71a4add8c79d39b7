"""Seals personal data before it reaches the database: authenticated encryption, bound to the place of the value.

A sealed value is

    1 byte   format version (1)
    1 byte   algorithm id
    4 bytes  key id, big-endian
    12 bytes nonce, random
    n bytes  ciphertext, then 16 bytes tag

and authenticates, besides the plain text, its own first six bytes and (table, column, row): a value that was copied to
another row or column does not open.

Nonces come from os.urandom, not from a counter: a counter repeats after a fork or a restored machine snapshot, and one
repeated nonce breaks GCM. The price is the bound of NIST SP 800-38D §8.3, at most 2**32 values per key; key ids are
there to go on to the next key long before.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES = 32
_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = 6
_BODY_AT = _HEADER_BYTES + _NONCE_BYTES


class Unsealable(Exception):
    """A sealed value cannot be opened: altered, moved to another place, or sealed with a key that is not at hand."""


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...


class _Sm4Gcm:
    """SM4 (GB/T 32907) in GCM with the same interface as AESGCM."""

    def __init__(self, key: bytes) -> None:
        self._cipher = SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        encryptor = Cipher(self._cipher, GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data)
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        decryptor = Cipher(self._cipher, GCM(nonce, data[-_TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(associated_data)
        return decryptor.update(data[:-_TAG_BYTES]) + decryptor.finalize()


class _Algorithm(NamedTuple):
    id: int
    """Stored in every sealed value: never reused, never changed."""
    name: str
    key_bytes: int
    build: type[AESGCM] | type[_Sm4Gcm]


_ALGORITHMS = (
    _Algorithm(1, "aes-256-gcm", 32, AESGCM),
    _Algorithm(2, "sm4-gcm", 16, _Sm4Gcm),
)
ALGORITHM_NAMES = tuple(algorithm.name for algorithm in _ALGORITHMS)


class Sealer:
    """Seals with the current key and algorithm, opens with any it knows. Safe to share between threads."""

    def __init__(self, keys: Mapping[int, bytes], current: int, algorithm: str = "aes-256-gcm") -> None:
        """Take keys of 32 bytes by their id (0 to 2**32 - 1), the id that seals, and one of ALGORITHM_NAMES."""
        if algorithm not in ALGORITHM_NAMES:
            raise ValueError(f"Unknown sealing algorithm {algorithm!r}; choose one of {', '.join(ALGORITHM_NAMES)}.")
        if current not in keys:
            raise ValueError(f"The current sealing key {current:#010x} is not among the keys given.")
        for key_id, key in keys.items():
            if not 0 <= key_id < 2**32 or len(key) != KEY_BYTES:
                raise ValueError(
                    f"Sealing key {key_id:#x}: an id of 4 bytes and a key of {KEY_BYTES} bytes are needed."
                )
        self._ciphers: dict[bytes, _Aead] = {
            _header(entry, key_id): entry.build(_algorithm_key(key, entry))
            for key_id, key in keys.items()
            for entry in _ALGORITHMS
        }
        chosen = _ALGORITHMS[ALGORITHM_NAMES.index(algorithm)]
        self._current_header = _header(chosen, current)
        self._current_cipher = self._ciphers[self._current_header]

    def seal(self, plain: bytes, *, table: str, column: str, row: bytes) -> bytes:
        """Encrypt `plain` for its place; the result is 34 bytes longer. `row` is the row's id, which never changes."""
        nonce = os.urandom(_NONCE_BYTES)
        header = self._current_header
        return header + nonce + self._current_cipher.encrypt(nonce, plain, header + _place(table, column) + row)

    def open(self, sealed: bytes, *, table: str, column: str, row: bytes) -> bytes:
        """The plain bytes of a value sealed for this place; raise Unsealable when it is not one."""
        header = sealed[:_HEADER_BYTES]
        cipher = self._ciphers.get(header)
        if cipher is None or len(sealed) < _BODY_AT + _TAG_BYTES:
            raise Unsealable(_why_unreadable(sealed, f"{table}.{column}"))
        try:
            return cipher.decrypt(
                sealed[_HEADER_BYTES:_BODY_AT], sealed[_BODY_AT:], header + _place(table, column) + row
            )
        except InvalidTag:
            raise Unsealable(
                f"A sealed value in {table}.{column} does not open: it was altered, or moved from another place. "
                "Restore it from a backup."
            ) from None


def _header(algorithm: _Algorithm, key_id: int) -> bytes:
    return bytes((_VERSION, algorithm.id)) + key_id.to_bytes(4, "big")


def _algorithm_key(key: bytes, algorithm: _Algorithm) -> bytes:
    # Each algorithm gets a key of its own, so that changing the algorithm never uses one key in two ciphers.
    info = f"aidgate/seal/{algorithm.name}".encode("ascii")
    return HKDFExpand(SHA256(), algorithm.key_bytes, info).derive(key)


@lru_cache(maxsize=256)
def _place(table: str, column: str) -> bytes:
    """Table and column as bytes that no other pair has; the row follows and may be any bytes."""
    if not table or not column or "\0" in table + column:
        raise ValueError("Table and column must be given, without NUL.")
    return f"{table}\0{column}\0".encode()


def _why_unreadable(sealed: bytes, place: str) -> str:
    if len(sealed) < _BODY_AT + _TAG_BYTES:
        return f"A sealed value in {place} has {len(sealed)} bytes, fewer than any has; it was cut off or never sealed."
    if sealed[0] != _VERSION:
        return f"A sealed value in {place} has format {sealed[0]}, and this version reads {_VERSION}; upgrade."
    if sealed[1] not in {algorithm.id for algorithm in _ALGORITHMS}:
        return f"A sealed value in {place} names algorithm {sealed[1]}, which this version does not have."
    return (
        f"A sealed value in {place} needs the key {sealed[2:_HEADER_BYTES].hex()}, which is not at hand; "
        "start with the master key file that was in use when it was written."
    )

"""Keyed hashes by which sealed values can be looked up.

Equal texts give equal hashes, and without the key nobody can try texts. Every column has a key of its own, so that
hashes of different columns cannot be compared. Equality still shows: `short` therefore takes a scope for texts of which
there are few, such as diagnoses, or their frequency alone would tell what they are.
"""

import hmac
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES = 32
HASH_NAMES = ("sha256", "sm3")

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""U+FF01 to U+FF5E are the printable ASCII characters at full width, as Chinese input methods write them."""


class BlindIndex:
    """Hashes texts of personal data for look-up. Safe to share between threads."""

    def __init__(self, key: bytes, hash_name: str = "sha256") -> None:
        """`key` is 32 secret bytes; `hash_name` one of HASH_NAMES, fixed for the life of the database."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"A blind index needs a key of {KEY_BYTES} bytes, not {len(key)}.")
        if hash_name not in HASH_NAMES:
            raise ValueError(f"Unknown hash {hash_name!r}; choose one of {', '.join(HASH_NAMES)}.")
        self._key = key
        self._hash_name = hash_name
        self._column_keys: dict[str, bytes] = {}

    def card(self, text: str) -> bytes:
        """The card_key of a card number: 16 bytes."""
        return self._digest("card", b"", text)[:16]

    def identity(self, text: str) -> bytes:
        """The look-up key of an identity number: 16 bytes."""
        return self._digest("identity", b"", text)[:16]

    def short(self, text: str, purpose: str, within: bytes = b"") -> str:
        """8 characters (48 bits) that tell texts apart within one account; too short to be unique in a whole city.

        `purpose` is a constant of the code, such as "diagnosis"; `within` an id, usually the account's, outside of
        which equal texts give different hashes.
        """
        return urlsafe_b64encode(self._digest(f"short/{purpose}", within, text)[:6]).decode()

    def _digest(self, column: str, within: bytes, text: str) -> bytes:
        key = self._column_keys.get(column)
        if key is None:
            info = f"aidgate/blind/{column}".encode()
            key = self._column_keys[column] = HKDFExpand(SHA256(), KEY_BYTES, info).derive(self._key)
        return hmac.digest(key, len(within).to_bytes(2, "big") + within + normalised(text).encode(), self._hash_name)


def normalised(text: str) -> str:
    """One spelling for what people write in several: full width becomes ASCII, upper case, no white space.

    Raises ValueError when nothing is left, since all empty texts would be one resident.
    """
    if not text.isascii():
        text = text.translate(_FULL_WIDTH)
    text = "".join(text.split()).upper()
    if not text:
        raise ValueError("An empty text cannot be looked up; give the number as printed on the card or document.")
    return text

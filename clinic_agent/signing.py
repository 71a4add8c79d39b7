"""Signs the terminal's requests: RFC 9421 in the one profile the gateway accepts.

Covered are "@method" and "@target-uri", and "content-digest" (RFC 9530, sha-256) when there is a body; parameters are
created, keyid and alg="ed25519"; the label is sig1. The golden messages in tests/contract pin the bytes.
"""

import re
from base64 import b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEYID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Signer:
    """Holds the terminal's key and the id the gateway knows it by."""

    def __init__(self, keyid: str, private_key: Ed25519PrivateKey) -> None:
        if not _KEYID.fullmatch(keyid):
            raise ValueError(
                f"A key id is 1 to 64 of A-Z a-z 0-9 . _ : - and not {keyid!r}; use the id given at enrolment."
            )
        self.keyid = keyid
        self._private_key = private_key

    def sign(self, method: str, target_uri: str, body: bytes | None, created: int) -> dict[str, str]:
        """The headers that sign one request.

        `target_uri` is the absolute URI exactly as it will be sent; `body` the exact bytes, None or empty for none;
        `created` epoch seconds, which the gateway accepts within 60 s of its own time: sign every attempt anew.
        """
        headers: dict[str, str] = {}
        covered = '"@method" "@target-uri"'
        base = f'"@method": {method}\n"@target-uri": {target_uri}\n'
        if body:
            digest = f"sha-256=:{b64encode(sha256(body).digest()).decode()}:"
            headers["Content-Digest"] = digest
            covered += ' "content-digest"'
            base += f'"content-digest": {digest}\n'
        parameters = f'({covered});created={created};keyid="{self.keyid}";alg="ed25519"'
        base += f'"@signature-params": {parameters}'
        signature = self._private_key.sign(base.encode("ascii"))
        headers["Signature-Input"] = f"sig1={parameters}"
        headers["Signature"] = f"sig1=:{b64encode(signature).decode()}:"
        return headers

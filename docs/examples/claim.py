"""A whole claim with nothing but `cryptography`: make an id, sign, send, and ask again until there is an answer.

    python claim.py https://aid.example T-0001 terminal.key SANDBOX-APPROVED

The key file holds the terminal's Ed25519 private key, 32 bytes in base64.
"""

import base64
import hashlib
import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def new_id() -> str:
    """UUIDv7: milliseconds since 1970, then random bits."""
    stamp = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    return str(uuid.UUID(int=stamp & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def put(gateway: str, path: str, keyid: str, key: Ed25519PrivateKey, body: bytes) -> tuple[int, str]:
    """One signed request; status and body of the answer."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    signed = f'("@method" "@target-uri" "content-digest");created={int(time.time())};keyid="{keyid}";alg="ed25519"'
    target = f'"@method": PUT\n"@target-uri": {gateway}{path}\n'
    base = f'{target}"content-digest": {digest}\n"@signature-params": {signed}'
    headers = {
        "Content-Type": "application/json",
        "Content-Digest": digest,
        "Signature-Input": f"sig1={signed}",
        "Signature": f"sig1=:{base64.b64encode(key.sign(base.encode())).decode()}:",
    }
    scheme, _, host = gateway.partition("://")
    connection = (HTTPSConnection if scheme == "https" else HTTPConnection)(host, timeout=10)
    connection.request("PUT", path, body, headers)
    return (answer := connection.getresponse()).status, answer.read().decode()


gateway, keyid, key_file, card = sys.argv[1:]
key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(Path(key_file).read_text()))
visit = {"id": f"V-{time.time_ns()}", "type": "outpatient", "day": "2026-03-02"}
lines = [{"id": "1", "item": "ZZ0101", "amount": 3000}]
claim = {"card": {"number": card}, "visit": visit, "at": datetime.now(UTC).isoformat(), "total": 3000, "lines": lines}
path, body = f"/v1/claims/{new_id()}", json.dumps(claim).encode()  # to the journal, before anything is sent
while True:
    try:
        status, answer = put(gateway, path, keyid, key, body)
        if status not in (409, 429) and status < 500:
            break
    except OSError:
        pass  # no answer says nothing: like 409, 429 and 5xx it means the same again, under the same id
    time.sleep(1)
sys.stdout.write(f"{status} {answer}\n")

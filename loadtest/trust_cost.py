"""What signatures and sealing cost on this machine: `python -m loadtest.trust_cost [rounds]`.

All candidates take turns in one run, so that a noisy machine disturbs them alike. Printed are microseconds per call of
the calmest and of the median round; a round is CALLS calls. The difference to the raw Ed25519 verification is what HTTP
signatures add on top of the cryptography.
"""

import datetime
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ED25519
from multidict import CIMultiDict, CIMultiDictProxy

from clinic_agent.signing import Signer
from gateway.trust.blind import HASH_NAMES, BlindIndex
from gateway.trust.sealing import ALGORITHM_NAMES, Sealer
from gateway.trust.signature import signature_base, verify

CALLS = 500
BODY_BYTES = 2000
SEALED_BYTES = (600, 1200, 4000)
TARGET = "https://gateway.example/v1/claims/01990000-0000-7000-8000-000000000001"
KEYID = "terminal-0001"


class _Request:
    """The interface that http-message-signatures asks of a request."""

    def __init__(self, headers: CIMultiDictProxy[str]) -> None:
        self.method = "PUT"
        self.url = TARGET
        self.headers = headers


def main() -> None:
    """Measure and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    costs: dict[str, list[float]] = {}
    candidates = signature_candidates() | sealing_candidates()
    for _ in range(rounds):
        for name, call in candidates.items():
            costs.setdefault(name, []).append(microseconds_per_call(call))
    print(f"{'':44}{'calmest':>9}{'median':>9}   µs per call, {rounds} rounds of {CALLS}")
    for name, cost in costs.items():
        print(f"{name:44}{min(cost):9.1f}{statistics.median(cost):9.1f}")


def microseconds_per_call(call: Callable[[], object]) -> float:
    """One round of one candidate."""
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def signature_candidates() -> dict[str, Callable[[], object]]:
    """Signing and verifying one PUT of BODY_BYTES, by us, by the library, and the raw primitive under both."""
    private_key = Ed25519PrivateKey.generate()
    public_key = private_key.public_key()
    body = b"x" * BODY_BYTES
    now = int(time.time())
    signer = Signer(KEYID, private_key)
    headers = CIMultiDictProxy(CIMultiDict(signer.sign("PUT", TARGET, body, now)))
    keys = {KEYID: public_key}
    ours = verify("PUT", TARGET, headers, body, keys=keys.get, now=now)
    base = signature_base("PUT", TARGET, ours.content_digest, ours.signature_input)
    library = HTTPMessageVerifier(
        signature_algorithm=ED25519, key_resolver=MappingKeyResolver(public_keys=keys, private_keys={})
    )
    request = _Request(headers)
    age = datetime.timedelta(hours=1)
    return {
        "raw Ed25519 verify": lambda: public_key.verify(ours.signature, base),
        f"gateway.trust verify, body {BODY_BYTES} B": lambda: verify(
            "PUT", TARGET, headers, body, keys=keys.get, now=now
        ),
        f"http-message-signatures verify, {BODY_BYTES} B": lambda: library.verify(request, body=body, max_age=age),
        "raw Ed25519 sign": lambda: private_key.sign(base),
        f"clinic_agent sign, body {BODY_BYTES} B": lambda: signer.sign("PUT", TARGET, body, now),
    }


def sealing_candidates() -> dict[str, Callable[[], object]]:
    """Sealing and opening, per algorithm and size, and one blind index."""
    candidates: dict[str, Callable[[], object]] = {}
    place: dict[str, Any] = {"table": "claim", "column": "content", "row": b"0123456789abcdef"}
    for algorithm in ALGORITHM_NAMES:
        sealer = Sealer({1: b"k" * 32}, current=1, algorithm=algorithm)
        for size in SEALED_BYTES:
            plain = b"p" * size
            candidates[f"seal {algorithm} {size} B"] = partial(sealer.seal, plain, **place)
            candidates[f"open {algorithm} {size} B"] = partial(sealer.open, sealer.seal(plain, **place), **place)
    for hash_name in HASH_NAMES:
        candidates[f"blind index of a card, {hash_name}"] = partial(BlindIndex(b"b" * 32, hash_name).card, "X00000000")
    return candidates


if __name__ == "__main__":
    main()

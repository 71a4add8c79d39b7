"""The agent's half of the signature, pinned by the golden messages that the gateway's half is tested with."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clinic_agent.signing import Signer

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "contract" / "signature_requests.json").read_text())
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(GOLDEN["private_key_hex"]))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=[case["name"] for case in GOLDEN["cases"]])
def test_golden_request_is_signed_to_the_byte(case: dict[str, Any]) -> None:
    signer = Signer(GOLDEN["keyid"], PRIVATE_KEY)
    assert signer.sign(case["method"], case["target_uri"], case["body"].encode(), case["created"]) == case["headers"]


def test_no_body_and_an_empty_body_are_the_same() -> None:
    signer = Signer("T-0001", PRIVATE_KEY)
    assert signer.sign("GET", "https://h/", None, 1) == signer.sign("GET", "https://h/", b"", 1)


@pytest.mark.parametrize("keyid", ["", "a b", 'a"', "T\n", "卡", "x" * 65])
def test_an_id_the_gateway_would_refuse_is_refused_here(keyid: str) -> None:
    with pytest.raises(ValueError, match="use the id given at enrolment"):
        Signer(keyid, PRIVATE_KEY)

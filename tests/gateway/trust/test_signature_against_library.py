"""The fixed profile against an independent implementation of RFC 9421 and RFC 9530."""

import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, InvalidSignature, MappingKeyResolver
from http_message_signatures.algorithms import ED25519
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic_agent.signing import Signer
from gateway.trust.signature import SignatureRefused, verify

GOLDEN = json.loads((Path(__file__).parents[2] / "contract" / "signature_requests.json").read_text())
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(GOLDEN["private_key_hex"]))


@dataclass
class Request:
    """The interface that the library asks of a request."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def resolver(keyid: str) -> MappingKeyResolver:
    return MappingKeyResolver(public_keys={keyid: PRIVATE_KEY.public_key()}, private_keys={keyid: PRIVATE_KEY})


def signed_by_library(request: Request, keyid: str, body: bytes, created: int) -> dict[str, str]:
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=resolver(keyid))
    covered = ["@method", "@target-uri", "content-digest"] if body else ["@method", "@target-uri"]
    when = datetime.datetime.fromtimestamp(created, tz=datetime.UTC)
    signer.sign(
        request, key_id=keyid, created=when, label="sig1", covered_component_ids=covered, body=body if body else None
    )
    return request.headers


def verified_by_library(request: Request, keyid: str, body: bytes) -> int:
    """The number of components that were covered, without @signature-params."""
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=resolver(keyid))
    (result,) = verifier.verify(request, max_age=None, body=body)
    return len(result.covered_components) - 1


methods = st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"])
targets = st.builds(
    "{}{}{}".format,
    st.sampled_from(["https://gateway.example", "http://127.0.0.1:8080", "https://[::1]:8443"]),
    st.text("abcXYZ012-._~/:@!$&'()*+,;=", max_size=40).map("/".__add__),
    st.sampled_from(["", "?", "?a=b&c=%E4%B8%AD"]),
)
keyids = st.text("abcXYZ019._:-", min_size=1, max_size=64)
bodies = st.binary(max_size=300)
past = st.integers(1, 1_700_000_000)


@settings(deadline=None, max_examples=150)
@given(methods, targets, keyids, bodies, past)
def test_agent_and_library_sign_alike_and_the_gateway_accepts_both(
    method: str, target: str, keyid: str, body: bytes, created: int
) -> None:
    theirs = signed_by_library(Request(method, target), keyid, body, created)
    ours = Signer(keyid, PRIVATE_KEY).sign(method, target, body, created)
    assert ours == theirs
    keys = {keyid: PRIVATE_KEY.public_key()}
    assert verify(method, target, theirs, body, keys=keys.get, now=created).keyid == keyid


@settings(deadline=None, max_examples=150)
@given(methods, targets, keyids, bodies, past)
def test_library_accepts_what_the_agent_signs(method: str, target: str, keyid: str, body: bytes, created: int) -> None:
    headers = Signer(keyid, PRIVATE_KEY).sign(method, target, body, created)
    assert verified_by_library(Request(method, target, headers), keyid, body) == (3 if body else 2)


@settings(deadline=None, max_examples=150)
@given(method=methods, target=targets, keyid=keyids, body=bodies, created=past, data=st.data())
def test_what_the_library_refuses_the_gateway_refuses(
    *, method: str, target: str, keyid: str, body: bytes, created: int, data: st.DataObject
) -> None:
    headers = Signer(keyid, PRIVATE_KEY).sign(method, target, body, created)
    name = data.draw(st.sampled_from(sorted(headers)))
    at = data.draw(st.integers(0, len(headers[name]) - 1))
    headers[name] = headers[name][:at] + data.draw(st.characters(codec="ascii")) + headers[name][at + 1 :]
    try:
        verified_by_library(Request(method, target, headers), keyid, body)
    except InvalidSignature:
        keys = {keyid: PRIVATE_KEY.public_key()}
        with pytest.raises(SignatureRefused):
            verify(method, target, headers, body, keys=keys.get, now=created)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=[case["name"] for case in GOLDEN["cases"]])
def test_library_makes_the_golden_bytes(case: dict[str, Any]) -> None:
    request = Request(case["method"], case["target_uri"])
    assert signed_by_library(request, GOLDEN["keyid"], case["body"].encode(), case["created"]) == case["headers"]

"""The profile, from the golden messages: what is accepted, and one refused request for every way to leave it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.trust.signature import Reason, SignatureRefused, Verified, signature_base, verify

CONTRACT = Path(__file__).parents[2] / "contract"
GOLDEN: dict[str, Any] = json.loads((CONTRACT / "signature_requests.json").read_text())
REFUSALS: list[dict[str, Any]] = json.loads((CONTRACT / "signature_refusals.json").read_text())["cases"]
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in GOLDEN["cases"]}
PUBLIC_KEY = Ed25519PublicKey.from_public_bytes(bytes.fromhex(GOLDEN["public_key_hex"]))
KEYS = {GOLDEN["keyid"]: PUBLIC_KEY}
CLAIM = CASES["claim"]
HEADER_NAMES = ("Content-Digest", "Signature-Input", "Signature")


def verify_case(case: dict[str, Any], now: int | None = None) -> Verified:
    body = case["body"] if isinstance(case["body"], bytes) else case["body"].encode()
    at = case["created"] if now is None else now
    return verify(case["method"], case["target_uri"], case["headers"], body, keys=KEYS.get, now=at)


def with_replaced(case: dict[str, Any], replace: dict[str, Any]) -> dict[str, Any]:
    headers = {**case["headers"], **replace.get("headers", {})}
    present = {name: value for name, value in headers.items() if value is not None}
    return {**case, **replace, "headers": present}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_golden_request_is_accepted(case: dict[str, Any]) -> None:
    verified = verify_case(case)
    assert (verified.keyid, verified.created) == (GOLDEN["keyid"], case["created"])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_was_verified_proves_the_signature_years_later(case: dict[str, Any]) -> None:
    kept = verify_case(case)
    base = signature_base(case["method"], case["target_uri"], kept.content_digest, kept.signature_input)
    assert base.decode() == case["signature_base"]
    PUBLIC_KEY.verify(kept.signature, base)


@pytest.mark.parametrize("refusal", REFUSALS, ids=[refusal["name"] for refusal in REFUSALS])
def test_golden_refusal(refusal: dict[str, Any]) -> None:
    replace = refusal["replace"]
    case = with_replaced(CASES[refusal["of"]], replace)
    now = replace.get("now", case["created"])
    with pytest.raises(SignatureRefused) as refused:
        verify_case(case, now)
    assert refused.value.reason == refusal["reason"]
    assert refused.value.server_time == now
    assert refused.value.message == str(refused.value)


def test_every_reason_has_a_refused_request() -> None:
    shown = {refusal["reason"] for refusal in REFUSALS}
    assert shown | {Reason.HEADER_REPEATED} == set(Reason)


@pytest.mark.parametrize("name", HEADER_NAMES)
def test_header_repeated_in_any_spelling_is_refused(name: str) -> None:
    lines = CIMultiDict(CLAIM["headers"])
    lines.add(name.upper(), "sig1=:second:")
    with pytest.raises(SignatureRefused) as refused:
        verify_case({**CLAIM, "headers": CIMultiDictProxy(lines)})
    assert refused.value.reason is Reason.HEADER_REPEATED


def test_multi_dict_is_read_without_regard_to_case() -> None:
    lines = CIMultiDict({name.lower(): value for name, value in CLAIM["headers"].items()})
    assert verify_case({**CLAIM, "headers": CIMultiDictProxy(lines)}) == verify_case(CLAIM)


@pytest.mark.parametrize("offset", [-60, 60])
def test_a_minute_of_skew_is_allowed_on_either_side(offset: int) -> None:
    assert verify_case(CLAIM, CLAIM["created"] + offset).created == CLAIM["created"]


def test_refusal_for_time_says_by_how_much_the_clock_is_wrong() -> None:
    with pytest.raises(SignatureRefused, match=r"signed 3600 s before the server's time 1790003600"):
        verify_case(CLAIM, CLAIM["created"] + 3600)


def flips() -> Iterator[tuple[str, dict[str, Any]]]:
    """The claim with one bit changed, for every byte of everything that the signature covers or consists of."""
    for mask in (0x01, 0x20):
        for field in ("method", "target_uri", "body"):
            text: str = CLAIM[field]
            for i in range(len(text)):
                yield f"{field} {i}", {**CLAIM, field: flipped(text, i, mask)}
        for name in HEADER_NAMES:
            text = CLAIM["headers"][name]
            for i in range(len(text)):
                yield f"{name} {i}", {**CLAIM, "headers": {**CLAIM["headers"], name: flipped(text, i, mask)}}


def flipped(text: str, i: int, mask: int) -> str:
    return text[:i] + chr(ord(text[i]) ^ mask) + text[i + 1 :]


def test_no_byte_can_be_flipped() -> None:
    accepted = []
    for where, case in flips():
        try:
            verify_case(case)
        except SignatureRefused:
            continue
        accepted.append(where)
    assert accepted == []


# As aiohttp decodes headers: any text, with lone surrogates for bytes that are not UTF-8.
ANY_TEXT = st.text(st.characters(), max_size=200)


@settings(deadline=None, max_examples=300)
@given(
    method=ANY_TEXT, target=ANY_TEXT, headers=st.dictionaries(st.sampled_from(HEADER_NAMES), ANY_TEXT), body=st.binary()
)
def test_anything_from_the_wire_is_refused_with_a_reason(
    method: str, target: str, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(SignatureRefused):
        verify(method, target, headers, body, keys=KEYS.get, now=0)


@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_a_signed_request_has_one_spelling(data: st.DataObject) -> None:
    """Whatever is spliced into whichever part: the result is refused, or is the very request that was signed."""
    original = data.draw(st.sampled_from([case for case in GOLDEN["cases"] if case["body"].isascii()]))
    parts = {**original["headers"], "method": original["method"], "target_uri": original["target_uri"]}
    part = data.draw(st.sampled_from([*parts, "body"]))
    text: str = parts.get(part, original["body"])
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    pieces = st.sampled_from(["", " ", ";", ",", "=", '"', ":", "\t", "\n", "sig1=", "()", "A", "0"])
    spliced = (
        text[:start] + data.draw(st.one_of(pieces, st.text(st.characters(codec="utf-8"), max_size=4))) + text[end:]
    )
    changed = with_replaced(original, {"headers": {part: spliced}} if part in HEADER_NAMES else {part: spliced})
    try:
        verify_case(changed)
    except SignatureRefused:
        return
    assert changed == original

"""Verifies the signature of a terminal's request: RFC 9421 in one fixed profile, so that nothing is left to negotiate.

A request with a body carries

    Content-Digest: sha-256=:<base64>:
    Signature-Input: sig1=("@method" "@target-uri" "content-digest");created=<epoch s>;keyid="<key id>";alg="ed25519"
    Signature: sig1=:<base64>:

and one without a body the same with `("@method" "@target-uri")` and no Content-Digest. Whether there is a body decides,
not the method. Spelling, order and spacing are exactly these; anything else is refused with the reason. So exact a
profile needs no parser of structured fields, whose leniency is where signatures get bypassed.

Sources: RFC 9421 §2.5 (signature base), §3.3.6 (ed25519); RFC 9530 §2 (Content-Digest).
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_SKEW_S = 60
"""How far `created` may lie from the server's time, before or after, in seconds."""

_LABEL = "sig1="
_COVERED = '("@method" "@target-uri")'
_COVERED_WITH_BODY = '("@method" "@target-uri" "content-digest")'

_SIGNATURE_INPUT = re.compile(
    r'sig1=\("@method" "@target-uri"(?P<digest> "content-digest")?\)'
    r';created=(?P<created>[1-9][0-9]{0,11});keyid="(?P<keyid>[A-Za-z0-9._:-]{1,64})";alg="ed25519"'
)
# 64 bytes in base64: the last character before the padding carries two bits, so only four of the alphabet are
# canonical. The others would decode to the same bytes, and one signature would have several spellings.
_SIGNATURE = re.compile(r"sig1=:(?P<base64>[A-Za-z0-9+/]{85}[AQgw]==):")
_CONTENT_DIGEST = re.compile(r"sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:")
_METHOD = re.compile(r"[A-Z]{1,16}")
_TARGET_URI = re.compile(r"https?://[!-~]+")
_FOREIGN_ALGORITHM = re.compile(r';alg=(?!"ed25519")')


class Reason(StrEnum):
    """Why a signature was refused, in order of precedence."""

    REQUEST_UNSIGNABLE = "request_unsignable"
    """The method or target URI cannot stand in a signature base."""
    HEADER_MISSING = "header_missing"
    HEADER_REPEATED = "header_repeated"
    LABEL_UNEXPECTED = "label_unexpected"
    COMPONENTS_UNEXPECTED = "components_unexpected"
    ALGORITHM_UNEXPECTED = "algorithm_unexpected"
    PARAMETERS_UNEXPECTED = "parameters_unexpected"
    SIGNATURE_MALFORMED = "signature_malformed"
    CREATED_TOO_OLD = "created_too_old"
    CREATED_IN_FUTURE = "created_in_future"
    DIGEST_UNEXPECTED = "digest_unexpected"
    """A Content-Digest on a request without a body: nothing signs it."""
    DIGEST_MALFORMED = "digest_malformed"
    DIGEST_MISMATCH = "digest_mismatch"
    KEY_UNKNOWN = "key_unknown"
    """Never enrolled, or revoked."""
    SIGNATURE_WRONG = "signature_wrong"


class SignatureRefused(Exception):
    """The request is not signed as it must be. Nothing was done; the sender may sign again."""

    def __init__(self, reason: Reason, message: str, server_time: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.server_time = server_time
        """Epoch seconds: lets a terminal with a wrong clock see by how much it is wrong."""


class Verified(msgspec.Struct, frozen=True):
    """A signature that held: who signed and when, and what must be kept to prove it later (see `signature_base`)."""

    keyid: str
    created: int
    """Epoch seconds by the terminal's clock, within MAX_SKEW_S of the server's."""
    content_digest: str
    """The Content-Digest header; empty when the request has no body."""
    signature_input: str
    """The Signature-Input header."""
    signature: bytes
    """64 bytes."""


def verify(
    method: str,
    target_uri: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    keys: Callable[[str], Ed25519PublicKey | None],
    now: int,
) -> Verified:
    """Check that a request was signed, just now, by the holder of a known key; raise SignatureRefused otherwise.

    `target_uri` is the absolute URI as the client wrote it: scheme and authority as clients know them (behind a proxy:
    as configured), path and query as on the wire. `headers` is the server's case-insensitive multi-dict, or a plain
    mapping with the spellings above. `body` is the raw body, empty for none. `keys` gives the key of an id, None when
    it is unknown or revoked; it should return the same object each time, since building one costs. `now` is epoch
    seconds.
    """
    if not _METHOD.fullmatch(method) or not _TARGET_URI.fullmatch(target_uri):
        raise SignatureRefused(
            Reason.REQUEST_UNSIGNABLE,
            "The method must be upper-case letters and the target an absolute http(s) URI in printable ASCII.",
            now,
        )
    signature_input = _single(headers, "Signature-Input", now)
    signature_header = _single(headers, "Signature", now)

    parameters = _SIGNATURE_INPUT.fullmatch(signature_input)
    if parameters is None or (parameters["digest"] is not None) != bool(body):
        raise _off_profile(signature_input, bool(body), now)
    encoded = _SIGNATURE.fullmatch(signature_header)
    if encoded is None:
        raise SignatureRefused(
            Reason.SIGNATURE_MALFORMED, "The Signature header must be sig1=:<64 bytes in canonical base64>:.", now
        )
    created = int(parameters["created"])
    if abs(now - created) > MAX_SKEW_S:
        raise _untimely(created, now)
    content_digest = _checked_digest(headers, body, now)

    public_key = keys(parameters["keyid"])
    if public_key is None:
        raise SignatureRefused(
            Reason.KEY_UNKNOWN,
            f"The key {parameters['keyid']} is unknown or was revoked; enrol the terminal with a new one-time code.",
            now,
        )
    signature = b64decode(encoded["base64"])
    try:
        public_key.verify(signature, signature_base(method, target_uri, content_digest, signature_input))
    except InvalidSignature:
        raise SignatureRefused(
            Reason.SIGNATURE_WRONG,
            f"The signature does not fit this request and the key {parameters['keyid']}; "
            "sign exactly the method, target URI and digest that are sent.",
            now,
        ) from None
    return Verified(parameters["keyid"], created, content_digest, signature_input, signature)


def signature_base(method: str, target_uri: str, content_digest: str, signature_input: str) -> bytes:
    """What the terminal signed, from the pieces of a request or from what was stored of it (RFC 9421 §2.5).

    `content_digest` and `signature_input` are the header values, the digest empty for a request without a body.
    """
    digest = f'"content-digest": {content_digest}\n' if content_digest else ""
    return (
        f'"@method": {method}\n"@target-uri": {target_uri}\n{digest}"@signature-params": '
        f"{signature_input.removeprefix(_LABEL)}"
    ).encode("ascii")


def _single(headers: Mapping[str, str], name: str, now: int) -> str:
    value = headers.get(name)
    if value is None:
        raise SignatureRefused(Reason.HEADER_MISSING, f"The request must carry a {name} header.", now)
    # A multi-dict's get() shows the first line only; a proxy or a log may show another.
    getall = getattr(headers, "getall", None)
    if getall is not None and len(getall(name)) != 1:
        raise SignatureRefused(Reason.HEADER_REPEATED, f"The request must carry one {name} header, not several.", now)
    return value


def _checked_digest(headers: Mapping[str, str], body: bytes, now: int) -> str:
    """The Content-Digest header after it was compared with the body; empty for a request without a body."""
    if not body:
        if "Content-Digest" in headers:
            raise SignatureRefused(
                Reason.DIGEST_UNEXPECTED, "A request without a body must not carry a Content-Digest header.", now
            )
        return ""
    content_digest = _single(headers, "Content-Digest", now)
    if content_digest == f"sha-256=:{b64encode(sha256(body).digest()).decode()}:":
        return content_digest
    if _CONTENT_DIGEST.fullmatch(content_digest):
        raise SignatureRefused(
            Reason.DIGEST_MISMATCH, "The body is not the one the Content-Digest was made of; send it unchanged.", now
        )
    raise SignatureRefused(
        Reason.DIGEST_MALFORMED,
        "Content-Digest must be sha-256=:<32 bytes in canonical base64>: and nothing else.",
        now,
    )


def _off_profile(signature_input: str, has_body: bool, now: int) -> SignatureRefused:
    """Which part of a Signature-Input leaves the profile; called only once it is known to leave it."""
    expected = _COVERED_WITH_BODY if has_body else _COVERED
    if not signature_input.startswith(_LABEL):
        return SignatureRefused(Reason.LABEL_UNEXPECTED, "The signature's label must be sig1.", now)
    if not signature_input.startswith(f"{_LABEL}{expected}"):
        presence = "with" if has_body else "without"
        return SignatureRefused(
            Reason.COMPONENTS_UNEXPECTED, f"A request {presence} a body must sign exactly {expected}.", now
        )
    if _FOREIGN_ALGORITHM.search(signature_input):
        return SignatureRefused(Reason.ALGORITHM_UNEXPECTED, 'The only algorithm is alg="ed25519".', now)
    return SignatureRefused(
        Reason.PARAMETERS_UNEXPECTED,
        'The parameters must be ;created=<epoch seconds>;keyid="<id>";alg="ed25519", in this order and no others; '
        "an id is 1 to 64 of A-Z a-z 0-9 . _ : -",
        now,
    )


def _untimely(created: int, now: int) -> SignatureRefused:
    """Which side of the window `created` is on, and by how much: the usual cause is a wrong clock."""
    if created < now:
        reason, side = Reason.CREATED_TOO_OLD, "before"
    else:
        reason, side = Reason.CREATED_IN_FUTURE, "after"
    return SignatureRefused(
        reason,
        f"The request was signed {abs(now - created)} s {side} the server's time {now}, more than {MAX_SKEW_S} s; "
        "check the terminal's clock and sign again.",
        now,
    )

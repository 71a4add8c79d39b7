"""Offline terms: what a clinic's terminals may grant while they are cut off, signed beforehand.

Per card that was lately at the clinic: category, provisional rate and cap per visit type, until when. A card is named
by a hash with a salt of this issue, so that a terminal can recognise a card it reads and nobody can read a list of
cards off it. Each token is signed by the gateway and comes back with the claim it was used for.
"""

import base64
import binascii
import hmac
import os
from datetime import UTC, date, datetime, timedelta

import msgspec
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from gateway.books import Books
from gateway.config import OfflineConfig
from gateway.domain.calendar import SHANGHAI
from gateway.domain.claim import Card, Claim
from gateway.domain.decision import provisional_for
from gateway.store.line import Row
from gateway.store.statements import load
from rules import Entitlement, Rulebooks

_SQL = load("look_up")
_RECENT = timedelta(days=90)


class Grant(Struct, frozen=True, array_like=True):
    """What may be granted for one visit type."""

    visit_type: str
    rate: str
    ppm: int
    cap: int
    """Fen, over all claims of the term."""
    shared: str
    """Visit types that name the same share one cap."""
    counts: str


class Promise(Struct, frozen=True, array_like=True):
    """The signed part."""

    card_key: bytes
    rulebooks: str
    category: str
    grants: tuple[Grant, ...]
    per_claim: int
    since: int
    until: int
    """Epoch seconds."""


class CardTerms(Struct, frozen=True):
    """Terms for one card."""

    card: str
    """HMAC-SHA-256 of `kind:number` with the issue's salt, hex."""
    category: str
    grants: tuple[Grant, ...]
    token: str
    """Goes back with the claim, in `offline.terms`."""


class OfflineTerms(Struct, frozen=True):
    """One issue of terms."""

    salt: str
    issued_at: datetime
    expires_at: datetime
    per_claim: int
    """Fen of aid one claim may be granted."""
    terms: list[CardTerms]


async def issue_offline_terms(books: Books, clinic: str, config: OfflineConfig, key: Ed25519PrivateKey) -> OfflineTerms:
    """Terms for the cards that were at the clinic in the last 90 days, newest first, up to the configured number."""
    now = datetime.now(UTC)
    today = now.astimezone(SHANGHAI).date()
    async with books.pool.acquire() as connection:
        rulebooks = await books.shelf.newest(connection)
        recent = await connection.fetch(
            _SQL["recent_accounts"].sql,
            *_SQL["recent_accounts"].bind(clinic=clinic, since=today - _RECENT, most=config.accounts),
        )
        rows = await connection.fetch(_SQL["offline_facts"].sql, [row["account_id"] for row in recent])
    salt = os.urandom(16)
    until = now + timedelta(hours=config.hours)
    terms = []
    for row in rows:
        promise = _promise(row, rulebooks, today, config, now, until)
        if promise is not None:
            cards = zip(row["card_keys"], row["sealed"], strict=True)
            terms += [_card_terms(books, card_key, sealed, promise, salt, key) for card_key, sealed in cards]
    return OfflineTerms(salt.hex(), now, until, config.per_claim, terms)


def terms_hold(claim: Claim, card_key: bytes, key: Ed25519PublicKey) -> bool:
    """Are the terms of this offline claim ours, its card's, in time, and kept to?"""
    assert claim.offline is not None
    try:
        packed, signature = (base64.urlsafe_b64decode(part) for part in claim.offline.terms.split("."))
        key.verify(signature, packed)
        promise = msgspec.msgpack.decode(packed, type=Promise)
    except (ValueError, binascii.Error, InvalidSignature, msgspec.MsgspecError):
        return False
    cap = max((grant.cap for grant in promise.grants if grant.visit_type == claim.visit.type), default=0)
    return (
        promise.card_key == card_key
        and promise.since <= claim.at.timestamp() <= promise.until
        and claim.offline.provisional <= min(promise.per_claim, cap)
    )


def _promise(
    row: Row, rulebooks: Rulebooks, day: date, config: OfflineConfig, now: datetime, until: datetime
) -> Promise | None:
    """The promise to an account, still without its card; None when nothing may be promised."""
    if not row["categories"]:
        return None
    entitlements = tuple(
        Entitlement(*given)
        for given in zip(row["categories"], row["starts"], row["ends"], row["districts"], strict=True)
    )
    found = provisional_for(entitlements, day, rulebooks, orjson.loads(row["used"] or "{}"))
    if found is None:
        return None
    grants = tuple(Grant(*msgspec.structs.astuple(term)) for term in found.terms)
    return Promise(
        b"", found.rulebooks, found.category, grants, config.per_claim, int(now.timestamp()), int(until.timestamp())
    )


def _card_terms(
    books: Books, card_key: bytes, sealed: bytes, promise: Promise, salt: bytes, key: Ed25519PrivateKey
) -> CardTerms:
    card = msgspec.msgpack.decode(books.sealer.open(sealed, table="card", column="sealed", row=card_key), type=Card)
    packed = msgspec.msgpack.encode(msgspec.structs.replace(promise, card_key=card_key))
    token = base64.urlsafe_b64encode(packed) + b"." + base64.urlsafe_b64encode(key.sign(packed))
    digest = hmac.digest(salt, f"{card.kind}:{card.number}".encode(), "sha256").hex()
    return CardTerms(digest, promise.category, promise.grants, token.decode())

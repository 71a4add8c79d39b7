"""What makes a repeat the same, and records that open again."""

import msgspec

from gateway.domain.claim import Claim
from gateway.domain.operation import Author, Kind, fingerprint
from gateway.domain.outcome import Back, ClaimOutcome, Record, ReversalOutcome, Shortfall, pack, unpack
from tests.gateway.domain.scenes import AUTHOR, CARD, TODAY, claim, decide, facts, operation, prior, referred, uid

CONTENT = claim(prior=prior(3_000))
FIRST = fingerprint(Kind.CLAIM, AUTHOR, None, CONTENT)


def test_every_way_of_writing_the_same_json_is_the_same() -> None:
    fields = msgspec.json.decode(msgspec.json.encode(CONTENT))
    reordered = {name: fields[name] for name in reversed(fields)}
    spaced = msgspec.json.format(msgspec.json.encode(reordered), indent=4)
    assert fingerprint(Kind.CLAIM, AUTHOR, None, msgspec.json.decode(spaced, type=Claim)) == FIRST
    without_defaults = {name: value for name, value in fields.items() if value not in ("", None, [])}
    raw = msgspec.json.encode(without_defaults)
    assert fingerprint(Kind.CLAIM, AUTHOR, None, msgspec.json.decode(raw, type=Claim)) == FIRST


def test_everything_that_is_asked_makes_a_difference() -> None:
    changed = [msgspec.structs.replace(CONTENT, **change) for change in (
        {"total": 10_001}, {"cashier": "0043"}, {"prior": ()}, {"quote": "0" * 64}, {"supersedes": uid(3)},
        {"card": msgspec.structs.replace(CARD, number="X2")}, {"card": msgspec.structs.replace(CARD, kind="id")},
    )]  # fmt: skip
    prints = {fingerprint(Kind.CLAIM, AUTHOR, None, content) for content in changed}
    prints |= {
        fingerprint(Kind.REPLACEMENT, AUTHOR, None, CONTENT),
        fingerprint(Kind.CLAIM, Author("T2", "C1"), None, CONTENT),
        fingerprint(Kind.CLAIM, Author(staff="T1"), None, CONTENT),
        fingerprint(Kind.CLAIM, AUTHOR, uid(3), CONTENT),
    }
    assert len(prints - {FIRST}) == len(changed) + 4


def test_records_open_as_they_were_closed() -> None:
    made = decide(operation(CONTENT), facts())
    back = Back(uid(1), (0,), ("1",), (), (), whole=False, business_day=TODAY)
    outcomes = (
        made.outcome,
        ClaimOutcome(None, None, "", shortfall=Shortfall(5, 3, "clinic:C1")),
        ReversalOutcome(back),
        ReversalOutcome(tombstone=uid(2)),
    )
    for outcome in outcomes:
        record = Record(b"as it came", outcome)
        assert unpack(pack(record)) == record


def test_a_record_written_before_a_field_was_added_opens() -> None:
    """Fields are only ever added at the end, with defaults."""
    old = msgspec.msgpack.encode([b"raw", [1, None, None, "digest"]])
    assert unpack(old) == Record(b"raw", ClaimOutcome(None, None, "digest"))


def test_what_is_referred_to_knows_its_claim() -> None:
    assert msgspec.json.decode(referred(CONTENT).record.raw, type=Claim) == CONTENT

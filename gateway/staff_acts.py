"""What staff do to an account: freeze and unfreeze, entitle and stop, record use of a ceiling that happened elsewhere.

Each is an operation of the one pipeline, by its author, under an id of its own.
"""

from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from gateway.books import Books
from gateway.domain.claim import MAX_FEN
from gateway.domain.operation import Author, Entitle, Freeze, Kind, Operation, Stop, Unfreeze, Use, fingerprint
from gateway.lanes import Done

_KINDS: dict[type, Kind] = {
    Freeze: Kind.FREEZE,
    Unfreeze: Kind.UNFREEZE,
    Entitle: Kind.ENTITLE,
    Stop: Kind.STOP,
    Use: Kind.USE,
}


async def act(
    books: Books, staff: str, account: int, id_: UUID, content: Freeze | Unfreeze | Entitle | Stop | Use
) -> Done:
    """Runs one act on an account. Raises NotDone; ValueError for use beyond what any account could have."""
    if isinstance(content, Use) and abs(content.amount) > MAX_FEN:
        raise ValueError(f"use of {content.accumulator} must stay within {MAX_FEN} fen")
    kind = _KINDS[type(content)]
    author = Author(staff=staff)
    return await books.lanes.run(
        Operation(
            id=id_,
            kind=kind,
            account=account,
            content=content,
            author=author,
            at=datetime.now(UTC),
            fingerprint=fingerprint(kind, author, None, content),
            card_key=getattr(content, "card_key", b""),
            raw=msgspec.json.encode(content),
        )
    )


def id_of_fact(day: date, *parts: str) -> UUID:
    """The id of an act that was recorded elsewhere on a day: the same fact imported twice is one operation.

    A UUIDv7 whose time is the day's midnight (UTC) and whose random part is a hash of what the fact is.
    """
    digest = int.from_bytes(sha256("\n".join(parts).encode()).digest()[:10], "big")
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    random = ((digest >> 62) & 0xFFF) << 64 | 2 << 62 | digest & (2**62 - 1)
    return UUID(int=milliseconds << 80 | 7 << 76 | random)

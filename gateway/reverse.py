"""Reverse: take a claim back, wholly or some lines; also before it has arrived."""

from uuid import UUID

from msgspec import structs

from gateway.books import Books
from gateway.domain.claim import Reversal
from gateway.domain.operation import Author, Kind, Operation, fingerprint
from gateway.domain.refusal import Refusal
from gateway.lanes import Done, NotDone


async def reverse(
    books: Books,
    author: Author,
    claim_id: UUID,
    reversal_id: UUID,
    reversal: Reversal,
    raw: bytes,
    *,
    signature: bytes = b"",
    deadline: float | None = None,
) -> Done:
    """The reversal's stored outcome. A known claim needs no card. Raises NotDone; NOT_FOUND asks for the card.

    Staff take a claim back in the name of its clinic, whose payable was credited.
    """
    card_key = b""
    place = None if reversal.card and not author.staff else await books.directory.place_of_operation(claim_id)
    if author.staff and place is not None:
        author = structs.replace(author, clinic=place[1])
    if reversal.card is not None:
        account, card_key = await books.directory.account_of(reversal.card)
    elif place is not None:
        account = place[0]
    else:
        raise NotDone(Refusal.NOT_FOUND, ("card",))
    return await books.lanes.run(
        Operation(
            id=reversal_id,
            kind=Kind.REVERSAL,
            account=account,
            content=reversal,
            author=author,
            at=reversal.at,
            fingerprint=fingerprint(Kind.REVERSAL, author, claim_id, reversal),
            card_key=card_key,
            refers=claim_id,
            signature=signature,
            deadline=deadline,
            raw=raw,
        )
    )

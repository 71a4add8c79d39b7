"""Deduct: a claim, decided and posted, durably and exactly once."""

from uuid import UUID

from gateway.books import Books
from gateway.domain.claim import Claim
from gateway.domain.operation import Author, Kind, Operation, fingerprint
from gateway.lanes import Done


async def deduct(
    books: Books,
    author: Author,
    claim_id: UUID,
    claim: Claim,
    raw: bytes,
    *,
    signature: bytes = b"",
    deadline: float | None = None,
) -> Done:
    """The claim's stored outcome: approved, declined or challenged; the same one on every repeat. Raises NotDone."""
    return await books.lanes.run(
        await claim_operation(books, author, Kind.CLAIM, claim_id, claim, raw, claim.supersedes, signature, deadline)
    )


async def claim_operation(
    books: Books,
    author: Author,
    kind: Kind,
    id_: UUID,
    claim: Claim,
    raw: bytes = b"",
    refers: UUID | None = None,
    signature: bytes = b"",
    deadline: float | None = None,
) -> Operation:
    """The claim as an operation on the account its card opens."""
    account, card_key = await books.directory.account_of(claim.card)
    return Operation(
        id=id_,
        kind=kind,
        account=account,
        content=claim,
        author=author,
        at=claim.at,
        fingerprint=fingerprint(kind, author, refers, claim),
        card_key=card_key,
        refers=refers,
        signature=signature,
        deadline=deadline,
        raw=raw,
        diagnosis_key=books.directory.diagnosis_key(claim.visit.diagnosis, account),
    )

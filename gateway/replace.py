"""Replace: a reversal of a claim and a new claim at the original day of service, as one operation."""

from uuid import UUID

from gateway.books import Books
from gateway.deduct import claim_operation
from gateway.domain.claim import Claim
from gateway.domain.operation import Author, Kind
from gateway.lanes import Done


async def replace(
    books: Books,
    author: Author,
    claim_id: UUID,
    new_id: UUID,
    claim: Claim,
    raw: bytes,
    *,
    signature: bytes = b"",
    deadline: float | None = None,
) -> Done:
    """Either both or nothing: when the new claim is not approved, the original stands. Raises NotDone."""
    return await books.lanes.run(
        await claim_operation(books, author, Kind.REPLACEMENT, new_id, claim, raw, claim_id, signature, deadline)
    )

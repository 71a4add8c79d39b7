"""Issue a quote: the split of a claim on the newest facts, and nothing changed."""

from uuid import UUID

from gateway.books import Books
from gateway.deduct import claim_operation
from gateway.domain.claim import Claim
from gateway.domain.decision import Quoted
from gateway.domain.operation import Author, Kind

_NO_ID = UUID(int=0)


async def issue_quote(books: Books, author: Author, claim: Claim, *, deadline: float | None = None) -> Quoted:
    """The same calculation as a deduction, by the same function. Raises NotDone."""
    return await books.lanes.quote(
        await claim_operation(books, author, Kind.CLAIM, _NO_ID, claim, refers=claim.supersedes, deadline=deadline)
    )

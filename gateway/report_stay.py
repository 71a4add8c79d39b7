"""Report a stay: admitted to a clinic, or discharged from it."""

from gateway.books import Books
from gateway.domain.claim import StayReport
from gateway.domain.operation import Author, Kind, Operation, fingerprint
from gateway.lanes import Done


async def report_stay(
    books: Books, author: Author, stay: str, report: StayReport, raw: bytes, *, signature: bytes = b""
) -> Done:
    """The report's stored outcome. Raises NotDone."""
    account, card_key = await books.directory.account_of(report.card)
    return await books.lanes.run(
        Operation(
            id=report.operation,
            kind=Kind.STAY,
            account=account,
            content=report,
            author=author,
            at=report.admitted or report.discharged or report.at,
            fingerprint=fingerprint(Kind.STAY, author, None, report, stay),
            card_key=card_key,
            signature=signature,
            raw=raw,
            stay=stay,
        )
    )

"""Selfcheck: what must always be true of the books, looked at row by row; and stored claims, worked out again.

`selfcheck` asks PostgreSQL and needs nothing else: run it every minute. `selfcheck_records` opens every stored
operation and recomputes it: run it every night.
"""

from msgspec import Struct

from gateway.store.checks import Tally, tallies
from gateway.store.line import Connection

TITLES = {
    "entries_sum_to_zero": ("I01", "every entry sums to zero"),
    "book_sums_to_zero": ("I02", "the book sums to zero"),
    "ledgers_are_known": ("I02", "postings are on known ledger accounts only"),
    "postings_have_their_operation": ("I05", "only approved operations are posted"),
    "postings_equal_aid": ("I05", "postings equal the aid that was decided"),
    "reversals_give_back_at_most": ("I08", "no fund gets back more than it gave"),
    "claims_are_taken_back_once": ("I05", "a claim is taken back wholly at most once"),
    "references_hold": ("I09", "operations refer to what they may refer to"),
    "claims_are_followed_once": ("I09", "a claim is superseded at most once"),
    "tombstones_have_their_reversal": ("I09", "every spent id has the reversal that spent it"),
    "settlements_stand_once": ("I05", "a prior settlement stands behind one claim at most"),
    "settlements_stand_with_their_claim": ("I09", "a prior settlement stands as long as its claim"),
    "versions_are_contiguous": ("I09", "an account's operations are numbered without gaps"),
    "movements_form_a_chain": ("I10", "balances of accumulators follow from their movements"),
    "ceilings_hold": ("I10", "no ceiling is passed but by an exception"),
    "use_is_not_given_back_twice": ("I08", "no claim gives back more use than was taken"),
    "movements_have_their_operation": ("I10", "only approved operations move accumulators"),
    "activity_is_complete": ("I15", "every attempt is in the activity that counters read"),
    "alerts_have_their_claim": ("I16", "every alert has the claim that raised it"),
    "shortfalls_have_their_claim": ("I13", "every shortfall has its claim"),
    "entitlements_have_their_operation": ("I09", "every entitlement was given, and ended, by an operation"),
    "business_days_follow_the_clock": ("I12", "business days follow the clock"),
    "rulebooks_are_kept": ("I14", "every set of rulebooks that was applied is kept"),
}
"""Statement of selfcheck.sql -> (invariant, what it promises)."""


class Finding(Struct, frozen=True):
    """One check's result; clean when there are no violations."""

    id: str
    """`I01.entries_sum_to_zero`: the invariant, and the statement that looked."""
    title: str
    checked: int
    """Rows looked at."""
    violations: int
    examples: tuple[str, ...] = ()
    """Which, to begin with: operation ids, account ids, ledger accounts; nothing that says who a person is."""


async def selfcheck(connection: Connection) -> list[Finding]:
    """Looks at the whole book on one snapshot, while it is in use. A connection as `Database.connect` makes them, in
    no transaction.

    One finding per check, in the order of the checks, also of those that found nothing wrong.
    """
    return [_finding(*TITLES[tally.name], tally) for tally in await tallies(connection)]


def wrong(findings: list[Finding]) -> list[Finding]:
    """Those that found something."""
    return [finding for finding in findings if finding.violations]


def _finding(invariant: str, title: str, tally: Tally) -> Finding:
    return Finding(f"{invariant}.{tally.name}", title, tally.checked, tally.violations, tally.examples)

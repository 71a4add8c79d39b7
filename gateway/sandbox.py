"""The sandbox: books of their own, in which special cards produce every decision, refusal and unknown outcome.

A terminal marked `sandbox` in the configuration works here; what it does never touches the real books, which are
another schema.

- `SANDBOX-APPROVED` is entitled (DIBAO); `SANDBOX-APPROVED-TEKUN` wholly. What they are told is computed, not made up.
- `SANDBOX-<REFUSAL>`, such as `SANDBOX-CARD_FROZEN`, gets just that refusal for its claims: stored where the real one
  would be. A claim that supersedes one of `SANDBOX-CHECK_IDENTITY` or `SANDBOX-QUOTE_CHANGED` is decided as any other.
- `SANDBOX-BELOW_DEDUCTIBLE` has a deductible of 300 yuan: smaller claims are approved, and get nothing yet.
- `SANDBOX-OUTCOME_UNKNOWN` is decided as an approved one, but the first answer is withheld: ask again with the same id.

Whoever tries things out sends the same claim again and again: to the counters each is the first, and no deductible or
ceiling is used up.
"""

from collections.abc import Callable
from datetime import date

from msgspec import structs

from gateway.books import Books
from gateway.config import Config
from gateway.domain.claim import Card, Claim
from gateway.domain.decision import Answer, decide, declined_for
from gateway.domain.effects import Decision, Refused
from gateway.domain.facts import Facts
from gateway.domain.operation import Entitle, Operation
from gateway.domain.refusal import SAYINGS, Refusal
from gateway.rulebooks import shipped
from gateway.staff_acts import act, id_of_fact
from gateway.store.directory import Resident
from gateway.trust.keyfile import MasterKey
from rules import Rulebooks

SANDBOX_SCHEMA = "sandbox"
PREFIX = "SANDBOX-"
UNKNOWN = PREFIX + Refusal.OUTCOME_UNKNOWN
_ENTITLED = {
    PREFIX + "APPROVED": "DIBAO",
    PREFIX + "APPROVED-TEKUN": "TEKUN",
    PREFIX + Refusal.BELOW_DEDUCTIBLE: "LOWINC",
    UNKNOWN: "DIBAO",
}
_SINCE = date(2026, 1, 1)
_FORCED = {
    PREFIX + refusal: refusal
    for refusal in Refusal
    if refusal not in (Refusal.OUTCOME_UNKNOWN, Refusal.CARD_UNKNOWN, Refusal.NOT_ENTITLED, Refusal.BELOW_DEDUCTIBLE)
}
_WAYS_OUT = (Refusal.CHECK_IDENTITY, Refusal.QUOTE_CHANGED)
"""Refusals that are answered with another claim, which supersedes the first."""


async def open_sandbox(
    dsn: str, key: MasterKey, config: Config, *, revive: Callable[[], object] | None = None
) -> Books:
    """The sandbox's books, with its clinics, terminals and special cards registered and the shipped rulebooks in
    force."""
    books = await Books.open(dsn, SANDBOX_SCHEMA, key, name="aidgate sandbox", decide=decide_in_sandbox, revive=revive)
    await books.activate(shipped(), by="sandbox")
    for terminal in config.terminal:
        if terminal.sandbox:
            await books.directory.register_clinic(terminal.clinic, f"Sandbox {terminal.clinic}", "310104000")
            await books.directory.register_terminal(terminal.id, terminal.clinic)
    for card in (*_ENTITLED, PREFIX + Refusal.NOT_ENTITLED, *_FORCED):
        # The holders are nobody: their id numbers are the cards' own names.
        account, _ = await books.directory.register_resident(Resident("沙箱", card), "310104000")
        await books.directory.register_card(Card(number=card), account)
        category = _ENTITLED.get(card, "DIBAO" if card in _FORCED else "")
        if category:
            entitle = Entitle(category, _SINCE, "sandbox", None, "310104")
            await act(books, "sandbox", account, id_of_fact(_SINCE, "sandbox", card), entitle)
    return books


def decide_in_sandbox(operation: Operation, facts: Facts, rulebooks: Rulebooks) -> Answer:
    """As `decide`, but a special card's claim gets its refusal. Replays are replays here too."""
    facts = structs.replace(facts, activity=())
    if facts.stored is None and isinstance(operation.content, Claim) and (forced := _forced(operation.content)):
        if SAYINGS[forced].stored:
            return declined_for(operation, operation.content, facts, rulebooks, forced)
        return Refused(forced)
    answer = decide(operation, facts, rulebooks)
    return structs.replace(answer, uses=()) if isinstance(answer, Decision) else answer


def _forced(claim: Claim) -> Refusal | None:
    """What the card stands for, unless the claim is the way out of it."""
    forced = _FORCED.get(claim.card.number)
    return None if forced in _WAYS_OUT and claim.supersedes else forced


def withholds_answer(card: Card, *, replayed: bool) -> bool:
    """Is this the claim whose first answer gets lost?"""
    return card.number == UNKNOWN and not replayed

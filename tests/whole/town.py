"""A small town drawn from a seed: tight limits, a few people, clinics, and what tends to happen there.

Everything that shapes a run is drawn: ceilings small enough to bind, counters off, gentle or harsh, some actions off
and others wild. A fixed town hides a broken refusal from every seed.
"""

import re
from dataclasses import dataclass
from datetime import date
from random import Random

import asyncpg

from gateway.books import Books
from gateway.domain.claim import Card
from gateway.domain.operation import Author
from gateway.store.directory import Resident
from gateway.store.embedded import Server
from rules import Rulebooks, load_rulebooks, shipped
from tests.books import KEY, entitle, today

ACTIONS = (
    "claim", "claim_as_quoted", "claim_on_old_quote", "claim_twice_at_once", "claim_offline", "claim_late",
    "claim_too_late", "claim_in_hospital", "claim_with_unknown_card", "claim_on_used_settlement",
    "claim_on_freed_settlement",
    "same_id_other_content", "same_id_other_card",
    "reverse", "reverse_lines", "reverse_first", "reverse_at_once", "reverse_with_wrong_card", "reverse_elsewhere",
    "replace", "supersede", "supersede_nothing", "ask_again",
    "freeze", "unfreeze", "entitle", "stop", "use", "admit", "discharge",
)  # fmt: skip
_ALWAYS = ("claim", "reverse")


@dataclass(frozen=True)
class Person:
    """A resident of the town."""

    account: int
    cards: tuple[Card, ...]
    entitlements: tuple[object, ...]


@dataclass(frozen=True)
class Town:
    """Who and what there is, and how often what happens."""

    seed: int
    people: tuple[Person, ...]
    strangers: tuple[Card, ...]
    desks: tuple[Author, ...]
    frozen_places: dict[str, int]
    """Clinic or terminal -> its account."""
    rulebooks: tuple[Rulebooks, ...]
    weights: dict[str, float]
    clients: int
    operations: int
    most: int
    """Most a line costs, in fen."""


def draw_rulebooks(random: Random) -> Rulebooks:
    """The shipped rulebooks with ceilings of a few yuan, and counters that are off, as shipped, or harsh."""
    files = dict(shipped().files)
    for path in (
        "shanghai_medical_aid/ceilings.toml",
        "shanghai_medical_aid/deductibles.toml",
        "xuhui_top_up/numbers.toml",
    ):
        small = re.sub(
            rb'(unit = "yuan"\nvalue = )\d+',
            lambda match: match[1] + b"%d" % random.choice((3, 20, 90, 400)),
            files[path],
        )
        files[path] = small
    counters = random.choice(("off", "off", "shipped", "harsh", "gentle"))
    if counters == "off":
        files = {path: content for path, content in files.items() if not path.startswith("counters/")}
    elif counters != "shipped":
        files["counters/card.toml"] = re.sub(
            rb"(?<=at = )(\d+)",
            lambda match: b"%d" % (max(1, int(match[1]) - 1) if counters == "harsh" else int(match[1]) * 8),
            files["counters/card.toml"],
        )
    return load_rulebooks(files)


async def build(server: Server, seed: int) -> Town:
    """Sets the town up in a migrated database."""
    random = Random(seed)
    books = await Books.open(server.dsn(), "aidgate", KEY)
    try:
        rulebooks = tuple(draw_rulebooks(random) for _ in range(random.choice((1, 1, 2, 3))))
        await books.activate(rulebooks[0], by="town")
        await _settle(server, random)
        desks, places = await _clinics(books)
        people = tuple([await _person(books, random, number) for number in range(random.choice((1, 2, 4)))])
    finally:
        await books.close()
    weights = {
        action: 0.0 if action not in _ALWAYS and random.random() < 0.35 else random.expovariate(1) + 0.02
        for action in ACTIONS
    }
    return Town(
        seed=seed,
        people=people,
        strangers=(Card("X-nobody-1"), Card("X-nobody-2")),
        desks=desks,
        frozen_places=places,
        rulebooks=rulebooks,
        weights=weights,
        clients=random.choice((3, 8, 20)),
        operations=random.choice((120, 200)),
        most=random.choice((300, 2_000, 20_000)),
    )


async def _settle(server: Server, random: Random) -> None:
    owner = await asyncpg.connect(server.dsn())
    for name, value in (
        ("business_day_cut_off", random.choice(("00:00", "22:00", "12:00", "03:30"))),
        ("shortfall_owner", random.choice(("clinic", "fund"))),
    ):
        await owner.execute("UPDATE aidgate.setting SET value = $2 WHERE name = $1", name, value)
    await owner.close()


async def _clinics(books: Books) -> tuple[tuple[Author, ...], dict[str, int]]:
    places: dict[str, int] = {}
    desks = []
    for clinic, lat, terminals in (("C1", 31.20, ("T1", "T2")), ("C2", 31.90, ("T3",))):
        await books.directory.register_clinic(clinic, f"Clinic {clinic}", "310104003", lat=lat, lon=121.44)
        places[clinic] = await books.directory.account_of_clinic(clinic)
        for terminal in terminals:
            await books.directory.register_terminal(terminal, clinic)
            places[terminal] = await books.directory.account_of_terminal(terminal)
            desks.append(Author(terminal, clinic))
    return tuple(desks), places


async def _person(books: Books, random: Random, number: int) -> Person:
    resident = Resident(f"测试{number}", f"31010420990101{number:03}X")
    account, _ = await books.directory.register_resident(resident, "310104003")
    cards = [Card(f"X-{number}-{place}") for place in range(random.choice((1, 2)))]
    for card in cards:
        await books.directory.register_card(card, account)
    given = []
    for category in random.choice((("DIBAO",), ("LOWINC",), ("DIBAO", "LOWINC"), ("TEKUN",), ("EXPEND", "LOCAL"), ())):
        starts = date(today().year - 1, 1, 1)
        given.append(await entitle(books, account, category, starts, random.choice(("310104", "310101"))))
    return Person(account, (*cards, Card(resident.identity, "id")), tuple(given))

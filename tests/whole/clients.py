"""What happens in a town: clients that race each other through several gateways."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import msgspec

from gateway.domain.claim import (
    Card,
    Claim,
    ClaimLine,
    IdentityCheck,
    Offline,
    PriorPayment,
    Reversal,
    StayReport,
    Visit,
)
from gateway.domain.operation import Author, Entitle, Freeze, Stop, Unfreeze, Use
from gateway.domain.refusal import Refusal
from gateway.trust.blind import BlindIndex
from tests.books import KEY, today
from tests.whole.journal import Gateway, Journal, insist, until_known
from tests.whole.process import Ask, Told
from tests.whole.town import Person, Town

_BLIND = BlindIndex(KEY.blind_key())
_ITEMS = ("ZZ0101", "ZZ0104", "ZZ0001", "ZZ0107", "ZZ0023", "ZZ0301", "unmapped")


class Bustle:
    """One run of a town."""

    def __init__(self, town: Town, gateways: Sequence[Gateway], journal: Journal) -> None:
        self.town = town
        self.gateways = gateways
        self.journal = journal
        self.random = Random(town.seed * 7 + 1)
        self.claims: list[tuple[Ask, Person, Claim]] = []
        self.told: dict[UUID, dict[str, object]] = {}
        self.numbers = 0
        self.entitlements = [(person, id_) for person in town.people for id_ in person.entitlements]
        self.stays: list[tuple[Person, Author, str, Card]] = []
        self.left = town.operations
        self.enough: Callable[[], bool] = lambda: True

    async def run(self) -> None:
        """Until all operations of the town have come to an end, and there were enough of them."""
        await asyncio.gather(*(self._client() for _ in range(self.town.clients)))

    async def _client(self) -> None:
        names, weights = zip(*self.town.weights.items(), strict=True)
        while self.left > 0 or not self.enough():
            self.left -= 1
            await getattr(self, self.random.choices(names, weights)[0])()

    # How requests are made

    def new_id(self) -> UUID:
        """A UUIDv7 of now, its random part from the seed."""
        return UUID(
            int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | 2 << 62 | self.random.getrandbits(62)
            | self.random.getrandbits(12) << 64
        )  # fmt: skip

    def person(self) -> Person:
        return self.random.choice(self.town.people)

    def make(self, card: Card, **changes: object) -> Claim:
        """A claim with lines, payers before aid and a settlement now and then, as drawn."""
        random = self.random
        self.numbers += 1
        lines = tuple(
            ClaimLine(
                str(place), random.choice(_ITEMS), random.randint(1, self.town.most), days=random.choice((0, 0, 30))
            )
            for place in range(1, random.choice((1, 2, 3, 5)) + 1)
        )
        total = sum(line.amount for line in lines)
        prior = ()
        if random.random() < 0.5:
            settlement = f"S{self.numbers}" if random.random() < 0.7 else ""
            payer = random.choice(("basic_pool", "major_illness", "personal_account"))
            prior = (PriorPayment(payer, random.randint(0, total), settlement),)
        visit = Visit(
            id=f"V{random.randint(1, 6)}",
            type=random.choice(("outpatient", "outpatient", "emergency")),
            day=today() - timedelta(days=random.choice((0, 0, 0, 1, 400))),
            bill=f"B{self.numbers}",
            diagnosis=random.choice(("", "E11", "I10")),
        )
        claim = Claim(card=card, visit=visit, at=datetime.now(UTC), total=total, lines=lines, prior=prior)
        return msgspec.structs.replace(claim, **changes)

    def request(self, person: Person, claim: Claim, desk: Author | None = None, id_: UUID | None = None) -> Ask:
        ask = Ask("deduct", id_ or self.new_id(), desk or self.desk(), msgspec.json.encode(claim), claim.supersedes)
        self.claims.append((ask, person, claim))
        return ask

    def desk(self) -> Author:
        return self.random.choice(self.town.desks)

    async def send(self, ask: Ask) -> Told:
        told = await insist(self.journal, self.gateways, ask, self.random.randrange(len(self.gateways)))
        if told.stored and ask.verb != "quote":
            self.told[ask.id] = msgspec.json.decode(told.body)
        return told

    def some_claim(self) -> tuple[Ask, Person, Claim] | None:
        """One of those just sent, or any."""
        if not self.claims:
            return None
        return self.random.choice(self.claims[-10:] if self.random.random() < 0.7 else self.claims)

    def reversal(self, claim_ask: Ask, *, desk: Author | None = None, **content: object) -> Ask:
        reversal = msgspec.structs.replace(Reversal("void", datetime.now(UTC)), **content)
        return Ask("reverse", self.new_id(), desk or claim_ask.author, msgspec.json.encode(reversal), claim_ask.id)

    # Claims

    async def claim(self) -> None:
        person = self.person()
        await self.send(self.request(person, self.make(self.random.choice(person.cards))))

    async def claim_as_quoted(self) -> None:
        person, desk = self.person(), self.desk()
        claim = self.make(self.random.choice(person.cards))
        quote = await self._quote(claim, desk)
        await self.send(self.request(person, msgspec.structs.replace(claim, quote=quote), desk))

    async def claim_on_old_quote(self) -> None:
        person, desk = self.person(), self.desk()
        claim = self.make(self.random.choice(person.cards), quote="0" * 64)
        await self.send(self.request(person, claim, desk))

    async def _quote(self, claim: Claim, desk: Author) -> str:
        told = await until_known(self.gateways, Ask("quote", UUID(int=0), desk, msgspec.json.encode(claim)))
        return told.body.decode()

    async def claim_twice_at_once(self) -> None:
        person = self.person()
        ask = self.request(person, self.make(self.random.choice(person.cards)))
        await asyncio.gather(*(insist(self.journal, self.gateways, ask, place) for place in range(3)))

    async def claim_offline(self) -> None:
        person = self.person()
        claim = self.make(self.random.choice(person.cards))
        offline = Offline(self.random.randint(0, claim.total), self.random.choice(("", "signed terms")))
        at = datetime.now(UTC) - timedelta(hours=self.random.randint(0, 30))
        visit = msgspec.structs.replace(claim.visit, day=today() - timedelta(days=2))
        await self.send(self.request(person, msgspec.structs.replace(claim, offline=offline, at=at, visit=visit)))

    async def claim_late(self) -> None:
        person = self.person()
        claim = self.make(self.random.choice(person.cards))
        at = datetime.now(UTC) - timedelta(minutes=self.random.randint(1, 70 * 60))
        visit = msgspec.structs.replace(claim.visit, day=today() - timedelta(days=4))
        await self.send(self.request(person, msgspec.structs.replace(claim, at=at, visit=visit)))

    async def claim_too_late(self) -> None:
        """Nothing is stored of it, unless somebody has spent its id already."""
        person = self.person()
        at = datetime.now(UTC) + timedelta(hours=self.random.choice((-73, 1)))
        told = await self.send(self.request(person, self.make(self.random.choice(person.cards), at=at)))
        assert told.refusal in (Refusal.EVENT_TIME_OUT_OF_RANGE, Refusal.ID_REUSED) or told.replayed, told

    async def claim_in_hospital(self) -> None:
        person = self.person()
        claim = self.make(self.random.choice(person.cards))
        admitted = today() - timedelta(days=self.random.choice((3, 400)))
        visit = msgspec.structs.replace(claim.visit, type="inpatient", admitted=admitted, discharged=today())
        await self.send(self.request(person, msgspec.structs.replace(claim, visit=visit)))

    async def claim_with_unknown_card(self) -> None:
        person = self.person()
        await self.send(self.request(person, self.make(self.random.choice(self.town.strangers))))

    async def claim_on_used_settlement(self) -> None:
        """The same settlement behind two claims at once, of two people where there are two."""
        self.numbers += 1
        prior = (
            PriorPayment(
                "basic_pool", 1, f"S{self.random.choice((self.numbers, self.random.randint(1, self.numbers)))}"
            ),
        )
        asks = []
        for _ in range(2):
            person = self.person()
            asks.append(self.request(person, self.make(self.random.choice(person.cards), prior=prior)))
        await asyncio.gather(*map(self.send, asks))

    async def claim_on_freed_settlement(self) -> None:
        """A claim is taken back, and somebody claims on what was paid before it."""
        self.numbers += 1
        prior = (PriorPayment("basic_pool", 1, f"S{self.numbers}"),)
        person = self.person()
        claim = self.make(self.random.choice(person.cards), prior=prior)
        ask = self.request(person, claim)
        await self.send(ask)
        lines = tuple(line.id for line in claim.lines)[self.random.choice((0, 0, 1)) :]
        await self.send(self.reversal(ask, card=claim.card, lines=lines))
        other = self.random.choice((person, self.person()))
        await self.send(self.request(other, self.make(self.random.choice(other.cards), prior=prior)))

    async def same_id_other_content(self) -> None:
        person, desk = self.person(), self.desk()
        one = self.make(self.random.choice(person.cards))
        other = msgspec.structs.replace(one, total=one.total + 1, lines=(*one.lines, ClaimLine("x", "ZZ0101", 1)))
        first = self.request(person, one, desk)
        await self._swapped(first, msgspec.structs.replace(first, raw=msgspec.json.encode(other)))

    async def same_id_other_card(self) -> None:
        card = self.random.choice((*self.town.strangers, *self.person().cards))
        person = self.person()
        one = self.make(self.random.choice(person.cards))
        first = self.request(person, one)
        await self._swapped(
            first, msgspec.structs.replace(first, raw=msgspec.json.encode(msgspec.structs.replace(one, card=card)))
        )

    async def _swapped(self, one: Ask, other: Ask) -> None:
        """At once, or one after the other: one of the two at most is stored (somebody may have spent the id before)."""
        if self.random.random() < 0.5:
            told = await asyncio.gather(self.send(one), self.send(other))
        else:
            told = [await self.send(one), await self.send(other)]
        assert {each.refusal for each in told} <= {"", Refusal.ID_REUSED}, told
        assert len({each.body for each in told if each.stored}) <= 1, told

    async def ask_again(self) -> None:
        """Any earlier request, word for word."""
        if self.journal.heard:
            heard = self.journal.heard[self.random.choice(list(self.journal.heard))]
            await self.send(self.random.choice(heard.asks))

    # Taking back

    async def reverse(self) -> None:
        if found := self.some_claim():
            await self.send(self.reversal(found[0], card=found[2].card))

    async def reverse_lines(self) -> None:
        if found := self.some_claim():
            lines = [line.id for line in found[2].lines] + ["no such line"] * (self.random.random() < 0.1)
            some = tuple(self.random.sample(lines, self.random.randint(1, len(lines))))
            await self.send(self.reversal(found[0], card=found[2].card, lines=some))

    async def reverse_first(self) -> None:
        person = self.person()
        claim = self.make(self.random.choice(person.cards))
        ask = self.request(person, claim)
        await self.send(self.reversal(ask, card=claim.card))
        await self.send(ask)

    async def reverse_at_once(self) -> None:
        person = self.person()
        claim = self.make(self.random.choice(person.cards))
        ask = self.request(person, claim)
        await asyncio.gather(self.send(ask), self.send(self.reversal(ask, card=claim.card)))

    async def reverse_with_wrong_card(self) -> None:
        if found := self.some_claim():
            await self.send(
                self.reversal(found[0], card=self.random.choice((*self.town.strangers, *self.person().cards)))
            )

    async def reverse_elsewhere(self) -> None:
        if found := self.some_claim():
            await self.send(self.reversal(found[0], desk=self.desk(), card=found[2].card))

    async def replace(self) -> None:
        if found := self.some_claim():
            ask, person, claim = found
            new = self.make(claim.card)
            day = claim.visit.day if self.random.random() < 0.9 else new.visit.day
            prior = (
                claim.prior
                if self.random.random() < 0.5 and sum(p.amount for p in claim.prior) <= new.total
                else new.prior
            )
            new = msgspec.structs.replace(new, visit=msgspec.structs.replace(claim.visit, day=day), prior=prior)
            again = Ask("replace", self.new_id(), ask.author, msgspec.json.encode(new), ask.id)
            self.claims.append((again, person, new))
            await self.send(again)

    async def supersede(self) -> None:
        """What was challenged is sent again with the check made; what had another split, as it is offered now."""
        for ask, person, claim in reversed(self.claims):
            told = self.told.get(ask.id, {})
            if ask.verb == "deduct" and (
                told.get("verdict") == "challenged" or told.get("reason") == Refusal.QUOTE_CHANGED
            ):
                check = IdentityCheck("id_card", "a cashier", datetime.now(UTC))
                new = msgspec.structs.replace(
                    claim,
                    supersedes=ask.id,
                    identity_check=check,
                    quote=str(told.get("quote", "")),
                    at=datetime.now(UTC),
                )
                await self.send(self.request(person, new, ask.author))
                return

    async def supersede_nothing(self) -> None:
        if found := self.some_claim():
            new = self.make(self.random.choice(self.person().cards), supersedes=found[0].id)
            await self.send(self.request(found[1], new, self.random.choice((found[0].author, self.desk()))))

    # What staff do meanwhile

    async def _act(self, account: int, content: Freeze | Unfreeze | Entitle | Stop | Use) -> UUID:
        ask = Ask("act", self.new_id(), Author(staff="bureau"), msgspec.json.encode(content), account=account)
        await self.send(ask)
        return ask.id

    async def freeze(self) -> None:
        until = self.random.choice((None, today(), today() + timedelta(days=1), today() + timedelta(days=30)))
        await self._freeze_or_not(lambda subject, key: Freeze(subject, "tests", until, key))

    async def unfreeze(self) -> None:
        await self._freeze_or_not(lambda subject, key: Unfreeze(subject, "tests", key))

    async def _freeze_or_not(self, make: object) -> None:
        assert callable(make)
        subject = self.random.choice(("card", "account", "terminal", "clinic"))
        if subject in ("card", "account"):
            person = self.person()
            key = card_key(self.random.choice(person.cards)) if subject == "card" else b""
            await self._act(person.account, make(subject, key))
        else:
            desk = self.desk()
            place = desk.clinic if subject == "clinic" else desk.terminal
            await self._act(self.town.frozen_places[place], make(subject, b""))

    async def entitle(self) -> None:
        person = self.person()
        category = self.random.choice(("DIBAO", "LOWINC", "TEKUN", "EXPEND", "LOCAL"))
        starts = today() - timedelta(days=self.random.choice((0, 10, 500)))
        ends = self.random.choice((None, None, today() - timedelta(days=0), today() + timedelta(days=9)))
        id_ = await self._act(
            person.account, Entitle(category, starts, "tests", ends, self.random.choice(("310104", "")))
        )
        self.entitlements.append((person, id_))

    async def stop(self) -> None:
        if self.entitlements:
            person, id_ = self.random.choice(self.entitlements)
            person = person if self.random.random() < 0.9 else self.person()
            last_day = today() - timedelta(days=self.random.choice((0, 1, 900)))
            await self._act(person.account, Stop(id_, last_day, "tests"))

    async def use(self) -> None:
        names = (
            "shanghai_medical_aid.aid_outpatient",
            "shanghai_medical_aid.deductible_outpatient",
            "xuhui_top_up.aid",
        )
        name = f"{self.random.choice(names)}.{today().year}"
        amount = self.random.choice((1, -1, 50, 1000, -1000))
        await self._act(self.person().account, Use(name, amount, "paper", "tests"))

    async def admit(self) -> None:
        person, desk = self.person(), self.desk()
        self.numbers += 1
        stay, card = f"stay{self.numbers}", self.random.choice(person.cards)
        self.stays.append((person, desk, stay, card))
        await self._stay(desk, stay, card, admitted=True)

    async def discharge(self) -> None:
        if self.stays:
            _, desk, stay, card = self.random.choice(self.stays)
            await self._stay(self.random.choice((desk, desk, self.desk())), stay, card, admitted=False)

    async def _stay(self, desk: Author, stay: str, card: Card, *, admitted: bool) -> None:
        now, id_ = datetime.now(UTC), self.new_id()
        report = StayReport(card, id_, now, now if admitted else None, None if admitted else now)
        await self.send(Ask("stay", id_, desk, msgspec.json.encode(report), stay=stay))


def card_key(card: Card) -> bytes:
    """What the card is known by inside."""
    return _BLIND.card(f"{card.kind}:{card.number}")

"""Reads the whole of a small book back, and holds it against the model and against what clients were told."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import msgspec

from gateway.api.answers import render
from gateway.books import Books
from gateway.domain.facts import Stored
from gateway.domain.operation import Kind, Verdict
from gateway.selfcheck import selfcheck, selfcheck_records, wrong
from gateway.store.embedded import Server
from rules import Activity
from tests.books import KEY
from tests.whole.journal import Journal
from tests.whole.model import Model
from tests.whole.model_books import Account, Mismatch, Span, Written

Connection = Any


async def settle_accounts(server: Server, journal: Journal) -> Model:
    """What must hold after a run: the books are sound, the model agrees, and nobody was told anything else."""
    books = await Books.open(server.dsn(), "aidgate", KEY)
    connection = await books.database.connect()
    try:
        assert not wrong(await selfcheck(connection)), wrong(await selfcheck(connection))
        assert not wrong(await selfcheck_records(books)), wrong(await selfcheck_records(books))
        written = await read_written(books, connection, journal)
        model = await _model(books, connection, written)
        model.replay()
        await _compare_final_state(connection, model)
        compare_answers(written, journal)
        return model
    finally:
        await connection.close()
        await books.close()


def compare_answers(written: list[Written], journal: Journal) -> None:
    """What was acknowledged is stored, and is what the stored operation says, to the byte, every time it was told."""
    stored = {one.row["operation_id"]: one for one in written}
    for id_, heard in journal.acknowledged().items():
        if id_ not in stored:
            raise Mismatch(f"{id_} was acknowledged and is not there: {heard.bodies[0]!r}")
        if set(heard.bodies) != {render(_as_stored(stored[id_]))}:
            raise Mismatch(f"{id_} was told {set(heard.bodies)}, stored is {render(_as_stored(stored[id_]))!r}")


async def read_written(books: Books, connection: Connection, journal: Journal) -> list[Written]:
    """Every operation with all that it wrote."""
    postings, movements, traces, alerts, settlements, shortfalls = await _satellites(connection)
    written = []
    for row in await connection.fetch("SELECT * FROM operation"):
        id_: UUID = row["operation_id"]
        # A tombstone came to be when the reversal did that spent the id, not when the claim itself was sent.
        heard = journal.heard.get(row["refers"] if row["kind"] == "tombstone" else id_)
        written.append(
            Written(
                row=row,
                record=books.lanes.rounds.open_record(row["record"], id_),
                postings=tuple(sorted(postings[id_])),
                movements=movements[id_],
                trace=traces.get(id_),
                alerts=frozenset(alerts[id_]),
                settlements=frozenset(settlements[id_]),
                shortfall=shortfalls.get(id_),
                span=Span(heard.first_sent, heard.first_told) if heard else Span(0, 0),
                stay=next((ask.stay for ask in heard.asks if ask.verb == "stay"), "") if heard else "",
            )
        )
    return written


async def _satellites(connection: Connection) -> tuple[Any, ...]:
    postings = defaultdict(list)
    for row in await connection.fetch("SELECT * FROM posting"):
        postings[row["operation_id"]].append((row["ledger"], row["amount"]))
    movements: dict[UUID, dict[str, tuple[int, int, int | None, bool]]] = defaultdict(dict)
    for row in await connection.fetch("SELECT * FROM movement"):
        movements[row["operation_id"]][row["accumulator"]] = (
            row["delta"], row["used_after"], row["ceiling"], row["is_exception"],
        )  # fmt: skip
    traces = {
        row["operation_id"]: msgspec.msgpack.decode(row["trace"], type=Activity)
        for row in await connection.fetch("SELECT * FROM activity")
    }
    alerts = defaultdict(list)
    for row in await connection.fetch("SELECT * FROM alert"):
        alerts[row["operation_id"]].append(
            (
                row["counter"], row["subject"], int(row["since"].timestamp()), row["period"], row["value"],
                row["threshold"], row["action"],
            )
        )  # fmt: skip
    settlements = defaultdict(list)
    for row in await connection.fetch("SELECT * FROM prior_settlement"):
        settlements[row["operation_id"]].append((row["payer"], row["settlement"]))
    shortfalls = {
        row["operation_id"]: (row["owner"], row["promised"], row["exact"])
        for row in await connection.fetch("SELECT * FROM shortfall")
    }
    return postings, movements, traces, alerts, settlements, shortfalls


async def _model(books: Books, connection: Connection, written: list[Written]) -> Model:
    subjects = {row["account_id"]: row["subject"] for row in await connection.fetch("SELECT * FROM account")}
    digests = {one.row["rulebooks"] for one in written}
    places = {
        row["name"]: (row["account_id"], row["lat"], row["lon"])
        for row in await connection.fetch(
            "SELECT clinic AS name, account_id, lat, lon FROM clinic"
            " UNION ALL SELECT terminal, account_id, 0, 0 FROM terminal"
        )
    }
    owner = await connection.fetchval("SELECT value FROM setting WHERE name = 'shortfall_owner'")
    rulebooks = {digest: await books.shelf.get(connection, digest) for digest in digests}
    return Model(written, subjects, rulebooks, places, owner, books.directory)


async def _compare_final_state(connection: Connection, model: Model) -> None:
    """What the accounts have come to."""
    for row in await connection.fetch("SELECT * FROM account"):
        own = model.accounts[row["account_id"]]
        _same(row["account_id"], "version", row["version"], own.version)
        _same(row["account_id"], "frozen", row["frozen_until"], own.frozen)
    for account, own in model.accounts.items():
        used = await connection.fetch(
            "SELECT DISTINCT ON (accumulator) accumulator, used_after FROM movement WHERE account_id = $1"
            " ORDER BY accumulator, version DESC",
            account,
        )
        _same(account, "used", {row["accumulator"]: row["used_after"] for row in used}, own.used)
        await _compare_holdings(connection, account, own)


async def _compare_holdings(connection: Connection, account: int, own: Account) -> None:
    rows = await connection.fetch("SELECT * FROM entitlement WHERE account_id = $1", account)
    found = {row["entitlement_id"]: (row["category"], row["starts"], row["ends"], row["district"]) for row in rows}
    held = {id_: (each.category, each.starts, each.ends, each.district) for id_, each in own.entitlements.items()}
    _same(account, "entitlements", found, held)
    rows = await connection.fetch("SELECT * FROM card WHERE account_id = $1 AND frozen_until IS NOT NULL", account)
    frozen = {key: until for key, until in own.cards.items() if until is not None}
    _same(account, "frozen cards", {row["card_key"]: row["frozen_until"] for row in rows}, frozen)
    rows = await connection.fetch("SELECT * FROM stay WHERE account_id = $1", account)
    stays = {(row["clinic"], row["stay"]): (row["admitted"], row["discharged"]) for row in rows}
    _same(account, "stays", stays, {key: (stay.admitted, stay.discharged) for key, stay in own.stays.items()})
    rows = await connection.fetch("SELECT * FROM prior_settlement WHERE account_id = $1 AND standing", account)
    standing = {(row["payer"], row["settlement"]): row["operation_id"] for row in rows}
    _same(account, "standing settlements", standing, own.settlements)


def _same(account: int, what: str, found: object, own: object) -> None:
    if found != own:
        raise Mismatch(f"account {account}, {what}: stored {found}, model {own}")


def _as_stored(one: Written) -> Stored:
    row = one.row
    return Stored(
        id=row["operation_id"],
        account=row["account_id"],
        kind=Kind(row["kind"]),
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        fingerprint=row["fingerprint"],
        refers=row["refers"],
        terminal=row["terminal"],
        clinic=row["clinic"],
        version=row["version"],
        posted_at=row["posted_at"],
        business_day=row["business_day"],
        record=one.record,
    )

"""Every statement of every file, as PostgreSQL takes it."""

from importlib.resources import files

import asyncpg
import pytest

from gateway.books import Books
from gateway.store import statements
from gateway.store.statements import Statement, load
from tests.servers import on_every_server

VERBS = sorted(
    entry.name.removesuffix(".sql")
    for entry in files("gateway.store").joinpath("sql").iterdir()
    if entry.name.endswith(".sql")
)


@on_every_server
@pytest.mark.parametrize("schema", ["aidgate", "sandbox"])
async def test_every_statement_prepares(books: Books, schema: str) -> None:
    """As the role that runs it, against the real schema."""
    connection = await asyncpg.connect(
        books.database.dsn, server_settings={"role": "aidgate_posting", "search_path": schema}
    )
    try:
        for verb in VERBS:
            for name, statement in load(verb).items():
                prepared = await connection.prepare(statement.sql)
                assert len(prepared.get_parameters()) == len(statement.arguments), f"{verb}.{name}"
    finally:
        await connection.close()


def parsed(text: str) -> Statement:
    return statements._parse("some", text)


def test_arguments_are_numbered_by_their_first_use() -> None:
    statement = parsed("SELECT :b::text, :a, :b FROM t;\n")
    assert statement.sql == "SELECT $1::text, $2, $1 FROM t"
    assert statement.arguments == ("b", "a")


def test_what_only_looks_like_an_argument_is_left_alone() -> None:
    statement = parsed(
        "-- of :nobody\nSELECT ':quoted', 'it''s :quoted', x::text, array[1:2] -- and :no\nFROM t WHERE a = :a"
    )
    assert statement.arguments == ("a",)
    assert "':quoted', 'it''s :quoted', x::text, array[1:2]" in statement.sql


def test_values_are_bound_by_name() -> None:
    statement = parsed("SELECT :b, :a")
    assert statement.bind(a=1, b=2) == (2, 1)
    for wrong in ({"a": 1}, {"a": 1, "b": 2, "c": 3}):
        with pytest.raises(TypeError, match=r"some takes \['a', 'b'\]"):
            statement.bind(**wrong)


@pytest.mark.parametrize("verb", VERBS)
def test_every_statement_has_its_name_once(verb: str) -> None:
    text = files("gateway.store").joinpath("sql", f"{verb}.sql").read_text()
    assert text.count("-- :name ") == len(load(verb)) > 0

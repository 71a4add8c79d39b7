"""The comparison runs, with settings so small that they only show that they work; and unsound books void a figure."""

import secrets
from collections.abc import AsyncIterator

import pytest

from loadtest import bench, growth, hot, systems
from loadtest.bench import Plan
from loadtest.house import House
from loadtest.seed import Size
from loadtest.systems import Gateway, Town
from tests.gateway.store.embedded_homes import new_home

SIZE = Size(300, 600)
TINY = Plan(SIZE, (1, 4, 8), 1, 0.1, 0.1, 1, 1, 64, 50, (2,))


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[House]:
    with new_home() as home, House(home) as house:
        yield house


@pytest.fixture
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway as shipped on a small town of its own."""
    gateway = Gateway(house, Town(SIZE.residents, secrets.token_hex(3)), "aidgate", "bench_test")
    await house.copy(await house.template(SIZE), gateway.database)
    await gateway.start(systems.AIDGATE)
    yield gateway
    await gateway.stop()
    await house.drop(gateway.database)


async def test_the_bench_runs_and_ends_with_its_ratios(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert await bench.measure(house, TINY) == 0
    said = capsys.readouterr().out.splitlines()
    ratios = dict(word.split("=") for word in said[-1].split())
    assert list(ratios) == ["ratio_to_ceiling", "ratio_to_tpcb", "ratio_to_one_by_one"]
    assert all(float(ratio) > 0 for ratio in ratios.values())
    assert "aidgate: 0 claims acknowledged, books sound" not in said


async def test_every_acknowledged_claim_is_stored(house: House, gateway: Gateway) -> None:
    before = await house.claims(gateway.database)
    await gateway.closed(4, requests=40)
    await gateway.open(400, seconds=0.1, connections=4)
    assert gateway.acknowledged == 80
    assert not gateway.problems
    assert await house.check(gateway.database, before + 80) == []


async def test_a_lost_claim_voids_the_figure(house: House, gateway: Gateway) -> None:
    before = await house.claims(gateway.database)
    await gateway.closed(1, requests=2)
    assert await house.check(gateway.database, before + 3) == [
        f"{before + 3} claims should be stored, {before + 2} are"
    ]


async def test_unsound_books_void_the_figure(house: House, gateway: Gateway) -> None:
    connection = await house.connect(gateway.database)
    await connection.execute("SET search_path = aidgate; UPDATE posting SET amount = amount + 1 WHERE line = 1")
    await connection.close()
    found = await house.check(gateway.database, await house.claims(gateway.database))
    assert any(problem.startswith("I02.book_sums_to_zero") for problem in found)


async def test_an_answer_that_is_no_approval_is_a_problem(gateway: Gateway) -> None:
    stranger = Town(SIZE.residents * 10, "strangers")
    unknown = Gateway(gateway._house, stranger, "strangers", gateway.database)
    unknown._url, unknown._process = gateway._url, gateway._process
    await unknown.closed(1, requests=20)
    assert unknown.problems.keys() == {"201 declined CARD_UNKNOWN"}
    assert unknown.acknowledged == 20


async def test_growth_compares_two_sizes(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert await growth.compare(house, 200, (20, 400), 1, 50) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("postgres_cpu_ratio=")


async def test_growth_reports_memory(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert await growth.memory(house, 200, 120) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("rss_mb_at_start=")


async def test_an_account_that_is_held_stops_nobody_else(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert await hot.measure(house, SIZE, 60, 0.3) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("claims acknowledged and stored")

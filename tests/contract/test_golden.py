"""Golden messages: the agent's half and the gateway's, each held to the same bytes."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest

from gateway.api.routes import ROUTES
from gateway.store.embedded import Server
from tests.contract.documents import DOCS, documents
from tests.contract.playing import answers_of_the_gateway, golden, requests_of_the_agent
from tests.contract.story import STEPS
from tests.gateway.api.running import key_of, running

GOLDEN = golden()
DOCUMENTS = documents()


def test_every_step_has_its_message() -> None:
    assert list(GOLDEN) == [step.name for step in STEPS]


async def test_the_agent_asks_exactly_so() -> None:
    assert await requests_of_the_agent() == {name: message["request"] for name, message in GOLDEN.items()}


async def test_the_gateway_answers_exactly_so(database: Server) -> None:
    requests = {name: message["request"] for name, message in GOLDEN.items()}
    answers = await answers_of_the_gateway(database, requests)
    assert answers == {name: message["answer"] for name, message in GOLDEN.items()}


def test_every_signed_address_is_in_the_story() -> None:
    shown = set()
    for message in GOLDEN.values():
        segments = message["request"]["path"].partition("?")[0].split("/")
        shown |= {
            (route.method, route.path)
            for route in ROUTES
            if route.method == message["request"]["method"] and len(route.path.split("/")) == len(segments)
            if all(a[:1] == "{" or a == b for a, b in zip(route.path.split("/"), segments, strict=True))
        }
    assert shown == {(route.method, route.path) for route in ROUTES if route.signed}


@pytest.mark.parametrize(("path", "text"), DOCUMENTS.items(), ids=[path.name for path in DOCUMENTS])
def test_document_shows_what_is_said(path: Path, text: str) -> None:
    """`python -m tests.contract.record` writes them anew."""
    assert path.read_text(encoding="utf-8") == text


def test_no_old_example_is_left() -> None:
    assert {path for path in (DOCS / "examples").iterdir() if path.is_file()} - {DOCS / "examples" / "claim.py"} <= set(
        DOCUMENTS
    )


async def test_example_client_gets_its_answer(database: Server, tmp_path: Path) -> None:
    key_file = tmp_path / "terminal.key"
    key_file.write_text(base64.b64encode(key_of("S1").private_bytes_raw()).decode())
    program = str(DOCS / "examples" / "claim.py")
    async with running(database) as gateway:
        for card, start, verdict in (
            ("SANDBOX-APPROVED", "201 ", "approved"),
            ("SANDBOX-CARD_FROZEN", "201 ", "declined"),
            ("SANDBOX-OUTCOME_UNKNOWN", "200 ", "approved"),
        ):
            arguments = (sys.executable, program, gateway.url, "S1", str(key_file), card)
            process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
            said = (await process.communicate())[0].decode()
            assert said.startswith(start)
            assert json.loads(said.removeprefix(start))["verdict"] == verdict

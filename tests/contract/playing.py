"""Plays the story with the agent's half and with the gateway's, and reads and writes the golden messages."""

import hmac
import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from clinic_agent.signing import Signer
from clinic_agent.uplink import Uplink, new_id
from gateway.domain.calendar import SHANGHAI
from gateway.store.embedded import Server
from gateway.trust.signature import verify
from tests.contract.story import APPROVED, FAMILIES, IDS, STEPS, Values, filled, normal, placeholder
from tests.gateway.api.running import key_of, running

FOLDER = Path(__file__).parent
HEADERS = ("Content-Type", "Idempotency-Replayed", "Retry-After")
ABOUT = (
    "Requests of the agent and answers of the gateway, byte for byte. Ids, times, digests and tokens are placeholders "
    "(see story.py); signatures are left out. Made by `python -m tests.contract.record`."
)
Message = dict[str, Any]


def golden() -> dict[str, Message]:
    """The golden messages of all families, by the name of their step."""
    read = [json.loads(_file(family).read_text(encoding="utf-8")) for family in FAMILIES]
    return {message["name"]: message for document in read for message in document["messages"]}


def write(requests: Mapping[str, Message], answers: Mapping[str, Message]) -> None:
    """Makes these the golden ones."""
    for family in FAMILIES:
        names = [step.name for step in STEPS if step.family == family]
        messages = [{"name": name, "request": requests[name], "answer": answers[name]} for name in names]
        text = json.dumps({"about": ABOUT, "messages": messages}, ensure_ascii=False, indent=2)
        _file(family).write_text(text + "\n", encoding="utf-8")


async def requests_of_the_agent() -> dict[str, Message]:
    """What the agent sends at each step, rightly signed, as a server that only listens receives it."""
    heard: list[Message] = []
    keys = {"S1": key_of("S1").public_key()}

    async def listen(request: web.Request) -> web.Response:
        body = await request.read()
        target = f"http://{request.host}{request.raw_path}"
        verify(request.method, target, request.headers, body, keys=keys.get, now=int(time.time()))
        message = {"method": request.method, "path": request.raw_path, "body": body.decode()}
        heard.append({**message, "content_type": request.headers.get("Content-Type", "")})
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listen)
    values = Values({name: placeholder(name) for name in IDS})
    async with TestServer(app) as server, Uplink(str(server.make_url("/")), Signer("S1", key_of("S1"))) as uplink:
        for step in STEPS:
            await step.call(uplink, values)
    return dict(zip((step.name for step in STEPS), heard, strict=True))


async def answers_of_the_gateway(server: Server, requests: Mapping[str, Message]) -> dict[str, Message]:
    """What a gateway on this database answers to these requests, once their placeholders are filled."""
    now = datetime.now(SHANGHAI)
    values = Values({name: new_id() for name in IDS}, at=now.isoformat(), business_day=now.date().isoformat())
    answers = {}
    async with running(server) as gateway:
        terminal = gateway.terminal("S1")
        for step in STEPS:
            request = requests[step.name]
            path, body = filled(request["path"], values), filled(request["body"], values).encode()
            headers = {"Content-Type": request["content_type"]}
            answer = await terminal.send(request["method"], path, body, headers=headers)
            if step.name == "quote":
                values.quote = answer.json()["quote"]
            if step.name == "offline terms":
                values.token = _token_of(APPROVED, answer.json())
                values.at = datetime.now(SHANGHAI).isoformat()  # terms hold from when they are issued
            headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
            answers[step.name] = {
                "status": answer.status,
                "headers": headers,
                "body": normal(answer.body, values).decode(),
            }
    return answers


def _token_of(card: str, issue: Message) -> str:
    """The token of one card, recognised as an agent would."""
    digest = hmac.digest(bytes.fromhex(issue["salt"]), f"ssc:{card}".encode(), "sha256").hex()
    return str(next(terms["token"] for terms in issue["terms"] if terms["card"] == digest))


def _file(family: str) -> Path:
    return FOLDER / f"claims_{family}.json"

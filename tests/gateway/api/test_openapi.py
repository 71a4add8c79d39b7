"""/openapi.json: valid, complete, and true under requests that nobody would write by hand."""

import asyncio
import time
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clinic_agent.signing import Signer
from gateway.api import openapi
from gateway.api.routes import ROUTES
from tests.books import new_id
from tests.gateway.api.problems import the_problem
from tests.gateway.api.running import Running, key_of
from tests.gateway.api.wire import claim, now

EXAMPLES = 15
"""Requests per operation and mode: enough to meet every field, few enough for every test run."""
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [(route.path, route.method) for route in ROUTES]


class Signed(requests.auth.AuthBase):
    """Signs each request as the sandbox's terminal, last of all, when its bytes are known."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        assert isinstance(body, bytes)
        assert request.method is not None
        assert request.url is not None
        request.headers.update(Signer("S1", key_of("S1")).sign(request.method, request.url, body, int(time.time())))
        return request


def plausible(case: Case[Any], known: str) -> None:
    """What a schema cannot say of a good request: ids and times of now, a known card, sums that fit."""
    if case.path.startswith("/v1/claims/"):
        case.path_parameters |= {name: str(new_id()) for name in case.path_parameters}
    if case.method == "GET" and case.path_parameters:
        case.path_parameters["id"] = known
    if not isinstance(case.body, dict):
        return
    body: dict[str, Any] = case.body
    body |= {name: {**body[name], "number": "SANDBOX-APPROVED"} for name in ("card",) if body.get(name)}
    body |= {name: now() for name in ("at",) if name in body}
    if "operation" in body:
        body |= {"operation": str(new_id()), "admitted": now(), "discharged": None}
    if "day" in body:
        body["day"] = "2026-03-02"
    if "lines" in body and "visit" in body:
        body["lines"] = [{**line, "id": str(place)} for place, line in enumerate(body["lines"])]
        body["total"] = min(sum(line["amount"] for line in body["lines"]), 100_000_000_000)
        body["visit"] |= {"day": "2026-03-02", "type": "outpatient", "admitted": None, "discharged": None}
        body |= {"prior": [], "identity_check": None, "offline": None}


async def test_document_is_valid_and_lists_every_address(gateway: Running) -> None:
    async with gateway.session.get(f"{gateway.url}/openapi.json") as answer:
        assert answer.status == 200
        document = await answer.json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    listed = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    served = {
        (route.resource.canonical, route.method)
        for route in gateway.app.router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert listed | {("/openapi.json", "GET")} == served


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
async def test_answers_are_as_documented(gateway: Running, path: str, method: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_dict(openapi.document())[path][method]
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.path_parameters or operation.query):
        return
    seen: set[int] = set()
    known = str(new_id())
    await gateway.terminal("S1").put(f"/v1/claims/{known}", claim("SANDBOX-APPROVED"))

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    def check(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE:
            plausible(case, known)
        if case.headers.get("Aidgate-Deadline", "").isdigit():
            del case.headers["Aidgate-Deadline"]  # random ones are long past
        answer = case.call(base_url=gateway.url, auth=Signed(), session=session)
        seen.add(answer.status_code)
        assert answer.status_code != 500
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            headers = {name.title(): values[0] for name, values in answer.headers.items()}
            the_problem(answer.status_code, headers, answer.content, answer.json()["code"])

    with requests.Session() as session:
        await asyncio.to_thread(check)
    if mode is GenerationMode.POSITIVE:
        assert seen & {200, 201}, f"no example was accepted: {seen}"

"""/openapi.json: made from the routes and the types they take and give, so that it cannot say anything else."""

from types import UnionType
from typing import Any, get_args

import msgspec
from aiohttp import web

import gateway
from gateway.api.answers import Say
from gateway.api.gate import DEADLINE_HEADER
from gateway.api.problems import STATUS
from gateway.api.routes import ROUTES, Route
from gateway.domain.refusal import SAYINGS, Refusal

_REF = "#/components/schemas/{name}"
_DATES = {"day"}
_DEADLINE = {
    "name": DEADLINE_HEADER,
    "in": "header",
    "required": False,
    "description": "Epoch milliseconds after which the work is not to be started.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
}


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [type_ for route in ROUTES for type_ in (route.body, *_members(route.answer)) if type_ is not None]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aidgate",
            "version": gateway.__version__,
            "description": "Deduction of medical aid at the counter. Amounts are integer fen, without a fraction. "
            "Requests are signed with the terminal's key (RFC 9421); see docs/integrator.md.",
        },
        "paths": paths,
        "components": {
            # Through JSON: defaults that are tuples become arrays.
            "schemas": {**msgspec.json.decode(msgspec.json.encode(components)), "Problem": _problem()},
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Signature",
                    "description": "RFC 9421, Ed25519, with Signature-Input and Content-Digest.",
                }
            },
        },
    }


async def get_openapi(request: web.Request) -> web.Response:
    """The document."""
    return web.json_response(document())


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": (route.handler.__doc__ or "").strip().splitlines()[0],
        "responses": _responses(route),
    }
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name, route.path)} for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string", "minLength": 1, "maxLength": 64}}
        for name in route.query
    ]
    if route.signed:
        parameters.append(_DEADLINE)
    if parameters:
        operation["parameters"] = parameters
    if route.signed:
        operation["security"] = [{"signature": []}]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(route.body)}}}
    return operation


def _path_schema(name: str, path: str) -> dict[str, Any]:
    if name in _DATES:
        return {"type": "string", "format": "date"}
    if path.startswith("/v1/stays"):
        return {"type": "string", "minLength": 1, "maxLength": 64}
    return {"type": "string", "format": "uuid", "description": "UUIDv7, made by the terminal"}


def _responses(route: Route) -> dict[str, Any]:
    content = {
        "application/json": {"schema": _schema(route.answer) if route.answer is not None else {"type": "object"}}
    }
    if not route.signed:
        responses = {"200": {"description": "As asked.", "content": content}}
        if route.path == "/readyz":
            responses["503"] = {"description": "Not ready; the checks say why.", "content": content}
        return responses
    responses = {"200": {"description": "Found, or decided before.", "content": content}}
    if route.created:
        responses["201"] = {"description": "Decided now.", "content": content}
    for status in sorted({str(status) for status in STATUS.values()}):
        codes = [refusal.value for refusal in Refusal if str(STATUS.get(refusal)) == status]
        responses[status] = {
            "description": ", ".join(codes),
            "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
        }
    return responses


def _schema(type_: Any) -> dict[str, Any]:
    schemas, _ = msgspec.json.schema_components(_members(type_), ref_template=_REF)
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def _members(type_: Any) -> tuple[Any, ...]:
    """The types of a union one by one: what is only ever written needs no tag to tell them apart."""
    return get_args(type_) if isinstance(type_, UnionType) else (type_,)


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "title", "status", "code", "transient", "say", "action"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"enum": [refusal.value for refusal in Refusal if not SAYINGS[refusal].stored]},
            "transient": {"type": "boolean"},
            "say": _schema(Say),
            "action": {"type": "string"},
            "detail": {"type": "string"},
            "fields": {"type": "array", "items": {"type": "string"}},
            "cause": {"type": "string"},
            "server_time": {"type": "integer", "description": "Epoch seconds."},
            "request_id": {"type": "string", "description": "Finds the fault in the gateway's log."},
        },
    }

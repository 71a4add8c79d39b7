"""The one shape of every error."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.api.problems import STATUS
from gateway.domain.refusal import SAYINGS, Refusal

_ALWAYS = {"type", "title", "status", "code", "transient", "say", "action"}
_SOMETIMES = {"detail", "fields", "cause", "server_time", "request_id"}
CANARY = "Canary7788"
"""Sent in every place where a value can be sent, and found in no answer."""


def the_problem(status: int, headers: Mapping[str, str], body: bytes, code: str) -> Any:
    """The problem `code`, in the one shape: RFC 9457, with sentences, and with Retry-After where waiting helps."""
    assert headers["Content-Type"].partition(";")[0] == "application/problem+json", body
    problem = msgspec.json.decode(body)
    assert problem["code"] == code, problem
    refusal = Refusal(code)
    saying = SAYINGS[refusal]
    assert not saying.stored
    assert set(problem) >= _ALWAYS
    assert set(problem) <= _ALWAYS | _SOMETIMES
    assert status == problem["status"] == STATUS[refusal]
    assert problem["type"] == f"urn:aidgate:{code.lower()}"
    assert problem["title"] == saying.en
    assert problem["say"] == {"zh": saying.zh, "en": saying.en}
    assert problem["action"] == saying.action
    assert problem["transient"] is saying.transient
    assert ("Retry-After" in headers) is saying.transient
    assert int(headers.get("Retry-After", "1")) > 0
    assert CANARY.lower() not in body.decode().lower()
    return problem

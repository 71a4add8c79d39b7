"""What the documents show of the wire: written from the golden messages and the code, so that it cannot be wrong."""

import json
import re
from pathlib import Path
from typing import Any

from gateway.api.problems import STATUS
from gateway.domain.refusal import SAYINGS, Refusal
from tests.contract.playing import Message, golden

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = (
    "lookup",
    "quote",
    "claim",
    "declined",
    "challenged",
    "challenge answered",
    "quote changed",
    "outcome unknown",
    "lines taken back",
    "taken back before it arrived",
    "replacement",
    "offline terms",
    "offline claim",
    "admission",
    "search",
    "day totals",
    "impossible",
)
"""Messages that docs/examples shows whole."""
_SHOWN = re.compile(r"<!-- (request|answer): ([a-z ]+) -->\n+```http\n.*?```\n", re.DOTALL)


def documents() -> dict[Path, str]:
    """Every document with its text as it has to be."""
    messages = golden()
    made = {DOCS / "refusals.md": _refusals()}
    for name in EXAMPLES:
        message = messages[name]
        shown = {"request": _opened(message["request"]), "answer": _opened(message["answer"])}
        text = json.dumps(shown, ensure_ascii=False, indent=2)
        made[DOCS / "examples" / f"{name.replace(' ', '_')}.json"] = text + "\n"
    guide = DOCS / "integrator.md"
    made[guide] = _SHOWN.sub(lambda found: _block(found[1], found[2], messages), guide.read_text(encoding="utf-8"))
    return made


def write_documents() -> None:
    for path, text in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _opened(half: Message) -> dict[str, Any]:
    """Half of a message with its body as JSON instead of text."""
    return {**half, "body": json.loads(half["body"]) if half["body"] else None}


def _block(half: str, name: str, messages: dict[str, Message]) -> str:
    """Half of a message as it would be read off the wire."""
    message = messages[name][half]
    if half == "request":
        first = f"{message['method']} {message['path']}"
    else:
        headers = [f"{header}: {value}" for header, value in message["headers"].items()]
        first = "\n".join([str(message["status"]), *headers])
    body = _readable(json.loads(message["body"])) if message["body"] else ""
    text = f"{first}\n\n{body}" if body else first
    return f"<!-- {half}: {name} -->\n\n```http\n{text}\n```\n"


def _readable(body: dict[str, Any]) -> str:
    """One line per member, and per element of a list of objects."""
    members = []
    for name, value in body.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in value) + "\n  ]"
        members.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}"


def _refusals() -> str:
    """docs/refusals.md"""
    stored = [refusal for refusal in Refusal if SAYINGS[refusal].stored]
    others = [refusal for refusal in Refusal if not SAYINGS[refusal].stored]
    lines = [
        "# Every way in which Aidgate says no",
        "",
        "In order of precedence: when several hold, the first is answered. Made from the code by",
        "`python -m tests.contract.record`.",
        "",
        "## Decisions",
        "",
        "Stored and final for the id of the claim, reversal or replacement: answered 201 the first time and 200 again,",
        "with `verdict` `declined` (`challenged` for CHECK_IDENTITY), the code in `reason` and the sentence in `say`.",
        "The resident pays what aid does not. Another attempt needs another id.",
        "",
        "| `reason` | cashier, 中文 | cashier, English | support |",
        "|---|---|---|---|",
        *(_row(f"`{refusal}`", refusal) for refusal in stored),
        "",
        "## Problems",
        "",
        "Nothing was decided and nothing is stored. `application/problem+json`, with the code in `code`.",
        "*Again* says whether the same request, unchanged and under the same id, may succeed later; those answers",
        "carry Retry-After.",
        "",
        "| status | `code` | again | cashier, 中文 | cashier, English | support |",
        "|---|---|---|---|---|---|",
        *(
            _row(f"{STATUS[refusal]} | `{refusal}` | {'yes' if SAYINGS[refusal].transient else 'no'}", refusal)
            for refusal in others
        ),
        "",
    ]
    return "\n".join(lines)


def _row(first: str, refusal: Refusal) -> str:
    saying = SAYINGS[refusal]
    return f"| {first} | {saying.zh} | {saying.en} | {saying.action} |"

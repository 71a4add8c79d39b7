"""`aidgate doctor`: one page on everything the gateway stands on."""

from pathlib import Path

import click

from gateway.cli.exits import Exit
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, put_out, run
from gateway.cli.tables import padded, wrapped
from gateway.diagnose import Check, diagnose

_MARKS = {"ok": "ok", "note": "note", "bad": "BAD", "not asked": "-"}
_INDENT = " " * 24


@click.command()
@as_json
@click.pass_obj
def doctor(home: Path, as_json: bool) -> None:
    """Look at everything the gateway stands on; say what to do.

    Changes nothing and starts nothing. Ends with 3 when the database cannot be reached, with 1 when anything else is
    bad.
    """
    checks = run(diagnose(home))
    put_out(checks, as_json, lambda: "\n".join(map(_shown, checks)))
    bad = [check.name for check in checks if check.state == "bad"]
    if bad:
        code = Exit.UNREACHABLE if "database" in bad else Exit.NO
        raise Failed(code, f"Not in order: {', '.join(bad)}.")


def _shown(check: Check) -> str:
    lines = wrapped(check.found, indent=_INDENT)
    if check.advice:
        lines += "\n" + wrapped(f"-> {check.advice}", indent=_INDENT)
    return f"{padded(_MARKS[check.state], 6)}{padded(check.name, 18)}{lines.removeprefix(_INDENT)}"

"""Runs commands as an operator would, on an installation that all tests of the command line share."""

import json
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from gateway.cli.main import main
from gateway.importing.cells import check_character
from tests.books import ITEM, today

_numbers = count(1)


def new_identity() -> str:
    """A whole id number that nobody has: none begins with 990000."""
    digits = f"99000019000101{next(_numbers):03}"
    return digits + check_character(digits)


class Cli:
    """`aidgate --home …` with what it printed and the code it ended with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.error = ""
        """What the last command said on stderr."""

    def __call__(self, *words: str, code: int = 0, stdin: str = "", env: dict[str, str] | None = None) -> str:
        result = CliRunner().invoke(main, ["--home", str(self.home), *words], input=stdin, env=env or {})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        assert "\x1b" not in result.output, "no colours where nobody looks"
        self.error = result.stderr
        return result.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code))

    def file(self, name: str, *rows: str) -> str:
        """A list of rows as a file; its path."""
        path = self.home / name
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return str(path)

    def resident(self, card: str, *, category: str = "DIBAO", district: str = "310101") -> str:
        """Registers somebody with a card; the id number."""
        identity = new_identity()
        self("import", "residents", self.file("r.csv", "身份证号,姓名,街镇", f"{identity},测试,310104003"))
        self("import", "cards", self.file("c.csv", "社保卡号,持卡人身份证号", f"{card},{identity}"))
        rows = ("身份证号,救助身份,开始日期,认定区,认定人", f"{identity},{category},2020-01-01,{district},tests")
        self("import", "entitlements", self.file("e.csv", *rows))
        return identity

    def claim(self, card: str, *amounts: int, **visit: Any) -> str:
        """A claim of today as a file; its path."""
        number = next(_numbers)
        body = {
            "card": {"number": card},
            "visit": {"id": f"V{number}", "type": "outpatient", "day": today().isoformat(), **visit},
            "at": datetime.now(UTC).isoformat(),
            "total": sum(amounts),
            "lines": [{"id": str(n), "item": ITEM, "amount": amount} for n, amount in enumerate(amounts, 1)],
        }
        return self.file(f"claim{number}.json", json.dumps(body))

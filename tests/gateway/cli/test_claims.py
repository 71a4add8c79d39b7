"""Quote, deduct and explain at the command line."""

import re

from gateway.cli.exits import Exit
from tests.gateway.cli.runner import Cli


def test_quote_shows_steps_and_shares(cli: Cli) -> None:
    cli.resident("CARD-QUOTE")
    printed = cli("quote", cli.claim("CARD-QUOTE", 10_000), "--terminal", "T1")
    assert re.search(r"shanghai_medical_aid\.rate +100\.00 → +70\.00  70%", printed)
    assert re.search(r"cash +30\.00", printed)


def test_quote_changes_nothing(cli: Cli) -> None:
    cli.resident("CARD-NOTHING")
    claim = cli.claim("CARD-NOTHING", 10_000)
    assert cli.json("quote", claim, "--terminal", "T1") == cli.json("quote", claim, "--terminal", "T1")


def test_quote_is_what_is_deducted(cli: Cli) -> None:
    cli.resident("CARD-SAME")
    claim = cli.claim("CARD-SAME", 10_000, 2_345)
    quoted = cli.json("quote", claim, "--terminal", "T1")["split"]
    made = cli.json("deduct", claim, "--terminal", "T1")
    assert (made["aid"], made["shares"], made["quote"]) == (quoted["aid"], quoted["shares"], quoted["quote"])


def test_the_same_id_again(cli: Cli) -> None:
    cli.resident("CARD-AGAIN")
    claim = cli.claim("CARD-AGAIN", 10_000)
    made = cli.json("deduct", claim, "--terminal", "T1")
    assert cli.json("deduct", claim, "--terminal", "T1", "--id", made["id"]) == made
    assert "decided before" in cli("deduct", claim, "--terminal", "T1", "--id", made["id"])


def test_an_id_with_other_content(cli: Cli) -> None:
    cli.resident("CARD-REUSED")
    made = cli.json("deduct", cli.claim("CARD-REUSED", 10_000), "--terminal", "T1")
    cli("deduct", cli.claim("CARD-REUSED", 20_000), "--terminal", "T1", "--id", made["id"], code=Exit.NO)
    assert "ID_REUSED" in cli.error


def test_declined(cli: Cli) -> None:
    declined = cli.json("deduct", cli.claim("CARD-NOBODYS", 10_000), "--terminal", "T1", code=Exit.NO)
    assert declined["reason"] == "CARD_UNKNOWN"
    assert declined["cash"] == 10_000
    assert "该卡未登记" in cli.error
    assert "before the rules were asked" in cli("explain", declined["id"])


def test_unknown_terminal(cli: Cli) -> None:
    cli("quote", cli.claim("CARD-QUOTE", 100), "--terminal", "T-none", code=Exit.USAGE)
    assert "terminal T-none is not registered" in cli.error


def test_contradicting_claim(cli: Cli) -> None:
    path = cli.home / "contradicting.json"
    with open(cli.claim("CARD-QUOTE", 100), encoding="utf-8") as file:
        path.write_text(file.read().replace('"total": 100', '"total": 101'), encoding="utf-8")
    cli("quote", str(path), "--terminal", "T1", code=Exit.USAGE)
    assert "contradicts itself in: total" in cli.error


def test_explain(cli: Cli) -> None:
    cli.resident("CARD-WHY")
    made = cli.json("deduct", cli.claim("CARD-WHY", 10_000), "--terminal", "T1")
    printed = cli("explain", made["id"])
    assert "law: 上海市社会救助条例 Art 21" in printed
    assert "Worked out again: the same to the fen." in printed
    assert cli.json("explain", made["id"])["answer"] == made


def test_explain_what_is_not_there(cli: Cli) -> None:
    cli("explain", "01a20611-3a8a-7517-bbd6-96c404dc47e1", code=Exit.USAGE)

"""Alerts and freezes at the command line."""

import pytest

from gateway.cli.exits import Exit
from tests.gateway.cli.runner import Cli


def decline(cli: Cli, card: str, terminal: str = "T1") -> str:
    """The reason with which a claim is declined now; empty when it is approved."""
    made = cli("deduct", cli.claim(card, 1_000), "--terminal", terminal, code=Exit.NO)
    assert made
    return cli.error.partition("Error: ")[2].partition(":")[0]


def test_alert_is_listed_until_it_is_seen(cli: Cli) -> None:
    cli.resident("CARD-ALERT")
    cli("deduct", cli.claim("CARD-ALERT", 1_000), "--terminal", "T1")
    made = cli.json("deduct", cli.claim("CARD-ALERT", 2_000), "--terminal", "T2")
    printed = cli("alerts", "list")
    assert made["id"] in printed
    assert "C04  Distinct clinics 不同机构数" in printed
    cli("alerts", "acknowledge", made["id"], "C04", "--as", "wang")
    assert made["id"] not in cli("alerts", "list")
    (seen,) = [alert for alert in cli.json("alerts", "list", "--all") if alert["operation_id"] == made["id"]]
    assert seen["acknowledged_by"] == "wang"
    cli("alerts", "acknowledge", made["id"], "C04", code=Exit.NO)


def test_frozen_card(cli: Cli) -> None:
    cli.resident("CARD-FROZEN")
    cli("freeze", "card", "-", "--reason", "lost", stdin="CARD-FROZEN\n")
    assert decline(cli, "CARD-FROZEN") == "CARD_FROZEN"
    cli("unfreeze", "card", "CARD-FROZEN", "--reason", "found")
    cli("deduct", cli.claim("CARD-FROZEN", 1_000), "--terminal", "T1")


@pytest.mark.parametrize(("subject", "name"), [("terminal", "T2"), ("clinic", "C02")])
def test_frozen_place(cli: Cli, subject: str, name: str) -> None:
    cli.resident(f"CARD-{subject}")
    assert "until further notice" in cli("freeze", subject, name, "--reason", "audit")
    assert decline(cli, f"CARD-{subject}", "T2") == f"{subject.upper()}_FROZEN"
    cli("unfreeze", subject, name, "--reason", "done")
    cli("deduct", cli.claim(f"CARD-{subject}", 1_000), "--terminal", "T2")


def test_frozen_account(cli: Cli) -> None:
    cli.resident("CARD-ACCOUNT")
    cli("deduct", cli.claim("CARD-ACCOUNT", 1_000), "--terminal", "T1")
    cli("deduct", cli.claim("CARD-ACCOUNT", 2_000), "--terminal", "T2")
    account = cli.json("alerts", "list")[0]["account_id"]
    cli("freeze", "account", str(account), "--reason", "case 1")
    assert decline(cli, "CARD-ACCOUNT") == "ACCOUNT_FROZEN"


def test_a_freeze_that_is_over(cli: Cli) -> None:
    cli.resident("CARD-OVER")
    assert "until 2026-01-01" in cli("freeze", "card", "CARD-OVER", "--reason", "lost", "--until", "2026-01-01")
    cli("deduct", cli.claim("CARD-OVER", 1_000), "--terminal", "T1")


@pytest.mark.parametrize(
    ("subject", "name"),
    [("card", "CARD-UNHEARD-OF"), ("account", "12"), ("account", "x"), ("account", "9" * 30), ("clinic", "C77")],
)
def test_freeze_what_nobody_knows(cli: Cli, subject: str, name: str) -> None:
    cli("freeze", subject, name, "--reason", "x", code=Exit.USAGE)
    assert name not in cli.error or subject == "clinic", "a card's number is not repeated"

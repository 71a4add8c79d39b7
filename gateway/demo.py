"""The demo: the main job from card to receipt, played against a gateway and a database of its own, each step checked.

It is the agent's own signed client that talks to the gateway; this is the one module of the gateway that knows it.
"""

import asyncio
import base64
import json
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clinic_agent.signing import Signer
from clinic_agent.uplink import Answer, Uplink, new_id
from gateway.api.answers import Reason
from gateway.cli.claims import shown_steps
from gateway.cli.exits import Exit
from gateway.cli.lazy import Failed
from gateway.cli.tables import COLUMNS, table, width, wrapped, yuan
from gateway.demo_stage import HUAJING, NEIGHBOUR, RESIDENT, XUJIAHUI, Person, Stage, StageFailed, opened_stage
from gateway.domain.calendar import SHANGHAI

Json = Mapping[str, Any]
Line = tuple[str, str, int, int]
"""Item, name, pieces, fen."""

FIRST_VISIT: tuple[Line, ...] = (
    ("ZZ0101", "诊查费 consultation", 1, 2500),
    ("ZZ0001", "二甲双胍片 metformin", 2, 3700),
    ("ZZ0107", "胸部CT chest CT", 1, 32000),
    ("ZZ0023", "止咳糖浆 cough syrup", 1, 1800),
)
SECOND_VISIT: tuple[Line, ...] = (("ZZ0105", "生化检查 biochemistry", 1, 9000), ("ZZ0106", "心电图 ECG", 1, 4000))
DEAR_VISIT: tuple[Line, ...] = (("ZZ0104", "血常规 blood count", 1, 20000),)
NEXT_VISIT: tuple[Line, ...] = (("ZZ0106", "心电图 ECG", 1, 6000),)


async def play(*, once: bool, keep: Path | None) -> None:
    """Plays the story; with `once` everything is stopped afterwards, otherwise the gateway stays up until Ctrl-C.

    Raises Failed when a step does not come out as it must.
    """
    started = time.monotonic()
    try:
        async with opened_stage(keep) as stage:
            url = await _set_up(stage)
            async with _terminal(stage, url, XUJIAHUI) as counter, _terminal(stage, url, HUAJING) as elsewhere:
                await _Story(stage, counter, elsewhere).play()
            click.echo(f"\nEvery step came out as it must, in {time.monotonic() - started:.0f} s. 演示完成。")
            if not once:
                await _stay_up(stage, url)
    except StageFailed as failed:
        raise Failed(Exit.NO, str(failed)) from failed


async def _set_up(stage: Stage) -> str:
    """Database, rulebooks, lists, terminals, gateway: by the commands an operator would use. The gateway's address."""
    click.echo("Aidgate: medical aid, deducted at the counter. 医疗救助，刷卡即扣。")
    _heading("Set-up 准备", "A database, thirteen town clinics, two residents who do not exist, two counters.")
    await _shown(stage, "migrate")
    for words in stage.write_lists(datetime.now(SHANGHAI).date()):
        await _shown(stage, *words)
    for clinic in (XUJIAHUI, HUAJING):
        await _shown(stage, *(await stage.register_terminal(clinic)))
    click.echo("$ aidgate serve --port 0")
    url = await stage.serve()
    click.echo(f"aidgate serves on {url}")
    return url


def _terminal(stage: Stage, url: str, clinic: str) -> Uplink:
    """The line of a clinic's counter to the gateway."""
    name = f"{clinic}-1"
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(stage.private_keys[name]))
    return Uplink(url, Signer(name, key))


async def _stay_up(stage: Stage, url: str) -> None:
    """Waits for Ctrl-C, and says what can be tried meanwhile."""
    claim = stage.home / "claim.json"
    claim.write_text(json.dumps(_claim(RESIDENT, "TRY", NEXT_VISIT), ensure_ascii=False, indent=2), encoding="utf-8")
    _heading("Your turn 请您试用", "The gateway stays up until you press Ctrl-C.")
    click.echo(f"The gateway  {url}")
    click.echo(f"Its API      {url}/openapi.json\n")
    click.echo("In another terminal:\n")
    for words in (
        f"export AIDGATE_HOME={stage.home}",
        f"aidgate quote $AIDGATE_HOME/{claim.name} --terminal {XUJIAHUI}-1",
        f"aidgate deduct $AIDGATE_HOME/{claim.name} --terminal {XUJIAHUI}-1",
        "aidgate alerts list",
        "aidgate doctor",
        f"aidgate rulebook on {datetime.now(SHANGHAI).date()}",
    ):
        click.echo(f"  {words}")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    click.echo("\nStopping the gateway and its database.")


class _Story:
    """The steps at the counter, in order. Each checks what came back and says it."""

    def __init__(self, stage: Stage, counter: Uplink, elsewhere: Uplink) -> None:
        self._stage = stage
        self._counter = counter
        self._elsewhere = elsewhere

    async def play(self) -> None:
        await self._read_card()
        first, body = await self._quote_and_deduct()
        await self._send_again(first, body)
        declined = await self._reach_the_ceiling()
        second = await self._go_elsewhere()
        await self._take_back(first, second)
        await self._explain(declined)
        await self._check_books()

    async def _read_card(self) -> None:
        _heading("1  The card is read 读卡", "Who is this, and what is left of the year's aid?")
        found = _body(await self._counter.lookup({"card": {"number": RESIDENT.card}}), 200)
        _must(found["known"], "the card is registered")
        for held in found["held"]:
            click.echo(f"  {found['holder']}  {held['category']} {held['name_zh']}")
            click.echo(f"  since {held['starts']}  {held['name_en']}")
        for left in found["left"]:
            if left["visit_type"] == "outpatient":
                scheme = _PAYERS[left["accumulator"].partition(".")[0]]
                click.echo(f"  {scheme}: {yuan(left['used'])} of {yuan(left['ceiling'])} used this year")

    async def _quote_and_deduct(self) -> tuple[str, Json]:
        """The claim's id and body."""
        _heading(
            "2  The quote 预结算",
            "What would aid pay of this visit, and why? Nothing is changed. Each step names its ground: law, press, "
            "or synthetic where no source gives a number.",
        )
        body = _claim(RESIDENT, "1", FIRST_VISIT, insured=18000)
        _show_lines(FIRST_VISIT)
        quote = _body(await self._counter.quote(body), 200)
        _must(quote["aid"] > 0, "aid pays something")
        click.echo("")
        click.echo(shown_steps(msgspec.convert(quote["steps"], tuple[Reason, ...])) + "\n")
        _show_shares(quote)
        _heading("3  The deduction 结算", "The cashier confirms what was shown. Posted once and for good.")
        claim_id = new_id()
        body = {**body, "quote": quote["quote"]}
        answer = await self._counter.claim(claim_id, body)
        made = _body(answer, 201)
        _must(made["verdict"] == "approved" and made["aid"] == quote["aid"], "it pays what was quoted")
        _show_split(made)
        return claim_id, body

    async def _send_again(self, claim_id: str, body: Json) -> None:
        _heading("4  The same request again 重发", "The network broke, the agent asks again: nothing is charged twice.")
        before = await self._counter.get_claim(claim_id)
        answer = await self._counter.claim(claim_id, body)
        _must(answer.headers.get("Idempotency-Replayed") == "true", "the answer is a repeat")
        _must(answer.status == 200 and answer.body == before.body, "it is the same answer, byte for byte")
        click.echo(f"  PUT /v1/claims/{claim_id}")
        click.echo(f"  {answer.status}, Idempotency-Replayed: {answer.headers['Idempotency-Replayed']}")

    async def _reach_the_ceiling(self) -> str:
        """The id of the claim that was declined."""
        _heading("5  The ceiling 封顶", "A neighbour has 50 yuan of this year's aid left, and comes twice.")
        part = _body(await self._counter.claim(new_id(), _claim(NEIGHBOUR, "2", DEAR_VISIT)), 201)
        _must(part["verdict"] == "approved" and part["aid"] == 5000, "aid pays the 50 yuan that are left")
        _show_split(part)
        declined_id = new_id()
        declined = _body(await self._counter.claim(declined_id, _claim(NEIGHBOUR, "3", NEXT_VISIT)), 201)
        _must(declined["reason"] == "CEILING_REACHED" and declined["cash"] == 6000, "the ceiling holds")
        click.echo("")
        _show_split(declined)
        return declined_id

    async def _go_elsewhere(self) -> str:
        """The id of the claim at the other clinic."""
        _heading(
            "6  The counters 频次监测",
            "Minutes later the same card is used at a clinic across the district. Care is never blocked.",
        )
        claim_id = new_id()
        made = _body(await self._elsewhere.claim(claim_id, _claim(RESIDENT, "4", SECOND_VISIT)), 201)
        _must(made["verdict"] == "approved", "care is not blocked")
        _must(any(hit["counter"] == "C04" for hit in made["counters"]), "the counter of clinics speaks up")
        _show_split(made)
        click.echo("\n  Paid, and an investigator sees it at once:")
        printed = await _shown(self._stage, "alerts", "list")
        _must(claim_id in printed and "C04" in printed, "the alert is in the list")
        return claim_id

    async def _take_back(self, first: str, second: str) -> None:
        _heading("7  Taking back 冲正", "The ECG was not made; then the whole first visit is called off.")
        body = {"reason": "void", "at": _now(), "lines": ["2"]}
        part = _body(await self._elsewhere.reverse(second, new_id(), body), 201)
        _must(part["verdict"] == "approved" and part["taken_back"]["lines"] == ["2"], "one line is taken back")
        _show_taken_back(part["taken_back"])
        body = {"reason": "void", "at": _now()}
        whole = _body(await self._counter.reverse(first, new_id(), body), 201)
        _must(whole["taken_back"]["whole"] and whole["taken_back"]["same_day"], "the whole claim is void")
        click.echo("")
        _show_taken_back(whole["taken_back"])

    async def _explain(self, declined: str) -> None:
        _heading("8  The reasons 依据", "Years later: why was the neighbour told no? Worked out again from the books.")
        printed = await _shown(self._stage, "explain", declined)
        _must("the same to the fen" in printed, "it comes to the same")

    async def _check_books(self) -> None:
        _heading("9  The books 账目", "Every entry, ceiling and record is looked at; every claim is worked out again.")
        code, printed = await self._stage.command("selfcheck", "--records", "--json")
        _must(code == 0, f"the books are in order:\n{printed}")
        findings = json.loads(printed)
        click.echo("$ aidgate selfcheck --records")
        looked = sum(finding["checked"] for finding in findings)
        click.echo(f"{len(findings)} checks looked at {looked} rows and records; nothing is wrong.")


def _claim(person: Person, visit: str, lines: tuple[Line, ...], *, insured: int = 0) -> dict[str, Any]:
    """A claim of today, as an agent sends it. `insured`: fen that the basic pool has paid."""
    return {
        "card": {"number": person.card},
        "visit": {
            "id": f"V{visit}",
            "type": "outpatient",
            "day": datetime.now(SHANGHAI).date().isoformat(),
            "bill": f"B{visit}",
        },
        "at": _now(),
        "total": sum(amount for *_, amount in lines),
        "lines": [
            {"id": str(place), "item": item, "name": name, "quantity": 1000 * pieces, "amount": amount}
            for place, (item, name, pieces, amount) in enumerate(lines, 1)
        ],
        "prior": [{"payer": "basic_pool", "amount": insured, "settlement": f"S{visit}"}] if insured else [],
        "cashier": "demo",
    }


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _must(holds: object, what: str) -> None:
    """Every step is checked: a demo that shows something else than it says would be worse than none."""
    if not holds:
        raise StageFailed(f"This step did not come out as it must: {what}")


def _body(answer: Answer, status: int) -> Json:
    _must(answer.status == status, f"status {status}, not {answer.status}: {answer.body.decode()}")
    body: Json = answer.json()
    return body


async def _shown(stage: Stage, *words: str) -> str:
    """Runs a command and shows both it and what it printed."""
    shown = " ".join(Path(word).name if word.startswith("/") else word for word in words)
    click.echo(_shortened(f"$ aidgate {shown}"))
    code, printed = await stage.command(*words)
    click.echo(printed)
    _must(code == 0, f"`aidgate {shown}` ends with 0, not {code}")
    return printed


def _shortened(line: str) -> str:
    return line if width(line) <= COLUMNS else line[: COLUMNS - 1] + "…"


def _heading(title: str, sentence: str) -> None:
    click.echo(f"\n── {title} {'─' * (COLUMNS - 4 - width(title))}")
    click.echo(wrapped(sentence) + "\n")


def _show_lines(lines: tuple[Line, ...]) -> None:
    rows = [(item, name, pieces, yuan(amount)) for item, name, pieces, amount in lines]
    _indented(table(("item", "", "pieces", "yuan"), rows, right=(2, 3)))


def _show_split(answer: Json) -> None:
    verdicts = {
        "approved": "approved 救助支付",
        "declined": "declined 救助不支付",
        "challenged": "check identity 请核对身份",
    }
    click.echo(f"  {verdicts[answer['verdict']]}  (claim {answer['id']})")
    if "say" in answer:
        click.echo(wrapped(f"{answer['reason']}: {answer['say']['zh']} {answer['say']['en']}", indent="  "))
    for hit in answer.get("counters", ()):
        click.echo(
            f"  counter {hit['counter']}: {hit['value']} in {hit['window']}, {hit['action']} from {hit['threshold']}"
        )
    _show_shares(answer)


_PAYERS = {
    "basic_pool": "基本医保统筹 basic insurance",
    "shanghai_medical_aid": "市级医疗救助 municipal medical aid",
    "xuhui_top_up": "徐汇区补充救助 district top-up",
    "cash": "个人支付 the resident pays",
}


def _show_shares(answer: Json) -> None:
    rows = [(_PAYERS[share["payer"]], yuan(share["amount"])) for share in answer["shares"]]
    _must(sum(share["amount"] for share in answer["shares"]) == answer["total"], "the shares sum to the total")
    _indented(table(("who pays", "yuan"), [*rows, ("合计 total", yuan(answer["total"]))], right=(1,)))


def _show_taken_back(taken: Json) -> None:
    what = "the whole claim" if taken["whole"] else f"line {', '.join(taken['lines'])}"
    click.echo(f"  {what} of {taken['claim']}: void 撤销")
    rows = [(_PAYERS[share["payer"]], yuan(share["amount"])) for share in taken["shares"]]
    _indented(table(("given back to", "yuan"), rows, right=(1,)))


def _indented(text: str) -> None:
    click.echo("\n".join(f"  {line}" for line in text.splitlines()))

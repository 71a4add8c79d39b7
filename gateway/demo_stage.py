"""The demo's stage: a folder with database, keys and lists, a gateway as a process of its own, and the way down."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from gateway.cli.terminals import new_pair
from gateway.importing.cells import check_character
from gateway.store import embedded

CLINICS = Path(__file__).with_name("demo_data") / "clinics.csv"
XUJIAHUI, HUAJING = "XH014", "XH103"
_SECONDS_TO_STOP = 30.0


class StageFailed(Exception):
    """The demo cannot be set up, or a step of it did not come out as it must."""


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist: no id number begins with 990000."""

    name: str
    number: str
    card: str
    district: str
    """Which granted the entitlement."""

    @property
    def identity(self) -> str:
        digits = f"99000019000101{self.number}"
        return digits + check_character(digits)


RESIDENT = Person("示例甲", "001", "DEMO-CARD-1", "310104")
NEIGHBOUR = Person("示例乙", "002", "DEMO-CARD-2", "310101")
TOWN = "310104014"


@dataclass
class Stage:
    """The folder, and what runs in it."""

    home: Path
    private_keys: dict[str, str] = field(default_factory=dict)
    """Terminal -> private half of its key, base64."""
    _gateway: asyncio.subprocess.Process | None = None

    async def command(self, *words: str) -> tuple[int, str]:
        """Runs `aidgate --home <home> …` as a process; exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *_aidgate(self.home, words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
        )
        printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode().rstrip()

    async def register_terminal(self, clinic: str) -> tuple[str, ...]:
        """Makes a key for the clinic's terminal; the command that registers it."""
        pair = new_pair()
        terminal = f"{clinic}-1"
        self.private_keys[terminal] = pair.private
        return "terminal", "add", terminal, "--clinic", clinic, "--key", pair.public

    def write_lists(self, today: date) -> list[tuple[str, ...]]:
        """Writes the lists of a bureau into the folder; the commands that import them."""
        people = (RESIDENT, NEIGHBOUR)
        lists: dict[str, Sequence[Sequence[str]]] = {
            "residents": [("身份证号", "姓名", "街镇"), *((each.identity, each.name, TOWN) for each in people)],
            "cards": [("社保卡号", "持卡人身份证号"), *((each.card, each.identity) for each in people)],
            "entitlements": [
                ("身份证号", "救助身份", "开始日期", "认定区", "认定人"),
                *((each.identity, "DIBAO", f"{today.year}-01-01", each.district, "demo") for each in people),
            ],
            "opening-use": [
                ("身份证号", "累计项目", "金额（元）", "来源", "凭证号"),
                (
                    NEIGHBOUR.identity,
                    f"shanghai_medical_aid.aid_outpatient.{today.year}",
                    "5950.00",
                    "paper claims of this year",
                    "P-1",
                ),
            ],
        }
        commands: list[tuple[str, ...]] = [("import", "clinics", str(CLINICS))]
        for kind, rows in lists.items():
            path = self.home / f"{kind}.csv"
            path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
            commands.append(("import", kind, str(path)))
        return commands

    async def serve(self) -> str:
        """Starts the gateway on a free port; its address."""
        self._gateway = await asyncio.create_subprocess_exec(
            *_aidgate(self.home, ("serve", "--port", "0")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is the demo's to take: it stops the gateway in its turn
        )
        assert self._gateway.stdout is not None
        line = (await self._gateway.stdout.readline()).decode()
        if not line:
            raise StageFailed("The gateway did not start; what it said stands above.")
        return line.split()[-1]

    async def close(self) -> None:
        """Stops the gateway, then the database."""
        if self._gateway is not None and self._gateway.returncode is None:
            with suppress(ProcessLookupError):
                self._gateway.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self._gateway.wait(), _SECONDS_TO_STOP)
        await asyncio.to_thread(embedded.stop, self.home / "postgresql")


@asynccontextmanager
async def opened_stage(keep: Path | None) -> AsyncIterator[Stage]:
    """A stage in a new folder; without `keep` the folder is gone afterwards. Raises StageFailed."""
    stage = Stage(_new_folder(keep))
    try:
        yield stage
    finally:
        await stage.close()
        if keep is None:
            shutil.rmtree(stage.home)


def _new_folder(keep: Path | None) -> Path:
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise StageFailed(f"{keep} is not empty. Name a new folder: the demo never works on an installation in use.")
    home = Path(tempfile.mkdtemp(prefix="aidgate-demo-")) if keep is None else keep.absolute()
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)  # root's PostgreSQL runs as another user, who must pass through
    return home


def _aidgate(home: Path, words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "gateway", "--home", str(home), *words]


def _environment() -> Mapping[str, str]:
    """Without any AIDGATE setting: the demo must not meet the database of an installation in use."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AIDGATE_")}

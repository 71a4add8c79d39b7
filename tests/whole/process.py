"""A gateway as a process of its own, that can be killed; and the handle by which clients talk to it.

The verbs behind a unix socket, one message per operation: what counts here is two processes and one database, not HTTP.
"""

import asyncio
import itertools
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from gateway.api.answers import render
from gateway.books import Books
from gateway.deduct import deduct
from gateway.domain.claim import Claim, Reversal, StayReport
from gateway.domain.operation import Author, Entitle, Freeze, Stop, Unfreeze, Use
from gateway.domain.refusal import Refusal
from gateway.issue_quote import issue_quote
from gateway.lanes import Done, NotDone
from gateway.replace import replace
from gateway.report_stay import report_stay
from gateway.reverse import reverse
from gateway.staff_acts import act
from tests.books import KEY

ROOT = Path(__file__).resolve().parents[2]
_HEAD = 4


class Ask(Struct, frozen=True):
    """One request: a verb and what it takes. Sent again unchanged, it is the same operation."""

    verb: str
    """deduct, quote, reverse, replace, stay or act."""
    id: UUID
    author: Author
    raw: bytes = b""
    """JSON of the content, as it would come over the wire."""
    refers: UUID | None = None
    account: int = 0
    stay: str = ""


class Told(Struct, frozen=True):
    """What became of it."""

    body: bytes = b""
    """The rendered answer; of a quote, its digest."""
    refusal: str = ""
    """Why no outcome was stored, or none is known."""
    fields: tuple[str, ...] = ()
    replayed: bool = False

    @property
    def stored(self) -> bool:
        return bool(self.body) and not self.refusal


class Lost(Exception):
    """The process went away: nobody knows what became of the request."""


UNDECIDED = {Refusal.OUTCOME_UNKNOWN, Refusal.IN_FLIGHT, Refusal.OVERLOADED, Refusal.DRAINING}
"""Refusals after which the same request is sent again."""


class GatewayProcess:
    """The clients' side: starts the process, sends requests, kills it."""

    def __init__(self, dsn: str, socket: Path, lanes: int = 1) -> None:
        self._dsn = dsn
        self._socket = socket
        self._lanes = lanes
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Told]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        self._socket.unlink(missing_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.whole.process", self._dsn, str(self._socket), str(self._lanes),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n", "the gateway process did not start"
        reader, self._writer = await asyncio.open_unix_connection(str(self._socket))
        self._reading = asyncio.create_task(self._read(reader))

    async def ask(self, ask: Ask) -> Told:
        """Sends one request. Raises Lost when the process goes away before it answers."""
        if self._writer is None or self._writer.is_closing():
            raise Lost
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        await _send(self._writer, (number, ask))
        return await answer

    async def kill(self) -> None:
        """kill -9, in whatever it is doing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        await self._ended()

    async def stop(self) -> None:
        """Lets it finish what is under way."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._ended()

    async def _ended(self) -> None:
        assert self._process is not None
        await self._process.wait()
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            await self._reading

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number, told = msgspec.msgpack.decode(await _receive(reader), type=tuple[int, Told])
                self._waiting.pop(number).set_result(told)
        waiting, self._waiting = self._waiting, {}
        if self._writer is not None:
            self._writer.close()
        for answer in waiting.values():
            answer.set_exception(Lost())


async def _send(writer: asyncio.StreamWriter, message: object) -> None:
    packed = msgspec.msgpack.encode(message)
    with suppress(ConnectionError):
        writer.write(len(packed).to_bytes(_HEAD, "big") + packed)
        await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_HEAD), "big"))


# The process


async def _serve(dsn: str, socket: str, lanes: int) -> None:
    books = await Books.open(dsn, "aidgate", KEY, lanes=lanes)
    running: set[asyncio.Task[None]] = set()
    clients: set[asyncio.StreamWriter] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number, ask = msgspec.msgpack.decode(await _receive(reader), type=tuple[int, Ask])
                task = asyncio.create_task(_answer(books, writer, number, ask))
                running.add(task)
                task.add_done_callback(running.discard)

    server = await asyncio.start_unix_server(client, socket)
    print("ready", flush=True)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    server.close()
    await asyncio.gather(*running, return_exceptions=True)
    await books.close()
    for writer in clients:
        writer.close()
    await asyncio.sleep(0)  # lets each reader see that it is over


async def _answer(books: Books, writer: asyncio.StreamWriter, number: int, ask: Ask) -> None:
    try:
        told = await _told(books, ask)
    except NotDone as no:
        told = Told(refusal=no.refusal, fields=no.fields)
    except Exception as error:  # the directory's connection broke before anything was begun
        told = Told(refusal=Refusal.OUTCOME_UNKNOWN, fields=(type(error).__name__,))
    await _send(writer, (number, told))


async def _told(books: Books, ask: Ask) -> Told:
    if ask.verb == "quote":
        claim = msgspec.json.decode(ask.raw, type=Claim)
        return Told(body=(await issue_quote(books, ask.author, claim)).assessed.quote.encode())
    done = await _done(books, ask)
    return Told(body=render(done.stored), replayed=done.replayed)


async def _done(books: Books, ask: Ask) -> Done:
    author, raw = ask.author, ask.raw
    match ask.verb:
        case "deduct":
            return await deduct(books, author, ask.id, msgspec.json.decode(raw, type=Claim), raw)
        case "replace":
            assert ask.refers is not None
            return await replace(books, author, ask.refers, ask.id, msgspec.json.decode(raw, type=Claim), raw)
        case "reverse":
            assert ask.refers is not None
            return await reverse(books, author, ask.refers, ask.id, msgspec.json.decode(raw, type=Reversal), raw)
        case "stay":
            return await report_stay(books, author, ask.stay, msgspec.json.decode(raw, type=StayReport), raw)
        case "act":
            content = msgspec.json.decode(raw, type=Freeze | Unfreeze | Entitle | Stop | Use)
            return await act(books, author.staff, ask.account, ask.id, content)
        case _:
            raise AssertionError(ask.verb)


if __name__ == "__main__":
    logging.getLogger("gateway").setLevel(logging.ERROR)  # what is lost is meant to be lost
    asyncio.run(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))

"""The uplink against a real server that verifies each request as the gateway does, and that breaks on demand."""

import datetime
import itertools
import socket
import ssl
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from clinic_agent.signing import Signer
from clinic_agent.uplink import LONGEST_PAUSE_S, Answer, OutcomeUnknown, Uplink, Uuid7Source, new_id, settle
from gateway.trust.signature import SignatureRefused, verify

PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("T-0001", PRIVATE_KEY)
CLAIM = "00000000-0000-7000-8000-000000000001"
OTHER = "00000000-0000-7000-8000-000000000002"

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """Verifies, remembers what it received, and replies from a list; the last reply repeats."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, bytes]] = []
        self.replies: list[Reply] = [answered(200)]
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        target = f"{request.scheme}://{request.host}{request.raw_path}"
        keys = {"T-0001": PRIVATE_KEY.public_key()}
        try:
            verify(request.method, target, request.headers, body, keys=keys.get, now=int(time.time()))
        except SignatureRefused as refused:
            return web.json_response({"reason": refused.reason, "server_time": refused.server_time}, status=401)
        self.received.append((request.method, request.raw_path, body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)


def answered(status: int, headers: dict[str, str] | None = None) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.json_response({"said": status}, status=status, headers=headers)

    return reply


async def hung_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_off(request: web.Request) -> web.StreamResponse:
    """Half of an answer whose first half looks like a decision."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"decision":"declined"}')
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of localhost, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return pem


@asynccontextmanager
async def tls_server(gateway: Gateway, certificate: Path) -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", gateway.handle)
    server = TestServer(app, host="localhost", scheme="https")
    await server.start_server(ssl=context)
    yield str(server.make_url("/"))
    await server.close()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    standing = Gateway()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", standing.handle)
    server = TestServer(app)
    await server.start_server()
    standing.url = str(server.make_url("/"))
    yield standing
    await server.close()


@pytest.fixture
async def uplink(gateway: Gateway) -> AsyncIterator[Uplink]:
    async with Uplink(gateway.url, SIGNER) as line:
        yield line


async def test_every_verb_is_signed_and_goes_to_its_path(gateway: Gateway, uplink: Uplink) -> None:
    body = {"item": "阿莫西林"}
    answers = [
        await uplink.quote(body),
        await uplink.claim(CLAIM, body),
        await uplink.get_claim(CLAIM),
        await uplink.reverse(CLAIM, OTHER, body),
        await uplink.replace(CLAIM, OTHER, body),
        await uplink.lookup(body),
        await uplink.offline_terms({"terminal": "T 1", "account": "a/b&c"}),
        await uplink.stay(OTHER, body),
    ]
    assert [answer.status for answer in answers] == [200] * 8
    content = '{"item":"阿莫西林"}'.encode()
    assert gateway.received == [
        ("POST", "/v1/quotes", content),
        ("PUT", f"/v1/claims/{CLAIM}", content),
        ("GET", f"/v1/claims/{CLAIM}", b""),
        ("PUT", f"/v1/claims/{CLAIM}/reversals/{OTHER}", content),
        ("PUT", f"/v1/claims/{CLAIM}/replacement/{OTHER}", content),
        ("POST", "/v1/lookups", content),
        ("GET", "/v1/offline-terms?terminal=T+1&account=a%2Fb%26c", b""),
        ("PUT", f"/v1/stays/{OTHER}", content),
    ]


async def test_an_answer_is_returned_whatever_it_says(gateway: Gateway, uplink: Uplink) -> None:
    for status in (201, 307, 401, 422, 503):
        gateway.replies = [answered(status, {"Location": "/elsewhere"})]
        answer = await uplink.quote({})
        assert (answer.status, answer.json()) == (status, {"said": status})
        assert answer.headers["location"] == "/elsewhere"
    assert len(gateway.received) == 5


async def test_a_wrong_clock_is_told_the_time(gateway: Gateway) -> None:
    async with Uplink(gateway.url, SIGNER, clock=lambda: time.time() + 90_000) as ahead:
        answer = await ahead.quote({})
    assert answer.status == 401
    assert answer.json()["reason"] == "created_in_future"
    assert answer.json()["server_time"] <= time.time()


@pytest.mark.parametrize("broken", [hung_up, cut_off])
async def test_no_whole_answer_means_unknown(gateway: Gateway, uplink: Uplink, broken: Reply) -> None:
    gateway.replies = [broken]
    with pytest.raises(OutcomeUnknown, match=f"No answer to PUT /v1/claims/{CLAIM} "):
        await uplink.claim(CLAIM, {})
    assert ("PUT", f"/v1/claims/{CLAIM}", b"{}") in gateway.received


async def test_no_answer_in_time_means_unknown() -> None:
    """A listening socket that nobody accepts from: the connection stands, and nothing ever comes back."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with Uplink(f"http://127.0.0.1:{silent.getsockname()[1]}", SIGNER) as line:
            with pytest.raises(OutcomeUnknown, match="TimeoutError"):
                await line.send("PUT", f"/v1/claims/{CLAIM}", {}, deadline_s=0.05)


async def test_a_gateway_with_an_untrusted_certificate_gets_nothing(certificate: Path) -> None:
    gateway = Gateway()
    async with tls_server(gateway, certificate) as url:
        async with Uplink(url, SIGNER) as stranger:
            with pytest.raises(OutcomeUnknown, match="Certificate"):
                await stranger.claim(CLAIM, {})
        assert gateway.received == []
        async with Uplink(url, SIGNER, tls=ssl.create_default_context(cafile=certificate)) as line:
            assert (await line.claim(CLAIM, {})).status == 200


async def test_no_connection_means_unknown_and_shows_no_query() -> None:
    async with Uplink(f"http://127.0.0.1:{unused_port()}", SIGNER) as line:
        with pytest.raises(OutcomeUnknown) as unknown:
            await line.offline_terms({"account": "42"})
    assert "/v1/offline-terms (" in str(unknown.value)
    assert "42" not in str(unknown.value)


class Patience:
    """Time that moves only by pausing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def settle(self, attempt: Callable[[], Awaitable[Answer]], limit_s: float = 100) -> Answer:
        return await settle(attempt, limit_s=limit_s, pause=self.pause, clock=lambda: self.now)


async def test_settling_repeats_the_same_request_until_it_is_answered(gateway: Gateway, uplink: Uplink) -> None:
    gateway.replies = [hung_up, answered(503), answered(429), cut_off, answered(502), answered(201)]
    patience = Patience()
    answer = await patience.settle(lambda: uplink.claim(CLAIM, {"total": 1}))
    assert answer.status == 201
    assert gateway.received == [("PUT", f"/v1/claims/{CLAIM}", b'{"total":1}')] * 6
    # One pause less than repetitions: aiohttp hides the first broken connection by repeating the PUT itself.
    assert len(patience.pauses) == 4


@pytest.mark.parametrize("status", [200, 201, 307, 400, 401, 404, 409, 422])
async def test_settling_never_repeats_what_was_answered(gateway: Gateway, uplink: Uplink, status: int) -> None:
    gateway.replies = [answered(status), answered(200)]
    assert (await Patience().settle(lambda: uplink.claim(CLAIM, {}))).status == status
    assert len(gateway.received) == 1


@pytest.mark.parametrize("broken", [hung_up, answered(503), answered(429)])
async def test_settling_ends_as_unknown_within_its_limit(gateway: Gateway, uplink: Uplink, broken: Reply) -> None:
    gateway.replies = [broken]
    patience = Patience()
    with pytest.raises(OutcomeUnknown, match="within 60 s"):
        await patience.settle(lambda: uplink.claim(CLAIM, {}), limit_s=60)
    assert 60 - LONGEST_PAUSE_S < patience.now <= 60


async def test_pauses_grow_to_a_limit_and_are_left_to_chance(gateway: Gateway, uplink: Uplink) -> None:
    gateway.replies = [answered(503)]
    patience = Patience()
    with pytest.raises(OutcomeUnknown):
        await patience.settle(lambda: uplink.quote({}))
    bounds = [0.25, 0.5, 1, 2, 4, *itertools.repeat(8, len(patience.pauses) - 5)]
    assert all(bound / 2 <= pause <= bound for bound, pause in zip(bounds, patience.pauses, strict=True))
    assert len(set(patience.pauses)) == len(patience.pauses)


async def test_retry_after_is_kept_to(gateway: Gateway, uplink: Uplink) -> None:
    gateway.replies = [answered(503, {"Retry-After": "30"}), answered(429, {"Retry-After": "soon"}), answered(200)]
    patience = Patience()
    await patience.settle(lambda: uplink.quote({}))
    assert patience.pauses[0] == 30
    assert patience.pauses[1] <= 0.5


async def test_retry_after_beyond_the_limit_is_not_waited_for(gateway: Gateway, uplink: Uplink) -> None:
    gateway.replies = [answered(503, {"Retry-After": "3600"})]
    patience = Patience()
    with pytest.raises(OutcomeUnknown, match="it last answered 503"):
        await patience.settle(lambda: uplink.quote({}))
    assert patience.pauses == []


@pytest.mark.parametrize("bad", ["", "../quotes", "a/b", "a?b", "编号", "x" * 65])
async def test_an_id_cannot_leave_its_path(gateway: Gateway, uplink: Uplink, bad: str) -> None:
    with pytest.raises(ValueError, match="Not an id"):
        await uplink.reverse(CLAIM, bad, {})
    assert gateway.received == []


@pytest.mark.parametrize(
    "url", ["", "gateway", "ftp://h", "https://h/path", "https://h?q", "https://h#f", "https://user@h"]
)
def test_an_address_of_another_shape_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        Uplink(url, SIGNER)


@pytest.mark.parametrize("host", ["10.0.0.1", "gateway.example", "localhost.example", "[2001:db8::1]"])
def test_clear_text_is_for_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="use https"):
        Uplink(f"http://{host}:8080", SIGNER)


async def test_a_closed_uplink_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Uplink("https://gateway.example", SIGNER).quote({})


def test_ids_are_uuid7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    # The counter may carry over into the milliseconds when many ids are made at once.
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 10


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_ids_rise_though_threads_compete_for_them() -> None:
    source = Uuid7Source(clock_ns=lambda: 1_700_000_000_000_000_000)
    with ThreadPoolExecutor(4) as pool:
        series = list(pool.map(lambda _: [source.next() for _ in range(5000)], range(4)))
    assert all(ids == sorted(ids) for ids in series)
    assert len({made for ids in series for made in ids}) == 20_000


def test_ids_rise_when_the_clock_is_set_back_a_little_and_follow_it_when_far() -> None:
    seconds = iter([1000, 990, 941, 900])
    source = Uuid7Source(clock_ns=lambda: next(seconds) * 1_000_000_000)
    first, little, almost, far = (source.next() for _ in range(4))
    assert first < little < almost
    assert uuid.UUID(far).int >> 80 == 900_000

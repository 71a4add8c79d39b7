"""Sealed values open at their place and nowhere else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.trust.sealing import ALGORITHM_NAMES, Sealer, Unsealable

KEYS = {1: bytes(range(32)), 0xFFFFFFFF: bytes(range(32, 64))}
ROW = b"row-1"
OVERHEAD = 1 + 1 + 4 + 12 + 16

# Sealed once and kept for ever: data in databases must open with every later version.
GOLDEN = {
    "aes-256-gcm": "010100000001680cb0376b3c67508ed545382e391d93212ae39299a763396b91c4d4f1a33133d9177ffa9d",
    "sm4-gcm": "0102ffffffffb45ec01a1526bdb294ccd249703fb74d859d8a6d52800a12a908d617408c5e8cf7e3816150",
}


@pytest.fixture(params=ALGORITHM_NAMES)
def sealer(request: pytest.FixtureRequest) -> Sealer:
    return Sealer(KEYS, current=1, algorithm=request.param)


def opened(sealer: Sealer, sealed: bytes) -> bytes:
    return sealer.open(sealed, table="resident", column="name", row=ROW)


def sealed_by(sealer: Sealer, plain: bytes) -> bytes:
    return sealer.seal(plain, table="resident", column="name", row=ROW)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 600, 1200, 4000])
def test_a_value_opens_where_it_was_sealed(sealer: Sealer, size: int) -> None:
    plain = bytes(i % 251 for i in range(size))
    sealed = sealed_by(sealer, plain)
    assert opened(sealer, sealed) == plain
    assert len(sealed) == size + OVERHEAD


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_values_sealed_by_earlier_versions_open(name: str) -> None:
    assert opened(Sealer(KEYS, current=1), bytes.fromhex(GOLDEN[name])) == "赵钱孙".encode()


@pytest.mark.parametrize(("place"), [("resident", "name", b"row-2"), ("resident", "phone", ROW), ("card", "name", ROW)])
def test_a_value_moved_to_another_place_does_not_open(sealer: Sealer, place: tuple[str, str, bytes]) -> None:
    table, column, row = place
    with pytest.raises(Unsealable, match="altered, or moved"):
        sealer.open(sealed_by(sealer, b"x"), table=table, column=column, row=row)


def test_places_that_read_alike_when_joined_are_different_places(sealer: Sealer) -> None:
    sealed = sealer.seal(b"x", table="ab", column="c", row=b"d")
    for table, column, row in [("a", "bc", b"d"), ("ab", "cd", b""), ("abc", "d", b"d")]:
        with pytest.raises(Unsealable):
            sealer.open(sealed, table=table, column=column, row=row)


@pytest.mark.parametrize(("table", "column"), [("", "c"), ("t", ""), ("t\0c", "x"), ("t", "c\0")])
def test_a_place_needs_a_table_and_a_column_without_nul(sealer: Sealer, table: str, column: str) -> None:
    with pytest.raises(ValueError, match="without NUL"):
        sealer.seal(b"x", table=table, column=column, row=ROW)


def test_no_bit_can_be_flipped(sealer: Sealer) -> None:
    sealed = sealed_by(sealer, b"secret")
    for at in range(len(sealed)):
        for bit in range(8):
            broken = sealed[:at] + bytes((sealed[at] ^ 1 << bit,)) + sealed[at + 1 :]
            with pytest.raises(Unsealable):
                opened(sealer, broken)


def test_nothing_shorter_opens(sealer: Sealer) -> None:
    sealed = sealed_by(sealer, b"secret")
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            opened(sealer, sealed[:length])


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_do_not_open(sealed: bytes) -> None:
    with pytest.raises(Unsealable):
        opened(Sealer(KEYS, current=1), sealed)


def test_equal_values_are_sealed_differently(sealer: Sealer) -> None:
    assert len({sealed_by(sealer, b"same") for _ in range(100)}) == 100


def test_older_keys_and_other_algorithms_still_open() -> None:
    old = sealed_by(Sealer(KEYS, current=1, algorithm="aes-256-gcm"), b"x")
    assert opened(Sealer(KEYS, current=0xFFFFFFFF, algorithm="sm4-gcm"), old) == b"x"


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [(0, 2, "format 2"), (1, 9, "algorithm 9"), (2, 7, "needs the key 07000001, which is not at hand")],
)
def test_an_unreadable_header_says_what_is_missing(sealer: Sealer, position: int, value: int, sentence: str) -> None:
    sealed = bytearray(sealed_by(sealer, b"x"))
    sealed[position] = value
    with pytest.raises(Unsealable, match=sentence):
        opened(sealer, bytes(sealed))


def test_the_same_id_with_another_key_does_not_open(sealer: Sealer) -> None:
    with pytest.raises(Unsealable):
        opened(Sealer({1: bytes(32)}, current=1), sealed_by(sealer, b"x"))


@pytest.mark.parametrize(
    ("keys", "current", "algorithm", "sentence"),
    [
        (KEYS, 2, "aes-256-gcm", "not among"),
        (KEYS, 1, "des", "choose one of aes-256-gcm, sm4-gcm"),
        ({1: b"short"}, 1, "sm4-gcm", "32 bytes"),
        ({2**32: bytes(32)}, 2**32, "sm4-gcm", "4 bytes"),
    ],
)
def test_a_sealer_that_cannot_work_is_not_built(
    keys: dict[int, bytes], current: int, algorithm: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Sealer(keys, current, algorithm)

"""Keyed hashes: equal for what people mean to be equal, different for everything else."""

import pytest

from gateway.trust.blind import HASH_NAMES, BlindIndex, normalised

INDEX = BlindIndex(bytes(range(32)))


@pytest.mark.parametrize(
    "spelling",
    ["A2099X01", " a2099x01\n", "A2099 X01", "Ａ２０９９Ｘ０１", "ａ２０９９\u3000ｘ０１", "\ta2099x01\u00a0"],
)
def test_all_spellings_of_a_number_are_found(spelling: str) -> None:
    assert normalised(spelling) == "A2099X01"
    assert INDEX.card(spelling) == INDEX.card("A2099X01")


@pytest.mark.parametrize("other", ["A2099X02", "A2099X1", "A2099X010", "A²099X01", "А2099X01"])
def test_other_numbers_are_not(other: str) -> None:
    assert INDEX.card(other) != INDEX.card("A2099X01")


@pytest.mark.parametrize("empty", ["", " ", "\u3000\n"])
def test_an_empty_text_is_refused(empty: str) -> None:
    with pytest.raises(ValueError, match="empty text"):
        INDEX.identity(empty)


@pytest.mark.parametrize("hash_name", HASH_NAMES)
def test_columns_purposes_scopes_and_keys_cannot_be_compared(hash_name: str) -> None:
    index = BlindIndex(bytes(range(32)), hash_name)
    hashes = {
        index.card("1")[:6],
        index.identity("1")[:6],
        *(index.short("1", purpose) for purpose in ("card", "diagnosis")),
        *(index.short("1", "diagnosis", within) for within in (b"account-1", b"account-2")),
        BlindIndex(bytes(32), hash_name).card("1")[:6],
    }
    assert len(hashes) == 7


def test_scope_and_text_do_not_run_into_each_other() -> None:
    assert INDEX.short("BC", "x", b"A") != INDEX.short("C", "x", b"AB")


def test_sizes() -> None:
    assert (len(INDEX.card("1")), len(INDEX.identity("1")), len(INDEX.short("1", "x"))) == (16, 16, 8)


def test_hashes_never_change() -> None:
    """They are stored: another derivation would make every resident unknown."""
    assert INDEX.card("A2099X01").hex() == "5b16bedf17fc31581079892bb4a47e1f"
    assert INDEX.identity("A2099X01").hex() == "afddb33811784135be1af91437747f1e"
    assert INDEX.short("J45.9", "diagnosis", b"account-1") == "gH4VV-LN"
    assert BlindIndex(bytes(range(32)), "sm3").card("A2099X01").hex() == "c515ad70ed6da3f13c85ac9c0fd1ea9e"


@pytest.mark.parametrize(("key", "hash_name"), [(b"short", "sha256"), (bytes(32), "md5")])
def test_a_weak_index_is_not_built(key: bytes, hash_name: str) -> None:
    with pytest.raises(ValueError, match=r"32 bytes|choose one of sha256, sm3"):
        BlindIndex(key, hash_name)

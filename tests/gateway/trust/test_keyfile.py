"""The master key file: made once, read by its owner only, and never confused with another."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.trust.keyfile import KeyFileError, MasterKey, WrongMasterKey, load, load_or_create
from gateway.trust.sealing import Sealer

KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def test_made_once_for_the_owner_alone(path: Path) -> None:
    made = load_or_create(path)
    assert load_or_create(path) == load(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "a") != load_or_create(tmp_path / "b")


def test_processes_that_start_together_share_one_key(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway.trust.keyfile import load_or_create; "
        "sys.stdin.read(); print(load_or_create(Path(sys.argv[1])).check_value)"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    assert {starter.communicate()[0].strip() for starter in starters} == {load(path).check_value}


def test_a_creator_that_comes_second_takes_the_first_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race that real processes rarely hit: another key appears after this one looked."""
    first = load_or_create(path)
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    assert load_or_create(path) == first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_open_to_others_is_refused(path: Path, mode: int) -> None:
    load_or_create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"run: chmod 600 {path}"):
        load_or_create(path)


def test_a_key_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_or_create(path)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(KeyFileError, match="belongs to another user"):
        load(path)


def test_a_missing_key_is_not_made_by_reading(path: Path) -> None:
    with pytest.raises(KeyFileError, match="restore it from its backup"):
        load(path)
    assert not path.exists()


def test_a_folder_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(KeyFileError, match="The folder must exist"):
        load_or_create(path / "nowhere" / "master.key")


def test_what_is_not_a_file_is_refused(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match="cannot be read"):
        load(path)
    with pytest.raises(KeyFileError, match="not a regular file"):
        load(Path(os.devnull))


def test_no_damage_goes_unnoticed(path: Path) -> None:
    key = load_or_create(path)
    whole = path.read_bytes()
    damaged = [whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in range(len(whole) - 1)]
    for content in [*damaged, *(whole[:length] for length in range(len(whole) - 1)), whole * 2, b"\xff"]:
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match="damaged"):
            load(path)
    path.write_bytes(whole)
    assert load(path) == key


def test_the_key_of_another_database_is_refused_by_name() -> None:
    KEY.require(KEY.check_value)
    other = MasterKey(bytes(32))
    with pytest.raises(WrongMasterKey, match=f"{KEY.check_value}.*{other.check_value}.*Put back the key file"):
        other.require(KEY.check_value)


def test_the_secret_is_not_shown() -> None:
    assert repr(KEY) == "MasterKey()"
    derived = [KEY.check_value, *(KEY.data_key(n)[1].hex() for n in (1, 2)), KEY.blind_key().hex()]
    derived.append(KEY.signing_key().private_bytes_raw().hex())
    assert len({*derived, KEY.secret.hex()}) == 6


def test_sealed_data_survives_the_next_key() -> None:
    first, second = KEY.data_key(1), KEY.data_key(2)
    old = Sealer(dict([first]), current=first[0]).seal(b"x", table="t", column="c", row=b"r")
    assert Sealer(dict([first, second]), current=second[0]).open(old, table="t", column="c", row=b"r") == b"x"


def test_derivations_never_change() -> None:
    """Everything stored depends on them."""
    key_id, data_key = KEY.data_key()
    assert KEY.check_value == "cd8c35e13bffd8e0"
    assert (key_id, data_key.hex()) == (0xC6249020, "bc53d07e14726076cb1812d2acf070482eab11306062e982327458a82afccffa")
    assert KEY.blind_key().hex() == "4285b4bef357f1438038e4ca153143d24c21250e000f2b6a04ee2f669678ca71"
    assert (
        KEY.signing_key().public_key().public_bytes_raw().hex()
        == "9b4ba1f8e00d89ece9731f79bdf6f4f07aa51dfa8b50245b553ef9c8eb33a735"
    )


def test_generations_start_at_one() -> None:
    with pytest.raises(ValueError, match="start at 1"):
        KEY.data_key(0)

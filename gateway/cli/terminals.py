"""`aidgate terminal`: terminals and the keys they sign with."""

import base64
import json
import os
import tomllib
from pathlib import Path

import click
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from gateway.cli.exits import Exit
from gateway.cli.lazy import Failed
from gateway.cli.session import as_json, config_path, opened, put_out, run
from gateway.cli.tables import table
from gateway.config import Config, TerminalConfig, load_config


class KeyPair(Struct, frozen=True):
    """Both halves, base64 of 32 bytes. The private one belongs on the terminal and nowhere else."""

    private: str
    public: str


@click.group()
def terminal() -> None:
    """Register terminals and their keys."""


@terminal.command()
@click.option(
    "--private-to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the private half to this new file, for its owner only, instead of printing it.",
)
@as_json
def key(private_to: Path | None, as_json: bool) -> None:
    """Make a key pair.

    The private half goes to the terminal, the public half to `aidgate terminal add`. Nothing is kept here.
    """
    pair = new_pair()
    if private_to is not None:
        with os.fdopen(os.open(private_to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(pair.private + "\n")
        pair = KeyPair(f"in {private_to}", pair.public)
    put_out(pair, as_json, lambda: f"private  {pair.private}\npublic   {pair.public}")


@terminal.command()
@click.argument("name")
@click.option("--clinic", required=True, help="Code of the clinic it stands in.")
@click.option("--key", "public", required=True, help="Public half of its key, as `aidgate terminal key` prints it.")
@click.option("--sandbox", is_flag=True, help="Only for trials: it never touches the real books.")
@click.pass_obj
def add(home: Path, name: str, clinic: str, public: str, sandbox: bool) -> None:
    """Register a terminal and write its key into the configuration.

    Gateways read their configuration when they start: restart them.
    """
    _refuse_key(public)
    if any(known.id == name for known in load_config(home).terminal):
        raise Failed(Exit.USAGE, f"Terminal {name} stands in {config_path(home)} already. Change its key there.")
    if not sandbox:
        run(_register(home, name, clinic))
    _append(config_path(home), TerminalConfig(name, clinic, public, sandbox))
    click.echo(f"Terminal {name} of clinic {clinic} is registered. Restart the gateway.")


@terminal.command("list")
@as_json
@click.pass_obj
def list_(home: Path, as_json: bool) -> None:
    """List the terminals of the configuration."""
    terminals = load_config(home).terminal
    rows = [(each.id, each.clinic, each.key, _standing(each)) for each in terminals]
    put_out(
        terminals, as_json, lambda: table(("terminal", "clinic", "public key", ""), rows) if rows else "No terminals."
    )


def new_pair() -> KeyPair:
    """A new Ed25519 pair."""
    private = Ed25519PrivateKey.generate()
    raw = private.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return KeyPair(base64.b64encode(raw).decode(), base64.b64encode(public).decode())


def _refuse_key(public: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    except ValueError as error:
        raise Failed(Exit.USAGE, f"--key is the public half, 32 bytes in base64 ({error}).") from error


def _standing(terminal: TerminalConfig) -> str:
    if terminal.revoked:
        return "revoked"
    return "sandbox" if terminal.sandbox else ""


async def _register(home: Path, name: str, clinic: str) -> None:
    async with opened(home) as books:
        await books.directory.register_terminal(name, clinic)


def _append(path: Path, terminal: TerminalConfig) -> None:
    """Adds the entry at the end, so that what people wrote above stays; in one step, so that it is never half there."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    # A JSON string is a TOML string.
    entry = [f"{name} = {json.dumps(getattr(terminal, name), ensure_ascii=False)}" for name in ("id", "clinic", "key")]
    if terminal.sandbox:
        entry.append("sandbox = true")
    new = "\n".join([*([text.rstrip("\n"), ""] if text else []), "[[terminal]]", *entry, ""])
    try:
        msgspec.convert(tomllib.loads(new), Config, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Failed(Exit.SETUP, f"{path}: {error}. Correct the file, then add the terminal again.") from error
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(new, encoding="utf-8")
    draft.replace(path)

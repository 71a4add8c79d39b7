"""Serving: the gateway itself, and the demo of it."""

from pathlib import Path

import click

from gateway.cli.session import run as run_to_end
from gateway.demo import play
from gateway.installation import Installation
from gateway.serve import run
from gateway.serve import serve as serve_


@click.command()
@click.option("--host", help="Address to listen on; [server] host otherwise.")
@click.option("--port", type=int, help="0 takes a free one; [server] port otherwise.")
@click.option("--reuse-port", is_flag=True, help="Share the port with other instances of this command.")
@click.option("--instance", default="0", help="Name of this instance, for logs and metrics.")
@click.pass_obj
def serve(home: Path, host: str | None, port: int | None, reuse_port: bool, instance: str) -> None:
    """Serve clinics until stopped."""
    run(serve_(Installation.open(home), host=host, port=port, reuse_port=reuse_port, on_ready=click.echo))


@click.command()
@click.option("--once", is_flag=True, help="Play the story, check every step, stop everything and leave.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Set up in this new folder and leave it there; otherwise a temporary one is used and removed.",
)
def demo(once: bool, keep: Path | None) -> None:
    """Play the main job from card to receipt on a throw-away gateway."""
    run_to_end(play(once=once, keep=keep))

"""The demo: what this system does, in one command."""

from pathlib import Path

import click

from gateway.cli.session import run
from gateway.demo import play


@click.command()
@click.option("--once", is_flag=True, help="Play the story, check every step, stop everything and leave.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Set up in this new folder and leave it there; otherwise a temporary one is used and removed.",
)
def demo(once: bool, keep: Path | None) -> None:
    """Play the main job from card to receipt on a throw-away gateway."""
    run(play(once=once, keep=keep))

"""Serving: one gateway process."""

import logging
from pathlib import Path

import click

from gateway.installation import Installation
from gateway.serve import run
from gateway.serve import serve as serve_


@click.command()
@click.option("--host", help="Address to listen on; [server] host otherwise.")
@click.option("--port", type=int, help="0 takes a free one; [server] port otherwise.")
@click.option("--reuse-port", is_flag=True, help="Share the port with other instances of this command.")
@click.option("--instance", default="0", help="Name of this instance, in its log and in PostgreSQL's.")
@click.pass_obj
def serve(home: Path, host: str | None, port: int | None, reuse_port: bool, instance: str) -> None:
    """Serve clinics until stopped."""
    logging.basicConfig(
        level=logging.WARNING, format=f"%(asctime)s aidgate/{instance} %(levelname)s %(name)s: %(message)s"
    )
    installation = Installation.open(home)
    run(serve_(installation, host=host, port=port, reuse_port=reuse_port, instance=instance, on_ready=click.echo))

"""The group of all commands."""

from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="Folder of configuration, key and embedded database.")
@click.pass_context
def main(context: click.Context, home: Path | None) -> None:
    """Aidgate: deduction of medical aid at the counter."""
    from gateway.config import default_home  # noqa: PLC0415

    context.obj = home or default_home()


@main.command()
@click.option("--host")
@click.option("--port", type=int)
@click.option("--reuse-port", is_flag=True, help="Share the port with other instances of this command.")
@click.option("--instance", default="0", help="Name of this instance, for logs and metrics.")
@click.pass_obj
def serve(home: Path, host: str | None, port: int | None, reuse_port: bool, instance: str) -> None:
    """Serve clinics until stopped."""
    from gateway.installation import Installation  # noqa: PLC0415
    from gateway.serve import run  # noqa: PLC0415
    from gateway.serve import serve as serve_  # noqa: PLC0415

    run(serve_(Installation.open(home), host=host, port=port, reuse_port=reuse_port, on_ready=click.echo))

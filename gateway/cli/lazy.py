"""A group whose commands are imported when they are called: `--help` must not wait for web server and database driver.

The group knows each command's one-line help, so that listing them loads nothing; a test compares it with the command's.
Whatever a command may fail with becomes one sentence and an exit code here, and nowhere else.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from gateway.cli.exits import Exit


class Failed(Exception):
    """Ends a command with a sentence on stderr and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


class LazyGroup(click.Group):
    """`commands`: name -> (module:attribute, one-line help)."""

    def __init__(self, *arguments: Any, table: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table, which is the order of a first day's work."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing what it lists."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what it is known to fail with is told in a sentence, anything else keeps its traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Failed as failed:
            click.echo(f"Error: {failed}", err=True)
            ctx.exit(failed.code)
        except Exception as error:
            known = import_module("gateway.cli.failures").told(error)
            if known is None:
                raise
            code, sentence = known
            click.echo(f"Error: {sentence}", err=True)
            ctx.exit(code)

"""The group of all commands."""

from pathlib import Path

import click

from gateway.cli.lazy import LazyGroup
from gateway.config import default_home

COMMANDS = {
    "demo": ("gateway.cli.demo:demo", "Play the main job from card to receipt on a throw-away gateway."),
    "serve": ("gateway.cli.serving:serve", "Serve clinics until stopped."),
    "migrate": ("gateway.cli.upkeep:migrate", "Set up the database, or bring it to this version's schema."),
    "doctor": ("gateway.cli.doctor:doctor", "Look at everything the gateway stands on; say what to do."),
    "selfcheck": ("gateway.cli.upkeep:selfcheck", "Check what must always be true of the books."),
    "quote": ("gateway.cli.claims:quote", "Show what aid would pay of a claim; change nothing."),
    "deduct": ("gateway.cli.claims:deduct", "Decide a claim and post it, exactly once."),
    "explain": ("gateway.cli.claims:explain", "Work out again why an operation came out as it did."),
    "import": ("gateway.cli.lists:import_", "Register what is kept in spreadsheets."),
    "terminal": ("gateway.cli.terminals:terminal", "Register terminals and their keys."),
    "rulebook": ("gateway.cli.rulebook:rulebook", "Check, show and activate sets of rulebooks."),
    "alerts": ("gateway.cli.staff:alerts", "See what the velocity counters found."),
    "freeze": ("gateway.cli.staff:freeze", "Stop aid for a card, account, terminal or clinic."),
    "unfreeze": ("gateway.cli.staff:unfreeze", "End a freeze at once."),
    "database": ("gateway.cli.upkeep:database", "See or stop the embedded database."),
    "config": ("gateway.cli.upkeep:config", "Show the configuration in force."),
    "version": ("gateway.cli.upkeep:version", "Print the versions of everything involved."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of configuration, key and embedded database. Default: $AIDGATE_HOME, else /var/lib/aidgate (root) or "
    "~/.local/share/aidgate.",
)
@click.pass_context
def main(context: click.Context, home: Path | None) -> None:
    """Aidgate: deduction of medical aid at the counter.

    Exit codes: 0 done, 1 the answer is no, 2 unusable command line or file, 3 database unreachable, 4 set-up not in
    order.
    """
    context.obj = home or default_home()

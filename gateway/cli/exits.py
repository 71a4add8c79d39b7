"""The exit codes of every command. Scripts go by them: none ever changes its meaning. docs/operator.md lists them."""

from enum import IntEnum, unique


@unique
class Exit(IntEnum):
    """What a command ends with."""

    OK = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    SETUP = 4


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done; nothing wrong was found",
    Exit.NO: "the answer is no: a claim was declined, a check found something wrong, rows of a list are faulty",
    Exit.USAGE: "the command line, or a file or name given on it, cannot be used",
    Exit.UNREACHABLE: "the database cannot be reached, or an outcome is not known: try again",
    Exit.SETUP: "the installation does not allow it: configuration, master key, migrations, server settings",
}
"""A sentence for each code."""

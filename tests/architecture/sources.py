"""The files of the project, as they would be in a clean checkout."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "rules", "clinic_agent", "loadtest")

# The same names as in .gitignore, plus version control itself.
_NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "node_modules"}
_CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file below `folder` that belongs to the project."""
    for path in sorted(folder.iterdir()):
        if path.name in _NOT_OURS or path.name in _CACHES or path.name.endswith(".egg-info") or path == ROOT / "var":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from files(path)
        elif path.is_file():
            yield path


def name_of(path: Path) -> str:
    """The file as a reader of the repository calls it."""
    return path.relative_to(ROOT).as_posix()


@cache
def python_files() -> tuple[Path, ...]:
    """Every Python file, tests included."""
    return tuple(path for path in files() if path.suffix == ".py")


@cache
def product_files() -> tuple[Path, ...]:
    """Every Python file that is installed."""
    return tuple(path for path in python_files() if name_of(path).split("/")[0] in PACKAGES)


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_bytes(), filename=name_of(path))


@cache
def modules() -> tuple[str, ...]:
    """Every importable module that is installed."""
    names = (name_of(path).removesuffix(".py").removesuffix("/__init__") for path in product_files())
    return tuple(sorted(name.replace("/", ".") for name in names))

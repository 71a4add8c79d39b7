"""Who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, modules, name_of, product_files, tree_of

# What each package may use besides Python's standard library, declared in pyproject.toml.
THIRD_PARTY = {
    "rules": {"msgspec"},
    "gateway/domain": {"msgspec"},
}
# Spreadsheets are read in one module of rules, outside its pure core.
SHEET_LOADER = "python_calamine"

# Who may call rules, as opposed to naming their records. Functions are written in small letters, records are not.
CALLS_RULES = {
    "gateway/domain/decision.py": None,
    "gateway/domain/taking_back.py": {"lines_back"},
    "gateway/rulebooks.py": {"load_rulebooks", "read_folder", "shipped"},
}

_FORK_AND_IMPORT = """
import importlib, importlib.util, os, sys, traceback
preloaded, names = (argument.split(",") for argument in sys.argv[1:])
for name in preloaded:
    if importlib.util.find_spec(name):
        importlib.import_module(name)
failed = False
for name in names:
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            print(f"--- {name} cannot be imported by itself", file=sys.stderr)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    failed |= os.waitpid(child, 0)[1] != 0
sys.exit(failed)
"""

_HELP = """
import sys
from gateway.__main__ import main
sys.argv = ["aidgate", "--help"]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded:", *sorted({"aiohttp", "asyncpg"} & set(sys.modules)))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def third_party(path: Path) -> set[str]:
    """Top-level names a file imports that are neither Python's own nor the project's."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    ours = {"gateway", "rules", "clinic_agent", "loadtest"}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - ours


def test_import_contracts_hold() -> None:
    result = run(str(Path(sys.executable).with_name("lint-imports")))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("folder", THIRD_PARTY)
def test_pure_packages_import_nothing_else(folder: str) -> None:
    used = {name_of(path): third_party(path) for path in product_files() if name_of(path).startswith(folder + "/")}
    assert used, f"{folder} has no modules"
    unexpected = {name: names - THIRD_PARTY[folder] - {SHEET_LOADER} for name, names in used.items()}
    assert not {name: names for name, names in unexpected.items() if names}
    assert len([name for name, names in used.items() if SHEET_LOADER in names]) <= 1


def gateway_files() -> list[Path]:
    return [path for path in product_files() if name_of(path).startswith("gateway/")]


@pytest.mark.parametrize("path", gateway_files(), ids=name_of)
def test_only_the_decision_calls_rules(path: Path) -> None:
    """Quote and deduction agree because nothing else computes benefits; rulebooks are loaded in one place."""
    allowed = CALLS_RULES.get(name_of(path), set())
    named = {
        alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "rules"
        for alias in node.names
    }
    called = {name for name in named if name.islower()}
    assert allowed is None or called <= allowed, f"calls {', '.join(sorted(called - (allowed or set())))} of rules"


@pytest.mark.parametrize("path", gateway_files(), ids=name_of)
def test_rules_are_entered_by_the_front_door(path: Path) -> None:
    """`from rules import …`, or the test above would not see what is used."""
    for node in ast.walk(tree_of(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        inner = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rules.")
        assert not inner
        assert not [name for name in names if name.split(".")[0] == "rules"]


def test_each_module_imports_alone() -> None:
    """In a process that holds no other module of ours, so that circular imports cannot hide behind an order."""
    preloaded = set().union(
        *(third_party(path) for path in product_files() if not name_of(path).startswith("loadtest/"))
    )
    result = run(sys.executable, "-c", _FORK_AND_IMPORT, ",".join(sorted(preloaded)), ",".join(modules()))
    assert result.returncode == 0, result.stderr


def test_help_loads_neither_server_nor_driver() -> None:
    result = run(sys.executable, "-c", _HELP)
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
    assert result.stdout.splitlines()[-1] == "loaded:"

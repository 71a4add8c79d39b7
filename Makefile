# Every task of this project in one word. `make help` lists them.

PYTHON ?= python3
UV ?= $(firstword $(wildcard .venv/bin/uv) uv)
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-once test pytest test-long test-packages bench lint format lock selfcheck clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv with everything pinned by hash (PYTHON=python3.12 picks another Python)

$(INSTALLED): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Aidgate needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one that is: make setup PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --requirement locks/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-index --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run a whole town on this machine: gateway, clinics, claims, pages
	$(BIN)/aidgate demo

demo-once: setup ## Run the demo's story once, check the books, and leave
	$(BIN)/aidgate demo --once

test: lint pytest ## Everything a change must pass

pytest: setup test-packages ## The tests alone
	$(BIN)/python -m pytest

test-long: setup test-packages ## The tests that take minutes
	$(BIN)/python -m pytest -m long

test-packages: ## Install the system packages that the tests use (as root on Debian)
	ops/install-test-packages

bench: setup ## Measure claims per second against this machine's own baselines
	$(BIN)/python -m loadtest.bench

lint: setup ## Style, types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Rewrite the code in the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

selfcheck: setup ## Recompute every claim and sum every entry of the configured gateway
	$(BIN)/aidgate selfcheck

LOCK := $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# The smaller locks are constrained by the development lock: what is deployed is what was tested.
lock: ## Resolve the dependencies anew (the one task that needs uv)
	@$(UV) --version >/dev/null 2>&1 || { echo "'make lock' needs uv: pip install uv" >&2; exit 1; }
	$(LOCK) pyproject.toml --extra embedded --extra sheets --group dev --output-file locks/dev.txt
	$(LOCK) pyproject.toml --extra embedded --extra sheets --constraints locks/dev.txt --output-file locks/runtime.txt
	$(LOCK) pyproject.toml --extra agent --constraints locks/dev.txt --output-file locks/agent.txt
	$(LOCK) --group build --constraints locks/dev.txt --output-file locks/build.txt

clean: ## Remove caches and build output (the environment and data stay)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

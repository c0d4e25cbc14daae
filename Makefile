# Everything a fresh machine needs: `make demo` and `make test`. Only Python ≥ 3.11 with venv and pip has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: help setup demo test lint docs bench dashboard clean

help:
	@echo "make demo       plan tomorrow for the demo store and show the plan"
	@echo "make test       set up, lint, type check, run all tests"
	@echo "make dashboard  open the dashboard on the demo store"
	@echo "make docs       write docs/ that are generated from the code"
	@echo "make bench      measure speed and memory into benchmarks/README.md"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies (a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	@$(BIN)/replenish plan --data data/demo --date 2024-07-01

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

dashboard: $(STAMP)
	@$(BIN)/replenish dashboard --data data/demo

docs: $(STAMP)
	$(BIN)/python -m replenish.docs --output docs

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache
